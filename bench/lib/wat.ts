/**
 * WebAssembly text → module bytes, for the benchmarks' own small modules.
 *
 * Owns the one wabt instance of the process. Invariant: a text that does not assemble throws with the file's name.
 */
import loadWabt from "wabt";

let wabt: ReturnType<typeof loadWabt> | undefined;

/**
 * Assembles `text`.
 * @param name what error messages call it
 * @throws Error with line and column when the text is wrong
 */
export async function assemble(name: string, text: string): Promise<Uint8Array<ArrayBuffer>> {
  wabt ??= loadWabt();
  const parsed = (await wabt).parseWat(name, text, { bulk_memory: true });
  try {
    const { buffer } = parsed.toBinary({ write_debug_names: false });
    return new Uint8Array(buffer);
  } finally {
    parsed.destroy();
  }
}

/** `bytes` with a custom section that makes them unlike any other module: V8's code cache does not know them. */
export function makeUnique(bytes: Uint8Array, serial: number): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(`unique-${serial.toString(36).padStart(12, "0")}`);
  const section = Uint8Array.of(0, name.length + 1, name.length, ...name);
  const joined = new Uint8Array(bytes.length + section.length);
  joined.set(bytes);
  joined.set(section, bytes.length);
  return joined;
}
