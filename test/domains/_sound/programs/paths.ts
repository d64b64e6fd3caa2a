/**
 * Objects on every kind of path, each moved or freed once.
 *
 * Invariant: the ownership check says nothing here.
 */
import { BlockRequest, BlockRequestDeque32, BlockStatus } from "idl/block-device";
import { disk, toss } from "./world";

export function straight(): void {
  const request = BlockRequest.create();
  request.tag = 1;
  request.free();
}

export function bothBranches(): void {
  const request = BlockRequest.create();
  if (toss()) request.free();
  else {
    request.tag = 1;
    request.free();
  }
}

export function earlyReturn(): u32 {
  const request = BlockRequest.create();
  if (toss()) {
    request.free();
    return 0;
  }
  const tag = request.tag;
  request.free();
  return tag;
}

export function madeInLoop(): void {
  for (let i = 0; i < 3; i++) {
    const request = BlockRequest.create();
    request.tag = i;
    request.free();
  }
}

export function remadeInLoop(): void {
  let request = BlockRequest.create();
  while (toss()) {
    request.free();
    request = BlockRequest.create();
  }
  request.free();
}

export function leavesLoop(): void {
  const request = BlockRequest.create();
  for (;;) {
    request.tag++;
    if (toss()) {
      request.free();
      break;
    }
  }
}

export function returnsFromLoop(): u32 {
  const request = BlockRequest.create();
  for (let i: u32 = 0; i < 10; i++) {
    if (request.tag == i) {
      request.free();
      return i;
    }
  }
  request.free();
  return 10;
}

export function continues(): void {
  for (let i = 0; i < 4; i++) {
    const request = BlockRequest.create();
    if (i == 1) {
      request.free();
      continue;
    }
    request.tag = i;
    request.free();
  }
}

export function doLoop(): void {
  let request = BlockRequest.create();
  do {
    request.tag++;
    const next = BlockRequest.create();
    next.tag = request.tag;
    request.free();
    request = BlockRequest.create();
    next.free();
  } while (toss());
  request.free();
}

export function nested(): void {
  for (let i = 0; i < 2; i++) {
    const outer = BlockRequest.create();
    for (let k = 0; k < 2; k++) {
      const inner = BlockRequest.create();
      inner.tag = outer.tag;
      if (toss()) {
        inner.free();
        continue;
      }
      inner.free();
    }
    outer.free();
  }
}

export function byCase(kind: u32): void {
  const request = BlockRequest.create();
  switch (kind) {
    case 0:
      request.tag = 1;
      request.free();
      break;
    case 1:
    case 2:
      request.free();
      return;
    default:
      request.free();
  }
}

export function byFallThrough(kind: u32): void {
  const request = BlockRequest.create();
  switch (kind) {
    case 0:
      request.tag = 1;
    case 1:
      request.block = 1;
    default:
  }
  request.free();
}

export function byEarlyReturnOfCase(kind: u32): u32 {
  const request = BlockRequest.create();
  switch (kind) {
    case 0: {
      request.free();
      return 1;
    }
    default:
      break;
  }
  request.free();
  return 2;
}

export function orNull(): u32 {
  const request = BlockRequest.tryCreate();
  if (request.isNull) return 0;
  const tag = request.tag;
  request.free();
  return tag;
}

export function unlessNull(): void {
  const request = BlockRequest.tryCreate();
  if (!request.isNull) request.free();
}

export function nullByVariable(): void {
  const request = BlockRequest.tryCreate();
  const none = request.isNull;
  if (none) return;
  request.free();
}

export function nullLater(): u32 {
  let request = BlockRequest.tryCreate();
  if (request.isNull) request = BlockRequest.create();
  const tag = request.tag;
  request.free();
  return tag;
}

export function shortCircuits(): bool {
  const request = BlockRequest.tryCreate();
  if (request.isNull || request.status == BlockStatus.Ok) {
    if (!request.isNull) request.free();
    return false;
  }
  request.free();
  return true;
}

export function drains(): u32 {
  const deque = BlockRequestDeque32.create();
  let count: u32 = 0;
  for (let request = deque.pop(); !request.isNull; request = deque.pop()) {
    count++;
    request.free();
  }
  deque.free();
  return count;
}

export function drainsByLength(): void {
  const deque = BlockRequestDeque32.create();
  deque.append(BlockRequest.create());
  while (deque.length > 0) deque.pop().free();
  deque.free();
}

export function chooses(): u32 {
  const request = toss() ? BlockRequest.create() : BlockRequest.tryCreate();
  if (request.isNull) return 0;
  const tag = request.tag;
  request.free();
  return tag;
}

export function throwsWithIt(): u32 {
  const request = BlockRequest.create();
  if (request.tag > 5) throw new Error("the domain ends, and all that it owns with it");
  if (request.tag > 4) abort("so it does here");
  request.free();
  return 1;
}

function fail(): void {
  abort("always");
}

export function endsInHelper(): void {
  const request = BlockRequest.create();
  if (toss()) fail();
  request.free();
}

export function asserts(): void {
  const request = BlockRequest.tryCreate();
  assert(!request.isNull);
  request.tag = 1;
  request.free();
}

function even(n: u32): bool {
  return n == 0 ? true : !even(n - 1);
}

export function recursionWithout(): bool {
  return even(disk.isNull ? 3 : 4);
}

export function assignedOnBothBranches(): void {
  let request: BlockRequest;
  if (toss()) request = BlockRequest.create();
  else {
    request = BlockRequest.create();
    request.tag = 2;
  }
  request.free();
}

export function comma(): void {
  const request = BlockRequest.create();
  for (let i = 0, k = 4; i < k; i++, k--) request.tag = i;
  request.free();
}
