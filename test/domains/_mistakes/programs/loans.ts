/**
 * Objects that are only lent, and second names.
 *
 * Invariant: what follows `//!` is what the check says of the line above.
 */
import { Borrow } from "heap/modes";
import { Owned, OwnedArray } from "heap/owned";
import { BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import {
  BlockMediumCapacityResult,
  BlockMediumReadResult,
  BlockMediumServer,
  BlockMediumWriteResult,
  MediumError,
} from "idl/block-medium";
import { disk, toss } from "./world";

const kept = new Owned<BlockRequest>();
const table = new OwnedArray<BlockRequest>(8);

class FreesLoan extends BlockMediumServer {
  read(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumReadResult {
    request.free();
    return BlockMediumReadResult.err(MediumError.OutOfRange);
  }

  write(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumWriteResult {
    if (length == 0) request.free();
    //! 22: `request` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
    //!   shall be yours
    if (length == 1) kept.put(request);
    //! 31: `request` is only borrowed here, so it cannot be put away: a loan ends with the call; copy what it
    //!   holds, or have it moved here (`RRef` in the interface)
    if (length == 2) table.put(request, <i32>at);
    //! 32: `request` is only borrowed here, so it cannot be put away: a loan ends with the call; copy what it
    //!   holds, or have it moved here (`RRef` in the interface)
    if (length == 3) {
      const answer = disk.read(request);
      //! 32: `request` is only borrowed here, so it cannot be moved: its owner does that; have it moved here if
      //!   it shall be yours
      if (answer.ok) answer.value.free();
    }
    return BlockMediumWriteResult.ok();
  }

  capacity(): BlockMediumCapacityResult {
    return BlockMediumCapacityResult.ok(0);
  }
}

BlockMediumServer.provide(new FreesLoan());

function look(request: Borrow<BlockRequest>): u32 {
  const tag = request.tag;
  request.free();
  //! 3: `request` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
  //!   shall be yours
  return tag;
}

export function freesWhatIsLent(): u32 {
  const request = BlockRequest.create();
  const tag = look(request);
  request.free();
  return tag;
}

function giveBack(request: Borrow<BlockRequest>): BlockRequest {
  return request;
  //! 10: `request` is only borrowed here, so it cannot be returned: its owner does that; have it moved here if it
  //!   shall be yours
}

export function returnsLoan(): void {
  const request = BlockRequest.create();
  giveBack(request).free();
  request.free();
}

function putAway(request: Borrow<BlockRequest>, deque: BlockRequestDeque32): BlockRequestDeque32 {
  deque.append(request);
  //! 16: `request` is only borrowed here, so it cannot be put away: a loan ends with the call; copy what it
  //!   holds, or have it moved here (`RRef` in the interface)
  return deque;
}

export function storesLoan(): void {
  const request = BlockRequest.create();
  const deque = putAway(request, BlockRequestDeque32.create());
  request.free();
  deque.free();
}

export function freesPlace(): void {
  const place = new Owned<BlockRequest>();
  place.put(BlockRequest.create());
  place.borrowed.free();
  //! 3: what `place.borrowed` lends is only borrowed here, so it cannot be freed: its owner does that; have it
  //!   moved here if it shall be yours
  place.borrowed.tag = 1;
}

export function keepsLoanOfPlace(): void {
  const place = new Owned<BlockRequest>();
  place.put(BlockRequest.create());
  const loan = place.borrowed;
  place.take().free();
  loan.tag = 1;
  //! 3: `loan` is used after the loan has ended: `place.take` at @-1:3 took the object away; use it before, or
  //!   ask for the loan again
}

export function keepsLoanOfTable(): u32 {
  const places = new OwnedArray<BlockRequest>(2);
  places.put(BlockRequest.create(), 1);
  const loan = places.at(1);
  const other = places.take(1);
  other.free();
  return loan.tag;
  //! 10: `loan` is used after the loan has ended: `places.take` at @-2:17 took the object away; use it before, or
  //!   ask for the loan again
}

class Cache {
  private place: Owned<BlockRequest> = new Owned<BlockRequest>();

  fill(): Cache {
    this.place.put(BlockRequest.create());
    return this;
  }

  get current(): Borrow<BlockRequest> {
    return this.place.borrowed;
  }

  clear(): void {
    this.place.take().free();
  }
}

export function loanOfOtherEnds(): void {
  const cache = new Cache().fill();
  const loan = cache.current;
  cache.clear();
  loan.tag = 1;
  //! 3: `loan` is used after the loan has ended: `cache.clear` at @-1:3 took the object away; use it before, or
  //!   ask for the loan again
}

const forever = BlockRequest.create();

export function freesConstant(): void {
  forever.free();
  //! 3: `forever` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
  //!   shall be yours
  forever.free();
  //! 3: `forever` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
  //!   shall be yours
}

class Unit {
  readonly scratch: BlockRequest = BlockRequest.create();

  end(): void {
    this.scratch.free();
    //! 5: `this.scratch` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if
    //!   it shall be yours
  }
}

export function freesReadonly(): void {
  const unit = new Unit();
  unit.end();
  unit.scratch.tag = 1;
}

export function copies(): void {
  const request = BlockRequest.create();
  const other = request;
  //! 17: `other` would be a second name for what `request` owns: go on using `request`
  other.free();
  request.free();
}

export function copiesByAssignment(): void {
  let other = BlockRequest.tryCreate();
  if (!other.isNull) other.free();
  const request = BlockRequest.create();
  other = request;
  //! 3: `other` would be a second name for what `request` owns: go on using `request`
  other.free();
  request.tag = 1;
}

export function numbers(): u32 {
  const request = BlockRequest.create();
  const number = request.handle;
  //! 18: the handle of `request` is hidden in a number: pass or keep the object itself; numbers are for messages
  //!   (`.handle.toString()`) and comparisons
  request.free();
  return number;
}

export function hidesInNumber(): u32 {
  const request = BlockRequest.create();
  return remember(request.handle, request);
  //! 19: the handle of `request` is hidden in a number: pass or keep the object itself; numbers are for messages
  //!   (`.handle.toString()`) and comparisons
}

function remember(number: u32, request: BlockRequest): u32 {
  if (toss()) request.free();
  else disk.drop();
  return number;
  //! 3: `remember` keeps `request` on this path, but on another one it was freed at @-2:15: its callers cannot
  //!   know whether they own it still; move it on all paths or on none, or answer a bool that says it (`Offer`)
}

export function storesConstant(): void {
  const loan = forever;
  const deque = BlockRequestDeque32.create();
  deque.append(loan);
  //! 16: `loan` is only borrowed here, so it cannot be put away: a loan ends with the call; copy what it holds,
  //!   or have it moved here (`RRef` in the interface)
  deque.free();
}

interface Looker {
  look(request: Borrow<BlockRequest>): u32;
}

class Taker implements Looker {
  look(request: BlockRequest): u32 {
    request.free();
    //! 5: `request` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
    //!   shall be yours
    return 1;
  }
}

export function freesInImplementation(): u32 {
  const looker: Looker = new Taker();
  const request = BlockRequest.create();
  const seen = looker.look(request);
  request.free();
  return seen;
}

export function lendsWhatIsTaken(): void {
  const place = new Owned<BlockRequest>();
  place.put(BlockRequest.create());
  both(place.borrowed, place.take());
  //! 8: what `place.borrowed` lends is used after the loan has ended: `place.take` at @0:24 took the object away;
  //!   use it before, or ask for the loan again
}

function both(a: Borrow<BlockRequest>, b: BlockRequest): void {
  b.tag = a.tag;
  b.free();
}
