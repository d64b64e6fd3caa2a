/**
 * Use after move, and moves that happen twice.
 *
 * Invariant: what follows `//!` is what the check says of the line above.
 */
import { BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import { Borrow } from "heap/modes";
import { Owned, OwnedArray } from "heap/owned";
import { disk, medium, toss } from "./world";

export function useAfterCall(): void {
  const request = BlockRequest.create();
  const answer = disk.write(request);
  request.tag = 1;
  //! 3: `request` is used after it was moved to `disk.write` at @-1:29: it is still owned only where the answer
  //!   says `refused`; ask that first, or go on with what the call answers
  if (answer.ok) answer.value.free();
}

export function useAfterFree(): void {
  const request = BlockRequest.create();
  request.free();
  request.block = 1;
  //! 3: `request` is used after it was freed at @-1:3: free it after its last use
}

export function useAfterPush(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  deque.append(request);
  request.tag = 3;
  //! 3: `request` is used after it was put away by `deque.append` at @-1:16: use it before, or take it out again
  deque.free();
}

export function useAfterPutIntoPlace(): void {
  const place = new Owned<BlockRequest>();
  const request = BlockRequest.create();
  place.put(request);
  request.tag = 3;
  //! 3: `request` is used after it was put away by `place.put` at @-1:13: use it before, or take it out again
  place.take().free();
  request.tag = 4;
}

export function useAfterPutIntoTable(): void {
  const table = new OwnedArray<BlockRequest>(4);
  const request = BlockRequest.create();
  table.put(request, 2);
  request.free();
  //! 3: `request` is freed here, but it was put away by `table.put` at @-1:13: once is enough
  table.take(2).free();
}

function consume(request: BlockRequest): void {
  request.free();
}

export function useAfterHelper(): void {
  const request = BlockRequest.create();
  consume(request);
  request.tag = 5;
  //! 3: `request` is used after it was moved to `consume` at @-1:11: use it before, or go on with what the call
  //!   answers
}

function consumeDeeply(request: BlockRequest): void {
  if (toss()) consume(request);
  else request.free();
}

export function useAfterHelperOfHelper(): u32 {
  const request = BlockRequest.create();
  consumeDeeply(request);
  return request.tag;
  //! 10: `request` is used after it was moved to `consumeDeeply` at @-1:17: use it before, or go on with what the
  //!   call answers
}

export function lendAfterFree(): bool {
  const request = BlockRequest.create();
  request.free();
  return medium.write(0, 0, 512, request).ok;
  //! 34: `request` is used after it was freed at @-1:3: free it after its last use
}

export function copyFromFreed(): void {
  const from = BlockRequest.create();
  const to = BlockRequest.create();
  from.free();
  to.copyFrom(from, 0, 512, 0);
  //! 15: `from` is used after it was freed at @-1:3: free it after its last use
  to.free();
}

export function askAfterFree(): bool {
  const request = BlockRequest.create();
  request.free();
  return request.isNull;
  //! 10: `request` is used after it was freed at @-1:3: free it after its last use
}

export function freeTwice(): void {
  const request = BlockRequest.create();
  request.free();
  request.free();
  //! 3: `request` is freed here, but it was freed at @-1:3: once is enough
}

export function moveTwice(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  deque.append(request);
  deque.append(request);
  //! 16: `request` is put away here, but it was put away by `deque.append` at @-1:16: once is enough
  deque.free();
}

export function moveThenFree(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  deque.append(request);
  request.free();
  //! 3: `request` is freed here, but it was put away by `deque.append` at @-1:16: once is enough
  deque.free();
}

export function freeAfterCall(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.ok) answer.value.free();
  request.free();
  //! 3: `request` is freed here, but it was moved to `disk.read` at @-2:28: it is still owned only where the
  //!   answer says `refused`; ask that first
}

