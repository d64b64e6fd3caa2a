/**
 * Bulk memory and table instructions in chunks: functions appended to the module, one per instruction and operands.
 *
 * Invariant: the result is exactly the plain instruction's (nothing is written when any part is out of bounds,
 * overlapping copies come out right, length 0 at the very end is fine), and no more than one chunk is worked off
 * between two ticks. A probe of length 0 at the end of each range does the bounds check, with the engine's own trap.
 */
import { add, get, gtU, i32, leU, ltU, or, set, sub, u32, when, whileLoop, type Code } from "./asm.ts";
import { CHUNK_BYTES, CHUNK_ELEMENTS } from "./limits.ts";
import { Bulk, Op } from "./opcodes.ts";

/** One instruction with its operands. Memory operands are indices as in the lowered module. */
export interface BulkInstruction {
  readonly op: number;
  /** Segment, or destination memory or table. */
  readonly first: number;
  /** Memory or table: the source's for copies, the destination's for init. */
  readonly second: number;
}

export const isFill = (op: number): boolean => op === Bulk.memoryFill || op === Bulk.tableFill;
export const isTable = (op: number): boolean => op >= Bulk.tableInit;

function encode({ op, first, second }: BulkInstruction): Code {
  return [Op.bulk, ...u32(op), ...u32(first), ...(isFill(op) ? [] : u32(second))];
}

const DESTINATION = get(0);
/** Source address, or the value of a fill. */
const SOURCE = get(1);
const LENGTH = get(2);

/** Body of a function (destination, source or value, length) without locals. */
export function chunkedBulk(instruction: BulkInstruction, tick: Code): Code {
  const bytes = encode(instruction);
  const run = (to: Code, from: Code, length: Code): Code => [...to, ...from, ...length, ...bytes];
  const chunk = i32(isTable(instruction.op) ? CHUNK_ELEMENTS : CHUNK_BYTES);
  const fill = isFill(instruction.op);
  const end = add(DESTINATION, LENGTH);
  const sourceEnd = add(SOURCE, LENGTH);
  const wraps = fill ? ltU(end, DESTINATION) : or(ltU(end, DESTINATION), ltU(sourceEnd, SOURCE));
  const shrink = set(2, sub(LENGTH, chunk));
  const whileLong = (body: Code): Code => whileLoop(gtU(LENGTH, chunk), [...tick, ...body]);
  const forward = whileLong([
    ...run(DESTINATION, SOURCE, chunk),
    ...set(0, add(DESTINATION, chunk)),
    ...(fill ? [] : set(1, add(SOURCE, chunk))),
    ...shrink,
  ]);
  const backward = whileLong([...shrink, ...run(end, sourceEnd, chunk)]);
  return [
    ...tick,
    ...when(gtU(LENGTH, chunk), [
      // No memory has 2^32 bytes: a range that wraps is out of bounds, and the whole instruction says so.
      ...when(wraps, run(DESTINATION, SOURCE, LENGTH)),
      ...run(end, fill ? SOURCE : sourceEnd, i32(0)),
      ...(fill ? forward : when(leU(DESTINATION, SOURCE), forward, backward)),
    ]),
    ...run(DESTINATION, SOURCE, LENGTH),
    Op.end,
  ];
}
