/**
 * Places for objects: cells, tables, deques.
 *
 * Invariant: the ownership check says nothing here.
 */
import { Borrow } from "heap/modes";
import { Owned, OwnedArray } from "heap/owned";
import { BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import { Handover, StateReader, StateWriter, handOver } from "os/state";
import { disk } from "./world";

const spare = new Owned<BlockRequest>();
const ring = new OwnedArray<BlockRequest>(16);
let first: u32 = 0;
let last: u32 = 0;

export function swaps(): void {
  const old = spare.take();
  if (!old.isNull) old.free();
  spare.put(BlockRequest.create());
}

export function usesWhatLiesThere(): u32 {
  if (spare.isEmpty) spare.put(BlockRequest.create());
  spare.borrowed.tag++;
  return spare.borrowed.tag;
}

export function takesOrMakes(): bool {
  const request = spare.isEmpty ? BlockRequest.tryCreate() : spare.take();
  if (request.isNull) return false;
  const answer = disk.read(request);
  if (answer.ok) spare.put(answer.value);
  else if (answer.refused) spare.put(request);
  return answer.ok;
}

export function queues(): void {
  if (last - first < 16) ring.put(BlockRequest.create(), last++ & 15);
  if (first != last) ring.take(first++ & 15).free();
}

export function readsTable(): u64 {
  let sum: u64 = 0;
  for (let i = 0; i < ring.length; i++) if (ring.has(i)) sum += ring.at(i).block;
  return sum;
}

export function lendsFromTable(): u32 {
  ring.put(BlockRequest.create(), 15);
  const loan = ring.at(15);
  loan.tag = 4;
  const tag = loan.tag;
  ring.take(15).free();
  return tag;
}

export function loanAgain(): u32 {
  spare.put(BlockRequest.create());
  let loan = spare.borrowed;
  let sum = loan.tag;
  spare.take().free();
  spare.put(BlockRequest.create());
  loan = spare.borrowed;
  sum += loan.tag;
  spare.take().free();
  return sum;
}

export function fillsDeque(): void {
  const deque = BlockRequestDeque32.create();
  while (deque.length < BlockRequestDeque32.capacity) deque.append(BlockRequest.create());
  deque.free();
}

export function movesMany(): i32 {
  const batch = new OwnedArray<BlockRequest>(4);
  for (let i = 0; i < 4; i++) batch.put(BlockRequest.create(), i);
  const deque = BlockRequestDeque32.create();
  const moved = deque.pushN(batch, 4);
  const back = deque.popN(batch, 2);
  for (let i = 0; i < back; i++) batch.take(i).free();
  deque.free();
  return moved;
}

export function peeks(): u64 {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  request.block = 7;
  deque.append(request);
  const block = deque.peek<u64>(0, BlockRequest.blockAt);
  deque.free();
  return block;
}

class Pool {
  private free: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(8);
  private count: i32 = 0;
  private current: Owned<BlockRequest> = new Owned<BlockRequest>();

  take(): BlockRequest {
    if (this.count == 0) return BlockRequest.tryCreate();
    return this.free.take(--this.count);
  }

  give(request: BlockRequest): void {
    if (this.count < 8) this.free.put(request, this.count++);
    else request.free();
  }

  /** Whether there was room. */
  offer(request: BlockRequest): bool {
    if (this.count == 8) return false;
    this.free.put(request, this.count++);
    return true;
  }

  get top(): Borrow<BlockRequest> {
    return this.free.at(this.count - 1);
  }

  begin(): void {
    this.current.put(this.take());
  }

  finish(): void {
    this.give(this.current.take());
  }
}

const pool = new Pool();

export function pools(): u32 {
  const request = pool.take();
  if (request.isNull) return 0;
  request.tag = 3;
  pool.give(request);
  return pool.top.tag;
}

export function offers(): bool {
  const request = BlockRequest.create();
  if (pool.offer(request)) return true;
  request.free();
  return false;
}

export function beginsAndFinishes(): void {
  pool.begin();
  pool.finish();
}

class State extends Handover {
  save(out: StateWriter): void {
    out.u32(last - first);
    for (let i = first; i != last; i++) out.object(ring.at(i & 15));
  }

  restore(input: StateReader): void {
    first = 0;
    last = input.u32();
    for (let i: u32 = 0; i < last; i++) ring.put(input.object<BlockRequest>(), i & 15);
  }
}

export function handsOver(): void {
  handOver(new State());
}

class Node {
  readonly request: Owned<BlockRequest> = new Owned<BlockRequest>();
  next: Node | null = null;
}

export function list(): u32 {
  let head: Node | null = null;
  for (let i: u32 = 0; i < 3; i++) {
    const node = new Node();
    const request = BlockRequest.create();
    request.tag = i;
    node.request.put(request);
    node.next = head;
    head = node;
  }
  let sum: u32 = 0;
  while (head != null) {
    sum += head.request.borrowed.tag;
    head.request.take().free();
    head = head.next;
  }
  return sum;
}

export function moveBetween(): void {
  const one = new Owned<BlockRequest>();
  const two = new Owned<BlockRequest>();
  one.put(BlockRequest.create());
  two.put(one.take());
  two.take().free();
}

class Stack<T> {
  private items: OwnedArray<T> = new OwnedArray<T>(4);
  private count: i32 = 0;

  push(item: T): void {
    this.items.put(item, this.count++);
  }

  pop(): T {
    return this.items.take(--this.count);
  }
}

export function generic(): void {
  const stack = new Stack<BlockRequest>();
  stack.push(BlockRequest.create());
  stack.push(BlockRequest.create());
  stack.pop().free();
  stack.pop().free();
}

class Base {
  protected place: Owned<BlockRequest> = new Owned<BlockRequest>();

  constructor(request: BlockRequest) {
    this.place.put(request);
  }

  set request(request: BlockRequest) {
    this.end();
    this.place.put(request);
  }

  get request(): Borrow<BlockRequest> {
    return this.place.borrowed;
  }

  end(): void {
    this.place.take().free();
  }
}

class Derived extends Base {
  constructor(request: BlockRequest) {
    request.tag = 3;
    super(request);
  }

  end(): void {
    if (!this.place.isEmpty) super.end();
  }
}

export function derives(): u32 {
  const derived = new Derived(BlockRequest.create());
  derived.request = BlockRequest.create();
  const tag = derived.request.tag;
  derived.end();
  return tag;
}
