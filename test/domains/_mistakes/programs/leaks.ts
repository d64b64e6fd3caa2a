/**
 * Objects that are lost.
 *
 * Invariant: what follows `//!` is what the check says of the line above.
 */
import { OwnedArray } from "heap/owned";
import { BlockRequest, BlockRequestDeque32, BlockStatus } from "idl/block-device";
import { Fault } from "os/rpc";
import { disk, medium, toss } from "./world";

export function neverFreed(): void {
  const request = BlockRequest.create();
  request.tag = 1;
}
//! 1: `request` leaks on this path: it is owned since @-2:19, and neither moved, freed, stored nor returned;
//!   free it before

export function earlyReturn(): void {
  const request = BlockRequest.create();
  if (toss()) return;
  //! 15: `request` leaks on this path: it is owned since @-1:19, and neither moved, freed, stored nor returned;
  //!   free it before
  request.free();
}

export function errorPath(): bool {
  const request = BlockRequest.create();
  if (!disk.flush().ok) return false;
  //! 25: `request` leaks on this path: it is owned since @-1:19, and neither moved, freed, stored nor returned;
  //!   free it before
  request.free();
  return true;
}

export function lostUnlessOk(): bool {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (!answer.ok) return false;
  //! 19: `request` leaks on this path when the call at @-1:28 was refused: it was moved to `disk.read`, and then
  //!   is still owned; free it where the answer says `refused`
  answer.value.free();
  return true;
}

export function lostWhenDead(): bool {
  const request = BlockRequest.create();
  const answer = disk.write(request);
  if (answer.ok) answer.value.free();
  return answer.ok;
  //! 3: `request` leaks on this path when the call at @-2:29 was refused: it was moved to `disk.write`, and then
  //!   is still owned; free it where the answer says `refused`
}

export function answerNotFreed(): bool {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.refused) request.free();
  return answer.ok;
  //! 3: `answer.value` leaks on this path: it is owned since @-2:18, and neither moved, freed, stored nor
  //!   returned; free it before
}

export function answerIgnored(): void {
  const request = BlockRequest.create();
  if (disk.read(request).refused) request.free();
  //! 7: the answer of `disk.read` carries an object (`value`), which leaks when it is ignored: look at `ok`, and
  //!   free, move or keep the object
}

export function callIgnored(): void {
  disk.poll(BlockRequestDeque32.create());
  //! 3: the answer of `disk.poll` carries an object (`value`), which leaks when it is ignored: look at `ok`, and
  //!   free, move or keep the object
  //! 13: the object that `BlockRequestDeque32.create` answers leaks when `disk.poll` is refused: keep it in a
  //!   variable, and free it where the answer says `refused`
}

export function answerReplaced(): void {
  const request = BlockRequest.create();
  let answer = disk.read(request);
  if (answer.refused) request.free();
  const other = BlockRequest.create();
  answer = disk.read(other);
  //! 3: `answer.value` leaks on this path: it is owned since @-3:16, and neither moved, freed, stored nor
  //!   returned; free it before
  if (answer.ok) answer.value.free();
  else if (answer.refused) other.free();
}

export function assignedOver(): void {
  let request = BlockRequest.create();
  request = BlockRequest.create();
  //! 3: `request` is assigned again while it owns an object (since @-1:17), which leaks: free or move that one
  //!   before
  request.free();
}

export function dropped(): void {
  BlockRequest.create();
  //! 3: the object that `BlockRequest.create` answers is dropped: nobody owns it any more; keep it in a variable,
  //!   and free or move it
}

export function droppedAfterUse(): u32 {
  return BlockRequest.create().tag;
  //! 10: the object that `BlockRequest.create` answers is dropped: nobody owns it any more; keep it in a
  //!   variable, and free or move it
}

export function poppedAndDropped(): void {
  const deque = BlockRequestDeque32.create();
  deque.append(BlockRequest.create());
  deque.pop();
  //! 3: the object that `deque.pop` answers is dropped: nobody owns it any more; keep it in a variable, and free
  //!   or move it
  deque.free();
}

