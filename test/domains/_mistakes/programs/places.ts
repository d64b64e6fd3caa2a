/**
 * Objects in fields, statics and collections that nobody can follow; answers that nobody looked at.
 *
 * Invariant: what follows `//!` is what the check says of the line above.
 */
import { BlockDeviceReadResult, BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import { disk } from "./world";

class Field {
  request: BlockRequest = BlockRequest.create();
  //! 3: `this.request` would hold an object that others can neither take nor see moved: make it an
  //!   `Owned<BlockRequest>` (`heap/owned`), or `readonly` when it lives as long as what it belongs to
}

export function inField(): void {
  const field = new Field();
  field.request.tag = 1;
}

class Nullable {
  request: BlockRequest | null = null;
  //! 3: `this.request` would hold an object that others can neither take nor see moved: make it an
  //!   `Owned<BlockRequest>` (`heap/owned`), or `readonly` when it lives as long as what it belongs to
}

export function inNullableField(): void {
  const field = new Nullable();
  field.request = BlockRequest.create();
}

class Property {
  constructor(private request: BlockRequest) {}
  //! 23: `this.request` would hold an object that others can neither take nor see moved: make it an
  //!   `Owned<BlockRequest>` (`heap/owned`), or `readonly` when it lives as long as what it belongs to

  get tag(): u32 {
    return this.request.tag;
  }
}

export function inParameterProperty(): u32 {
  return new Property(BlockRequest.create()).tag;
}

let captured: BlockRequest | null = null;
//! 5: `captured` captures an object in a variable that outlives the call: make it an `Owned<BlockRequest>`
//!   (`heap/owned`), or `const` when it lives as long as the domain

export function inStatic(): void {
  const request = BlockRequest.create();
  captured = request;
  request.free();
  //! 3: `request` is freed here, but it was kept in `captured` at @-1:3: once is enough
}

class Table {
  static last: BlockRequest | null = null;
  //! 10: `last` captures an object in a variable that outlives the call: make it an `Owned<BlockRequest>`
  //!   (`heap/owned`), or `const` when it lives as long as the domain
}

export function inClassStatic(): void {
  Table.last = BlockRequest.create();
}

export function inArray(): void {
  const all = new Array<BlockRequest>();
  //! 9: `all` hides objects of type `BlockRequest` from this check: use `OwnedArray<BlockRequest>`
  //!   (`heap/owned`), a deque or an array of the exchange heap
  all.push(BlockRequest.create());
}

export function inStaticArray(): void {
  const all = new StaticArray<BlockRequest>(4);
  //! 9: `all` hides objects of type `BlockRequest` from this check: use `OwnedArray<BlockRequest>`
  //!   (`heap/owned`), a deque or an array of the exchange heap
  all[0] = BlockRequest.create();
  all[0].free();
  //! 3: `all[0]` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
  //!   shall be yours
}

export function inMap(): void {
  const all = new Map<u32, BlockRequest>();
  //! 9: `all` hides objects of type `BlockRequest` from this check: use `OwnedArray<BlockRequest>`
  //!   (`heap/owned`), a deque or an array of the exchange heap
  all.set(1, BlockRequest.create());
}

export function inLiteral(): void {
  const request = BlockRequest.create();
  const all = [request];
  //! 9: `all` hides objects of type `BlockRequest` from this check: use `OwnedArray<BlockRequest>`
  //!   (`heap/owned`), a deque or an array of the exchange heap
  //! 16: `[…]` hides objects of type `BlockRequest` from this check: use `OwnedArray<BlockRequest>`
  //!   (`heap/owned`), a deque or an array of the exchange heap
  all[0].free();
  //! 3: `all[0]` is only borrowed here, so it cannot be freed: its owner does that; have it moved here if it
  //!   shall be yours
}

class Answers {
  last: BlockDeviceReadResult | null = null;
  //! 3: `this.last` keeps the answer of a call, and with it an object that nobody can see moved: look at `ok` at
  //!   once, and keep the object in an `Owned` (`heap/owned`)
}

export function inResultField(): void {
  const request = BlockRequest.create();
  const answers = new Answers();
  answers.last = disk.read(request);
  //! 18: the answer of `disk.read` carries an object (`value`), which leaks when it is ignored: look at `ok`, and
  //!   free, move or keep the object
}
//! 1: `request` leaks on this path when the call at @-1:28 was refused: it was moved to `disk.read`, and then
//!   is still owned; free it where the answer says `refused`

export function unexamined(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  answer.value.free();
  //! 3: `answer.value` is read before it is known that the call has succeeded: look at `answer.ok` first
}
//! 1: `request` leaks on this path when the call at @-2:28 was refused: it was moved to `disk.read`, and then
//!   is still owned; free it where the answer says `refused`

export function unexaminedAtOnce(): void {
  disk.read(BlockRequest.create()).value.free();
  //! 3: `disk.read.value` is read before it is known that the call has succeeded: keep the answer in a variable
  //!   and look at its `ok`
  //! 13: the object that `BlockRequest.create` answers leaks when `disk.read` is refused: keep it in a variable,
  //!   and free it where the answer says `refused`
}

export function examinedTheWrongWay(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.isError) answer.value.free();
  //! 23: `answer.value` is read before it is known that the call has succeeded: look at `answer.ok` first
  else if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
}

export function unexaminedOnOnePath(): void {
  const deque = BlockRequestDeque32.create();
  const answer = disk.submit(deque);
  if (answer.refused) deque.free();
  answer.value.free();
  //! 3: `answer.value` is read before it is known that the call has succeeded: look at `answer.ok` first
}

namespace Shared {
  export let last: BlockRequest | null = null;
  //! 14: `last` captures an object in a variable that outlives the call: make it an `Owned<BlockRequest>`
  //!   (`heap/owned`), or `const` when it lives as long as the domain
}

export function inNamespace(): void {
  Shared.last = BlockRequest.create();
}

function finish(answer: BlockDeviceReadResult): void {
  if (answer.ok) answer.value.free();
}

export function passesAnswer(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  if (answer.refused) request.free();
  finish(answer);
  //! 10: `answer` is the answer of a call and carries an object: look at `ok` here, and pass the object
}

function tagOf(request: BlockRequest): u32 {
  return request.tag;
}

export function borrowsAsValue(): u32 {
  const get = tagOf;
  //! 15: `tagOf` only borrows `request`, and a function value cannot say so: who calls it believes to have moved
  //!   the object; write a function that takes it, and frees or moves it
  return get(BlockRequest.create());
}
