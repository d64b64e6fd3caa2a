/**
 * Short loops: which loops may turn several times between two looks at the epoch, and how often.
 *
 * Invariant (W1): between two looks such a loop does no more than LOOP_WORK bytes of instructions, none of which calls,
 * loops, or takes time that its operands decide. So it is bounded whatever its branches do: a loop is only entered at
 * its head, where its turns are counted.
 */
import { LOOP_WORK, MAX_SHORT_LOOP } from "./limits.ts";
import { Bulk, Op } from "./opcodes.ts";
import type { Reader } from "./reader.ts";
import type { Target } from "./targets.ts";

/**
 * Turns between two looks at the epoch for the loop whose instruction `r` has just read; 1 when it is not short.
 * Reads on to the loop's end, or to what rules it out: so each byte of a body is read by one loop at most.
 */
export function turnsBetweenTicks(r: Reader, targets: readonly Target[]): number {
  const start = r.pos;
  for (let depth = 1; depth > 0;) {
    const op = r.next();
    if (r.pos - start > MAX_SHORT_LOOP || isLong(op, r.a, targets)) return 1;
    if (op === Op.block || op === Op.if) depth++;
    else if (op === Op.end) depth--;
  }
  return Math.floor(LOOP_WORK / (r.pos - start));
}

function isLong(op: number, a: number, targets: readonly Target[]): boolean {
  switch (op) {
    case Op.call:
    case Op.returnCall: {
      const target = targets[a];
      return target?.kind !== "intrinsic" || target.intrinsic.kind === "helper" || target.intrinsic.kind === "peek";
    }
    case Op.bulk:
      return a >= Bulk.memoryInit;
    default:
      return op === Op.loop || op === Op.callIndirect || op === Op.returnCallIndirect || op === Op.memoryGrow;
  }
}
