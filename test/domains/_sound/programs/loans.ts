/**
 * Objects that are lent, and helpers of which the check finds out what they do.
 *
 * Invariant: the ownership check says nothing here.
 */
import { Borrow } from "heap/modes";
import { BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import {
  BlockMediumCapacityResult,
  BlockMediumReadResult,
  BlockMediumServer,
  BlockMediumWriteResult,
  MediumError,
} from "idl/block-medium";
import { toss } from "./world";

class Medium extends BlockMediumServer {
  private readonly block: BlockRequest = BlockRequest.create();

  read(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumReadResult {
    if (length > 512) {
      request.free();
      return BlockMediumReadResult.err(MediumError.OutOfRange);
    }
    request.copyFrom(this.block, at, length, at);
    return BlockMediumReadResult.ok(request);
  }

  write(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumWriteResult {
    if (length > 512) return BlockMediumWriteResult.err(MediumError.OutOfRange);
    const loan = request;
    this.block.copyFrom(loan, at, length, at);
    return BlockMediumWriteResult.ok();
  }

  capacity(): BlockMediumCapacityResult {
    return BlockMediumCapacityResult.ok(1);
  }
}
BlockMediumServer.provide(new Medium());

function tagOf(request: BlockRequest): u32 {
  return request.tag;
}

export function lendsToHelper(): u32 {
  const request = BlockRequest.create();
  const tag = tagOf(request) + tagOf(request);
  request.free();
  return tag;
}

function declaredLoan(request: Borrow<BlockRequest>): u32 {
  return request.tag + tagOf(request);
}

export function lendsByDeclaration(): u32 {
  const request = BlockRequest.create();
  const tag = declaredLoan(request);
  request.free();
  return tag;
}

function end(request: BlockRequest): void {
  request.free();
}

export function movesToHelper(): void {
  const request = BlockRequest.create();
  request.tag = 1;
  end(request);
}

function make(tag: u32): BlockRequest {
  const request = BlockRequest.create();
  request.tag = tag;
  return request;
}

export function takesFromHelper(): u32 {
  const request = make(4);
  const tag = request.tag;
  request.free();
  return tag;
}

function stamp(request: BlockRequest): BlockRequest {
  request.tag = 77;
  return request;
}

export function passesThroughHelper(): void {
  let request = BlockRequest.create();
  request = stamp(request);
  stamp(stamp(request)).free();
}

function orNothing(tag: u32): BlockRequest | null {
  return tag == 3 ? null : make(tag);
}

export function answersNull(): u32 {
  const request = orNothing(4);
  if (request == null) return 0;
  const tag = request.tag;
  request.free();
  return tag;
}

export function answersNullAsTruth(): void {
  const request = orNothing(3);
  if (request) request.free();
}

export function answersNullNegated(): void {
  const request = orNothing(5);
  if (!request) return;
  request.free();
}

function recurse(request: BlockRequest, depth: u32): u32 {
  if (depth == 0) return request.tag;
  return recurse(request, depth - 1) + 1;
}

export function lendsDown(): u32 {
  const request = BlockRequest.create();
  const sum = recurse(request, 4);
  request.free();
  return sum;
}

class Box {
  readonly request: BlockRequest;

  constructor(request: BlockRequest) {
    this.request = request;
  }

  get tag(): u32 {
    return this.request.tag;
  }
}

export function keepsForEver(): u32 {
  const box = new Box(make(5));
  box.request.tag = 6;
  return box.tag;
}

class Parameter {
  constructor(readonly request: BlockRequest) {}
}

export function keepsParameter(): u32 {
  const holder = new Parameter(make(6));
  return holder.request.tag + tagOf(holder.request);
}

const forever = BlockRequest.create();

export function usesConstant(): u32 {
  forever.tag++;
  return tagOf(forever);
}

export function prints(): string {
  const request = BlockRequest.create();
  const text = request.handle.toString() + (request.handle == forever.handle ? "same" : "other");
  request.free();
  return text;
}

abstract class Sink {
  abstract take(request: BlockRequest): void;
  abstract look(request: Borrow<BlockRequest>): u32;
}

class Free extends Sink {
  take(request: BlockRequest): void {
    request.free();
  }

  look(request: BlockRequest): u32 {
    return request.tag;
  }
}

class Push extends Sink {
  private readonly deque: BlockRequestDeque32 = BlockRequestDeque32.create();

  take(request: BlockRequest): void {
    if (this.deque.length < BlockRequestDeque32.capacity) this.deque.append(request);
    else request.free();
  }

  look(request: BlockRequest): u32 {
    return request.tag + 1;
  }
}

export function callsVirtually(): u32 {
  const sink: Sink = toss() ? new Free() : new Push();
  const request = BlockRequest.create();
  const tag = sink.look(request);
  sink.take(request);
  return tag;
}

export function lendsInExpression(): u32 {
  const a = BlockRequest.create();
  const b = BlockRequest.create();
  const sum = tagOf(a) + tagOf(b) > 3 ? tagOf(a) : tagOf(b);
  a.free();
  b.free();
  return sum;
}

export function usesArrow(): u32 {
  const sum = [1, 2, 3].map<i32>((x) => x * 2);
  const request = BlockRequest.create();
  request.tag = sum[1];
  const tag = request.tag;
  request.free();
  return tag;
}

export function resizes(): bool {
  const request = BlockRequest.create();
  const grown = request.resize(4200) && request.size == 4200;
  request.free();
  return grown;
}

export function fills(): u32 {
  const request = BlockRequest.create();
  for (let i: u32 = 0; i < BlockRequest.dataLength; i += 8) request.dataStore<u64>(i, i);
  request.dataFill(1, 8);
  const first = request.dataLoad<u32>(0);
  request.free();
  return first;
}

function generic<T extends BlockRequest>(object: T): void {
  object.free();
}

export function movesToGeneric(): void {
  generic<BlockRequest>(BlockRequest.create());
  generic(BlockRequest.create());
}

function countDown(request: BlockRequest, count: u32): void {
  if (count == 0) {
    request.free();
    return;
  }
  countDown(request, count - 1);
}

export function movesDown(): void {
  countDown(BlockRequest.create(), 3);
}

function ping(request: BlockRequest, count: u32): void {
  if (count == 0) request.free();
  else pong(request, count - 1);
}

function pong(request: BlockRequest, count: u32): void {
  ping(request, count);
}

export function movesBetween(): void {
  ping(BlockRequest.create(), 3);
  pong(BlockRequest.create(), 3);
}

function must(request: BlockRequest): BlockRequest {
  if (request.isNull) throw new Error("there is none");
  return request;
}

export function insists(): void {
  must(BlockRequest.tryCreate()).free();
}

function withNew(use: (request: BlockRequest) => void): void {
  use(BlockRequest.create());
}

export function callsBack(): void {
  withNew((request) => {
    request.tag = 1;
    request.free();
  });
  withNew(end);
}

export function printsInTemplate(): string {
  const request = BlockRequest.create();
  const text = `tag ${request.tag} of ${request.handle}`;
  request.free();
  return text;
}
