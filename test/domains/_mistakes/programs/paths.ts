/**
 * Mistakes that depend on the path: branches, loops, switches, short circuits.
 *
 * Invariant: what follows `//!` is what the check says of the line above.
 */
import { BlockRequest, BlockRequestDeque32 } from "idl/block-device";
import { Fault } from "os/rpc";
import { disk, toss } from "./world";

export function freedOnOneBranch(): void {
  const request = BlockRequest.create();
  if (toss()) request.free();
  request.tag = 1;
  //! 3: `request` is used here, but on a path it was freed at @-1:15: use it on the other paths only, or keep it
  //!   on all of them
}

export function freedOnOneBranchAndAgain(): void {
  const request = BlockRequest.create();
  if (toss()) request.free();
  request.free();
  //! 3: `request` is freed here, but on a path it was freed at @-1:15: do it on the other paths only
}

export function movedInLoop(): void {
  const request = BlockRequest.create();
  for (let i = 0; i < 3; i++) request.free();
  //! 31: `request` is freed here in each round of a loop, but was freed in the first: make or take another one in
  //!   each round
}

export function usedInLoop(): void {
  const request = BlockRequest.create();
  let i = 0;
  while (i < 3) {
    request.tag = i++;
    //! 5: `request` is used here, but on a path it was freed at @+1:17: use it on the other paths only, or keep
    //!   it on all of them
    if (i == 2) request.free();
  }
}

export function freedBeforeContinue(): void {
  const request = BlockRequest.create();
  for (let i = 0; i < 3; i++) {
    if (i == 1) {
      request.free();
      continue;
    }
    request.tag = i;
  }
  request.free();
  //! 3: `request` is freed here, but on a path it was freed at @-5:7: do it on the other paths only
}

export function freedInDo(): void {
  const request = BlockRequest.create();
  do {
    request.free();
    //! 5: `request` is freed here in each round of a loop, but was freed in the first: make or take another one
    //!   in each round
  } while (toss());
}

export function freedByCase(kind: u32): void {
  const request = BlockRequest.create();
  switch (kind) {
    case 0:
      request.free();
      break;
    case 1:
      request.free();
    default:
      request.tag = 7;
      //! 7: `request` is used here, but on a path it was freed at @-2:7: use it on the other paths only, or keep
      //!   it on all of them
      request.free();
  }
}

export function fallsThrough(): void {
  freedByCase(1);
}

export function freedByShortCircuit(): void {
  const request = BlockRequest.create();
  if (toss() && consume(request)) return;
  request.free();
  //! 3: `request` is freed here, but on a path it was moved to `consume` at @-1:25: do it on the other paths only
}

function consume(request: BlockRequest): bool {
  request.free();
  return true;
}

export function nullOnThisBranch(): void {
  const request = BlockRequest.tryCreate();
  if (request.isNull) {
    request.tag = 1;
    //! 5: `request` is null here: what uses it ends the domain; do this on the other branch
    return;
  }
  request.free();
}

export function freeNull(): void {
  const deque = BlockRequestDeque32.create();
  const request = deque.pop();
  if (request.isNull) request.free();
  //! 23: `request` is null here: what uses it ends the domain; do this on the other branch
  else request.free();
  deque.free();
}

export function retriedAfterCrash(): void {
  const request = BlockRequest.create();
  let answer = disk.read(request);
  while (answer.fault == Fault.Crashed) answer = disk.read(request);
  //! 60: `request` is moved here, but it was moved to `disk.read` at @-1:26: go on with what the call answers, or
  //!   make another one
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
}

export function breaksWithIt(): void {
  const deque = BlockRequestDeque32.create();
  for (;;) {
    const request = BlockRequest.create();
    if (toss()) break;
    //! 17: `request` leaks on this path: it is owned since @-1:21, and neither moved, freed, stored nor returned;
    //!   free it before
    deque.append(request);
  }
  deque.free();
}

export function remadeInLoop(): void {
  let request = BlockRequest.create();
  for (let i = 0; i < 3; i++) {
    request = BlockRequest.create();
    //! 5: `request` is assigned again while it owns an object (since @-2:17), which leaks: free or move that one
    //!   before
    request.tag = i;
  }
  request.free();
}

export function retriedWithoutFreeing(): void {
  let request = BlockRequest.create();
  let answer = disk.read(request);
  while (!answer.ok) {
    request = BlockRequest.create();
    //! 5: `request` leaks on this path when the call at @-2:26 was refused: it was moved to `disk.read`, and then
    //!   is still owned; free it where the answer says `refused`
    answer = disk.read(request);
  }
  answer.value.free();
}

export function usedWherePushed(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  if (!deque.push(request)) request.free();
  else request.tag = 1;
  //! 8: `request` is used after it was moved to `deque.push` at @-1:19: use it before, or go on with what the
  //!   call answers
  deque.free();
}

export function pushedInEachRound(): void {
  const deque = BlockRequestDeque32.create();
  const request = BlockRequest.create();
  while (deque.push(request)) request.tag = 1;
  //! 21: `request` is moved here in each round of a loop, but was moved to `deque.push` in the first: make or
  //!   take another one in each round
  deque.free();
}