export function moveTwiceToCalls(): void {
  const request = BlockRequest.create();
  const first = disk.read(request);
  const second = disk.read(request);
  //! 28: `request` is moved here, but it was moved to `disk.read` at @-1:27: it is still owned only where the
  //!   answer says `refused`; ask that first
  if (first.ok) first.value.free();
  if (second.ok) second.value.free();
}

function join(a: BlockRequest, b: BlockRequest): void {
  a.free();
  b.free();
}

export function sameTwice(): void {
  const request = BlockRequest.create();
  join(request, request);
  //! 17: `request` is moved here, but it was moved to `join` at @0:8: go on with what the call answers, or make
  //!   another one
}

class Holder {
  readonly request: BlockRequest;

  constructor(request: BlockRequest) {
    this.request = request;
  }
}

export function useAfterConstructor(): u32 {
  const request = BlockRequest.create();
  const holder = new Holder(request);
  request.free();
  //! 3: `request` is freed here, but it was moved to `new Holder` at @-1:29: go on with what the call answers, or
  //!   make another one
  return holder.request.tag;
}

export function useAfterAnswer(): u32 {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (!answer.ok) {
    if (answer.refused) request.free();
    return 0;
  }
  answer.value.free();
  return answer.value.tag;
  //! 10: `answer.value` is used after it was freed at @-1:3: free it after its last use
}

export function useWhatCrashLost(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.ok) answer.value.free();
  else if (!answer.refused) request.free();
  //! 29: `request` is freed here, but it was moved to `disk.read` at @-2:28: go on with what the call answers, or
  //!   make another one
  else request.free();
}

export function useAfterChoice(): void {
  const first = BlockRequest.create();
  const second = BlockRequest.create();
  const chosen = toss() ? first : second;
  chosen.free();
  first.free();
  //! 3: `first` is freed here, but on a path it was chosen by `?:` at @-2:27: do it on the other paths only
}
//! 1: `second` leaks on this path: it is owned since @-4:18, and neither moved, freed, stored nor returned;
//!   free it before

function compare(a: Borrow<BlockRequest>, b: BlockRequest): bool {
  const same = a.tag == b.tag;
  b.free();
  return same;
}

export function lentAndMoved(): bool {
  const request = BlockRequest.create();
  return compare(request, request);
  //! 27: `request` is lent and moved to `compare` in one call: the loan would be of what is gone; pass another
  //!   object
}

class Base {
  private place: Owned<BlockRequest> = new Owned<BlockRequest>();

  constructor(request: BlockRequest) {
    this.place.put(request);
  }

  end(): void {
    this.place.take().free();
  }
}

class Derived extends Base {
  constructor(request: BlockRequest) {
    super(request);
    request.tag = 1;
    //! 5: `request` is used after it was moved to `super` at @-1:11: use it before, or go on with what the call
    //!   answers
  }
}

export function useAfterSuper(): void {
  new Derived(BlockRequest.create()).end();
}

export function useAfterFunctionValue(): void {
  const end = consume;
  const request = BlockRequest.create();
  end(request);
  request.tag = 1;
  //! 3: `request` is used after it was moved to `end` at @-1:7: use it before, or go on with what the call
  //!   answers
}

class Setter {
  private place: Owned<BlockRequest> = new Owned<BlockRequest>();

  set request(request: BlockRequest) {
    this.place.put(request);
  }
}

export function useAfterSetter(): void {
  const setter = new Setter();
  const request = BlockRequest.create();
  setter.request = request;
  request.tag = 2;
  //! 3: `request` is used after it was moved to `setter.request` at @-1:3: use it before, or go on with what the
  //!   call answers
}

function countDown(request: BlockRequest, count: u32): void {
  if (count == 0) request.free();
  else countDown(request, count - 1);
}

export function useAfterRecursion(): void {
  const request = BlockRequest.create();
  countDown(request, 4);
  request.tag = 2;
  //! 3: `request` is used after it was moved to `countDown` at @-1:13: use it before, or go on with what the call
  //!   answers
}
