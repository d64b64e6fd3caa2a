/**
 * `samara:reset`, the function that puts an instance into its first state, and the data section that goes with it.
 *
 * Nothing of the module's own places its data: active segments become passive and empty, as they are after
 * instantiation by the specification, and their bytes lie in one passive segment behind all others, the image, which
 * no code of the domain can name. Invariant: on zeroed memory, reset brings back every mutable global of the module and
 * every byte of its active segments, in their order; owner and record stay. It runs no code of the domain and has no
 * tick: one bound on its code, and the module's size, keep it short.
 */
import { i32 } from "./asm.ts";
import { AdmissionError } from "./errors.ts";
import { MAX_BODY_BYTES } from "./limits.ts";
import type { Module } from "./module.ts";
import { Bulk, Op } from "./opcodes.ts";
import { Writer } from "./writer.ts";

const PASSIVE = 1;

/**
 * Code of the function `() → ()`. A constant expression is also valid as code, and gives the same value each time.
 * @throws AdmissionError (too-large)
 */
export function resetBody({ bytes, mutable, segments }: Module): Uint8Array {
  const w = new Writer(4096);
  for (const { index, start, end } of mutable) w.range(bytes, start, end).u8(Op.globalSet).u32(index);
  let source = 0;
  for (const { offset, start, end } of segments) {
    if (offset === null) continue;
    w.range(bytes, offset.start, offset.end)
      .bytes(i32(source))
      .bytes(i32(end - start));
    w.u8(Op.bulk).u32(Bulk.memoryInit).u32(segments.length).u8(0);
    source += end - start;
  }
  w.u8(Op.end);
  if (w.length <= MAX_BODY_BYTES) return w.view();
  const detail = `globals and data segments need ${w.length} bytes of code, at most ${MAX_BODY_BYTES} are allowed`;
  throw new AdmissionError("too-large", detail, (segments[0] ?? mutable[0])!.start);
}

/** Number of data segments with the image. */
export const dataCount = ({ segments }: Module): number => segments.length + 1;

/** The segments under their old indices, then the image. */
export function dataSection(m: Module): Writer {
  const w = new Writer(m.bytes.length >> 1).u32(dataCount(m));
  const image = new Writer(4096);
  for (const { offset, start, end } of m.segments) {
    w.u8(PASSIVE);
    if (offset === null) w.u32(end - start).range(m.bytes, start, end);
    else {
      w.u32(0);
      image.range(m.bytes, start, end);
    }
  }
  return w.u8(PASSIVE).u32(image.length).bytes(image.view());
}
