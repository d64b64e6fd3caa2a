/**
 * Calls of other domains, and what comes back.
 *
 * Invariant: the ownership check says nothing here.
 */
import { BlockDevice, BlockDeviceReadResult, BlockError, BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import { Fault } from "os/rpc";
import { Backing } from "os/shadow";
import { Offer } from "heap/modes";
import { disk, medium, toss } from "./world";

export function thereAndBack(): bool {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
  return answer.ok;
}

export function refusedFirst(): u32 {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.refused) request.free();
  if (!answer.ok) return 0;
  const tag = answer.value.tag;
  answer.value.free();
  return tag;
}

export function byFault(): u32 {
  const request = BlockRequest.create();
  const answer = disk.write(request);
  const fault = answer.fault;
  if (fault != Fault.None) {
    if (fault != Fault.Crashed) request.free();
    return 1;
  }
  if (answer.isError) return 2;
  answer.value.free();
  return 0;
}

export function byFaultInOneCondition(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.ok) answer.value.free();
  else if (answer.fault != Fault.None && answer.fault != Fault.Crashed) request.free();
}

export function bySwitch(): u32 {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  switch (answer.fault) {
    case Fault.None:
      if (answer.ok) answer.value.free();
      return 0;
    case Fault.Crashed:
      return 1;
    default:
      request.free();
      return 2;
  }
}

export function byError(): u32 {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.refused) {
    request.free();
    return 9;
  }
  if (answer.isError) return answer.error == BlockError.Corrupt ? 1 : 2;
  if (!answer.ok) return 3;
  answer.value.free();
  return 0;
}

export function byVariable(): bool {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  const ok = answer.ok;
  if (ok) answer.value.free();
  const lost = !ok && answer.refused;
  if (lost) request.free();
  return ok;
}

export function sameVariable(): u32 {
  let request = BlockRequest.create();
  for (let i = 0; i < 3; i++) {
    const answer = disk.read(request);
    if (answer.refused) request.free();
    if (!answer.ok) return i;
    request = answer.value;
    request.tag++;
  }
  request.free();
  return 3;
}

export function otherVariable(): u32 {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (!answer.ok) {
    if (answer.refused) request.free();
    return 0;
  }
  const done = answer.value;
  const tag = done.tag;
  done.free();
  return tag;
}

export function retries(): bool {
  let request = BlockRequest.create();
  let answer = disk.read(request);
  while (answer.fault == Fault.Crashed) {
    request = BlockRequest.create();
    answer = disk.read(request);
  }
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
  return answer.ok;
}

export function retriesWhatWasRefused(): bool {
  const request = BlockRequest.create();
  let answer = disk.read(request);
  while (answer.refused) answer = disk.read(request);
  if (answer.ok) answer.value.free();
  return answer.ok;
}

export function recovers(device: BlockDevice, backing: Backing): bool {
  let request = BlockRequest.create();
  let answer = device.read(request);
  while (backing.recover(answer.fault)) {
    if (answer.fault == Fault.Crashed) request = BlockRequest.create();
    answer = device.read(request);
  }
  if (answer.refused) request.free();
  if (!answer.ok) return false;
  answer.value.free();
  return true;
}

export function withoutErrors(): i32 {
  const deque = BlockRequestDeque32.create();
  const answer = disk.poll(deque);
  if (answer.fault != Fault.None) {
    if (answer.fault != Fault.Crashed) deque.free();
    return -1;
  }
  const length = answer.value.length;
  answer.value.free();
  return length;
}

export function chained(): bool {
  const request = BlockRequest.create();
  const read = disk.read(request);
  if (read.refused) request.free();
  if (!read.ok) return false;
  const written = disk.write(read.value);
  if (written.refused) read.value.free();
  if (!written.ok) return false;
  written.value.free();
  return true;
}

/** What a service answers that passes its caller's object on. */
function passOn(request: BlockRequest): BlockDeviceReadResult {
  const answer = disk.read(request);
  if (!answer.refused) return answer;
  request.free();
  return BlockDeviceReadResult.err(BlockError.Io);
}

export function passes(): bool {
  const answer = passOn(BlockRequest.create());
  if (answer.ok) answer.value.free();
  return answer.ok;
}

/** Owned by the caller still when it was refused, as with the call itself. */
function passThrough(request: BlockRequest): BlockDeviceReadResult {
  request.tag = 9;
  return disk.read(request);
}

export function passesThrough(): bool {
  const request = BlockRequest.create();
  const answer = passThrough(request);
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
  return answer.ok;
}

function answersOne(block: u64): BlockDeviceReadResult {
  if (block > 7) return BlockDeviceReadResult.err(BlockError.OutOfRange);
  const request = BlockRequest.create();
  request.block = block;
  return BlockDeviceReadResult.ok(request);
}

export function unwraps(): u64 {
  const answer = answersOne(3);
  if (!answer.ok) return 0;
  const block = answer.value.block;
  answer.value.free();
  return block;
}

/** Takes the request when it answers true. */
function accept(request: BlockRequest): bool {
  if (request.tag == 3) return false;
  request.free();
  return true;
}

export function accepted(): void {
  const request = BlockRequest.create();
  if (!accept(request)) request.free();
}

export function acceptedByVariable(): bool {
  const request = BlockRequest.create();
  const taken = accept(request);
  if (!taken) request.free();
  return taken;
}

function forward(request: Offer<BlockRequest>): bool {
  return toss() && accept(request);
}

export function forwarded(): void {
  const request = BlockRequest.create();
  if (forward(request)) return;
  request.free();
}

export function pushes(): u32 {
  const deque = BlockRequestDeque32.create();
  let left: u32 = 0;
  for (let i = 0; i < 40; i++) {
    const request = BlockRequest.create();
    if (!deque.push(request)) {
      request.free();
      left++;
    }
  }
  deque.free();
  return left;
}

export function pushesUntilFull(): void {
  const deque = BlockRequestDeque32.create();
  let request = BlockRequest.create();
  while (deque.push(request)) request = BlockRequest.create();
  request.free();
  deque.free();
}

export function lends(): bool {
  const request = BlockRequest.create();
  const written = medium.write(0, 0, 512, request).ok;
  request.free();
  return written;
}

export function moves(): u64 {
  const request = BlockRequest.create();
  const answer = medium.read(0, 0, 512, request);
  if (answer.refused) request.free();
  if (!answer.ok) return 0;
  const got = answer.value;
  const word = got.dataLoad<u64>(0);
  got.free();
  return word;
}

export function choosesAnswer(): bool {
  const request = BlockRequest.create();
  const answer = toss() ? disk.read(request) : disk.read(request);
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
  return answer.ok;
}

export function retriesUntilOk(): void {
  let request = BlockRequest.create();
  let answer = disk.read(request);
  while (!answer.ok) {
    if (!answer.refused) request = BlockRequest.create();
    answer = disk.read(request);
  }
  answer.value.free();
}

export function pushesOrFrees(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  if (deque.length < 16 && deque.push(request)) deque.free();
  else {
    request.free();
    deque.free();
  }
}

export function looksInOneExpression(): bool {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  const zero = answer.ok && answer.value.block == 0;
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
  return zero;
}