export function pushIgnored(): void {
  const deque = BlockRequestDeque32.create();
  for (let i = 0; i < 40; i++) {
    const request = BlockRequest.create();
    deque.push(request);
    //! 16: `request` leaks when `deque.push` answers false, which is not looked at: free it then, or use what
    //!   ends the domain instead (`append`)
  }
  deque.free();
}

export function pushRefused(): bool {
  const deque = BlockRequestDeque32.create();
  while (deque.length < BlockRequestDeque32.capacity) deque.append(BlockRequest.create());
  const request = BlockRequest.create();
  const taken = deque.push(request);
  deque.free();
  return taken;
  //! 3: `request` leaks on this path when `deque.push` at @-2:28 answers false: it is still owned then; free it
  //!   there, or use what ends the domain instead (`append`)
}

export function lentAndLost(): bool {
  const request = BlockRequest.create();
  return medium.write(0, 0, 512, request).ok;
  //! 3: `request` leaks on this path: it is owned since @-1:19, and neither moved, freed, stored nor returned;
  //!   free it before
}

export function lostInLoop(): void {
  for (let i = 0; i < 3; i++) {
    const request = BlockRequest.create();
    request.tag = i;
  }
  //! 3: `request` leaks on this path: it is owned since @-2:21, and neither moved, freed, stored nor returned;
  //!   free it before
}

export function lostByContinue(): void {
  for (let i = 0; i < 3; i++) {
    const request = BlockRequest.create();
    if (i == 1) continue;
    //! 17: `request` leaks on this path: it is owned since @-1:21, and neither moved, freed, stored nor returned;
    //!   free it before
    request.free();
  }
}

function make(block: u64): BlockRequest {
  const request = BlockRequest.create();
  request.block = block;
  return request;
}

export function madeAndLost(): u64 {
  const request = make(3);
  return request.block;
  //! 3: `request` leaks on this path: it is owned since @-1:19, and neither moved, freed, stored nor returned;
  //!   free it before
}

function settle(request: BlockRequest): bool {
  if (request.status != BlockStatus.Ok) return false;
  request.free();
  return true;
}

export function sometimesTaken(): void {
  settle(BlockRequest.create());
  //! 10: the object that `BlockRequest.create` answers leaks when `settle` answers false, which is not looked at:
  //!   free it then, or use what ends the domain instead (`append`)
}

export function lostWhenNotCrashed(): void {
  const deque = BlockRequestDeque32.create();
  const answer = disk.submit(deque);
  if (answer.fault == Fault.None) answer.value.free();
  else if (answer.fault == Fault.Dead) deque.free();
}
//! 1: `deque` leaks on this path when the call at @-3:30 was refused: it was moved to `disk.submit`, and then
//!   is still owned; free it where the answer says `refused`

class Counter {
  count: u32 = BlockRequest.create().tag;
  //! 16: the object that `BlockRequest.create` answers is dropped: nobody owns it any more; keep it in a
  //!   variable, and free or move it
}

export function lostInField(): u32 {
  return new Counter().count;
}

export function lostInArrow(): u32 {
  const tag = (request: BlockRequest): u32 => request.tag;
  //! 47: `request` leaks on this path: it is owned since @0:16, and neither moved, freed, stored nor returned;
  //!   free it before
  return tag(BlockRequest.create());
}

function withNew(use: (request: BlockRequest) => void): void {
  use(BlockRequest.create());
}

export function lostInCallback(): void {
  withNew((request) => {
    request.tag = 1;
  });
  //! 3: `request` leaks on this path: it is owned since @-2:12, and neither moved, freed, stored nor returned;
  //!   free it before
}

class Box<T> {
  private places: OwnedArray<T> = new OwnedArray<T>(4);

  put(object: T): void {
    this.places.put(object, 0);
  }

  take(): T {
    return this.places.take(0);
  }
}

export function lostFromGeneric(): void {
  const box = new Box<BlockRequest>();
  box.put(BlockRequest.create());
  box.take();
  //! 3: the object that `box.take` answers is dropped: nobody owns it any more; keep it in a variable, and free
  //!   or move it
}
