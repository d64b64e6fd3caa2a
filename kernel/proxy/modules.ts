/**
 * The kernel's own small Wasm modules, as bytes made at boot: trap, head-room probe, two-memory copier, and the bridge
 * that turns JavaScript functions into entries of a capability table.
 *
 * They are written in binary directly because they are a few instructions each, and because nothing that parses text
 * belongs in the trusted base.
 */
import type { Signature } from "../interface/model.ts";
import { I32, I64 } from "../interface/model.ts";

type Bytes = readonly number[];

function leb(value: number): number[] {
  const out: number[] = [];
  let v = value >>> 0;
  do {
    out.push(v > 127 ? (v & 127) | 128 : v & 127);
    v >>>= 7;
  } while (v !== 0);
  return out;
}
const vector = (items: readonly Bytes[]): number[] => [...leb(items.length), ...items.flat()];
const name = (text: string): number[] => {
  const bytes = [...new TextEncoder().encode(text)];
  return [...leb(bytes.length), ...bytes];
};
const section = (id: number, content: Bytes): number[] => [id, ...leb(content.length), ...content];
const functionType = (s: Signature): number[] => [
  0x60,
  ...vector(s.params.map((p) => [p])),
  ...vector(s.results.map((r) => [r])),
];
const body = (code: Bytes, locals: Bytes = [0]): number[] => {
  const content = [...locals, ...code, 0x0b];
  return [...leb(content.length), ...content];
};

function assemble(...sections: Bytes[]): Uint8Array<ArrayBuffer> {
  const total = sections.reduce((sum, s) => sum + s.length, 8);
  const out = new Uint8Array(total);
  out.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  let at = 8;
  for (const s of sections) {
    out.set(s, at);
    at += s.length;
  }
  return out;
}

/** The one genuine trap object. Wasm code can catch errors made in JavaScript, but not what an `unreachable` threw. */
export function makeTrap(): WebAssembly.RuntimeError {
  const module = new WebAssembly.Module(
    assemble(
      section(1, vector([functionType({ params: [], results: [] })])),
      section(3, vector([[0]])),
      section(7, vector([[...name("trap"), 0, 0]])),
      section(10, vector([body([0x00])])),
    ),
  );
  try {
    (new WebAssembly.Instance(module).exports.trap as () => void)();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return error;
  }
  throw new Error("this engine does not throw WebAssembly.RuntimeError for unreachable");
}

/** Values that the probe keeps alive at once, 8 bytes of stack each: the head room that a callee is guaranteed. */
const PROBE_VALUES = 4096;

/**
 * `probe(0)` throws RangeError, before any of its own code runs, when less than about 32 KiB of stack is left.
 *
 * V8 checks the whole frame of a function at its entry. The branch that is never taken needs a slot for each of
 * PROBE_VALUES values, and slots belong to the frame: so the check covers them and costs a compare. Their sum goes
 * to an import, for the optimising compiler leaves out what nobody uses, and the slots with it; and they are i64, since
 * the baseline compiler's slots for i32 have half the size.
 */
export function makeProbe(): (never: 0) => void {
  return probeInstance([I32], []) as (never: 0) => void;
}

/** How many of the probe's frames lie on each other in the deep one. */
const DEEP_FRAMES = 8;

/** The same for about 256 KiB, which burying and reviving a domain in the middle of a call chain may need. */
export function makeDeepProbe(): () => void {
  // probe(never, more) calls itself `more` times.
  const probe = probeInstance([I32, I32], [0x20, 1, 0x04, 0x40, 0x20, 0, 0x20, 1, 0x41, 1, 0x6b, 0x10, 2, 0x0b]);
  return () => probe(0, DEEP_FRAMES - 1);
}

function probeInstance(params: readonly number[], more: Bytes): (...args: number[]) => void {
  const values = Array.from({ length: PROBE_VALUES }, () => [0x41, 0, 0x10, 0]).flat();
  const sum = Array.from({ length: PROBE_VALUES - 1 }, () => 0x7c);
  const types = [
    { params: [I32], results: [I64] },
    { params: [I64], results: [] },
    { params, results: [] },
  ];
  const module = new WebAssembly.Module(
    assemble(
      section(1, vector(types.map(functionType))),
      section(2, vector(["never", "sink"].map((n, i) => [...name("k"), ...name(n), 0, i]))),
      section(3, vector([[2]])),
      section(7, vector([[...name("probe"), 0, 2]])),
      section(10, vector([body([0x20, 0, 0x04, 0x40, ...values, ...sum, 0x10, 1, 0x0b, ...more])])),
    ),
  );
  const instance = new WebAssembly.Instance(module, { k: { never: () => 0n, sink: () => {} } });
  return instance.exports.probe as (...args: number[]) => void;
}

export interface Copier {
  /** Memory a → memory b: to, from, length. Traps when a range is outside its memory. */
  copyIn(to: number, from: number, length: number): void;
  /** Memory b → memory a. */
  copyOut(to: number, from: number, length: number): void;
  /** Traps when `pointer … pointer + capacity` is not inside memory a. */
  checkOut(pointer: number, capacity: number): void;
}

/** Stands in for the memory of a domain that has none. */
export const EMPTY_MEMORY = new WebAssembly.Memory({ initial: 0, maximum: 0 });

let copierModule: WebAssembly.Module | undefined;

/** Copies between two private memories (6 ns for 64 bytes; through typed arrays it is 8 times that). */
export function makeCopier(a: WebAssembly.Memory, b: WebAssembly.Memory): Copier {
  const three: Signature = { params: [I32, I32, I32], results: [] };
  const copy = (to: number, from: number): number[] => body([0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, to, from]);
  // u64(pointer) + u64(capacity) > u64(pages) << 16 → unreachable
  const check = [0x20, 0, 0xad, 0x20, 1, 0xad, 0x7c, 0x3f, 0, 0xad, 0x42, 16, 0x86, 0x56, 0x04, 0x40, 0x00, 0x0b];
  copierModule ??= new WebAssembly.Module(
    assemble(
      section(1, vector([functionType(three), functionType({ params: [I32, I32], results: [] })])),
      section(2, vector(["a", "b"].map((m) => [...name("k"), ...name(m), 2, 0, 0]))),
      section(3, vector([[0], [0], [1]])),
      section(7, vector(["copyIn", "copyOut", "checkOut"].map((n, i) => [...name(n), 0, i]))),
      section(10, vector([copy(1, 0), copy(0, 1), body(check)])),
    ),
  );
  return new WebAssembly.Instance(copierModule, { k: { a, b } }).exports as unknown as Copier;
}

/** A function of the bridge. An async one may suspend its caller. */
export interface BridgeEntry {
  readonly signature: Signature;
  readonly async?: boolean;
}

/** What the function behind an async entry returns to have its caller suspended. No status, fault or handle. */
export const SUSPENDED = 1023;

/**
 * A module that imports one function per entry and exports it again, so that it can stand in a table.
 *
 * V8 suspends whoever calls a suspending import, even if it answers at once, and throws where JavaScript is on the
 * stack. So an async entry calls its function plainly, and the suspending import `wait` only when that says so.
 */
export function makeBridge(entries: readonly BridgeEntry[]): WebAssembly.Module {
  const types = entries.map((e) => functionType(e.signature));
  const wait = entries.length;
  const async = entries.flatMap((e, i) => (e.async === true ? [i] : []));
  const guard = (i: number): number[] => {
    const { params } = entries[i]!.signature;
    const args = params.flatMap((_, p) => [0x20, ...leb(p)]);
    const status = leb(params.length);
    const call = [...args, 0x10, ...leb(i), 0x22, ...status, 0x41, ...sleb(SUSPENDED), 0x46];
    return body([...call, 0x04, I32, 0x10, ...leb(wait), 0x05, 0x20, ...status, 0x0b], [1, 1, I32]);
  };
  const exported = entries.map((e, i) => (e.async === true ? wait + 1 + async.indexOf(i) : i));
  return new WebAssembly.Module(
    assemble(
      section(1, vector([...types, functionType({ params: [], results: [I32] })])),
      section(
        2,
        vector([
          ...types.map((_, i) => [...name("k"), ...name(`${i}`), 0, ...leb(i)]),
          [...name("k"), ...name("wait"), 0, ...leb(wait)],
        ]),
      ),
      section(3, vector(async.map((i) => leb(i)))),
      section(7, vector(exported.map((f, i) => [...name(`${i}`), 0, ...leb(f)]))),
      section(10, vector(async.map(guard))),
    ),
  );
}

function sleb(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  return (rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0) ? [low] : [low | 128, ...sleb(rest)];
}

/**
 * Wraps each function so that a table accepts it; `functions[i]` must have the i-th signature of the bridge.
 * @param wait gives the promise that the caller of an async entry is suspended on
 */
export function bridge(
  module: WebAssembly.Module,
  functions: readonly Function[],
  wait: () => Promise<number> = () => Promise.resolve(0),
): Function[] {
  const k: Record<string, unknown> = { ...functions, wait: new Suspending(wait) };
  const { exports } = new WebAssembly.Instance(module, { k: k as WebAssembly.ModuleImports });
  return functions.map((_, i) => exports[`${i}`] as Function);
}

/**
 * `f`, which returns one i32, and then `returned` with what it returned, on the same stack: before anything else can
 * run. A function of JavaScript around `f` could not be suspended.
 */
export function withReturn({ params, results }: Signature, f: Function, returned: (status: number) => void): Function {
  const args = params.flatMap((_, p) => [0x20, ...leb(p)]);
  const status = leb(params.length);
  const module = new WebAssembly.Module(
    assemble(
      section(1, vector([functionType({ params, results }), functionType({ params: [I32], results: [] })])),
      section(2, vector([0, 1].map((i) => [...name("k"), ...name(`${i}`), 0, i]))),
      section(3, vector([[0]])),
      section(7, vector([[...name("f"), 0, 2]])),
      section(10, vector([body([...args, 0x10, 0, 0x22, ...status, 0x10, 1, 0x20, ...status], [1, 1, I32])])),
    ),
  );
  return new WebAssembly.Instance(module, { k: { 0: f, 1: returned } as WebAssembly.ModuleImports }).exports
    .f as Function;
}

/** JavaScript Promise Integration, which the type library does not know yet. */
const { Suspending, promising } = WebAssembly as unknown as {
  Suspending: new (f: Function) => object;
  promising: (f: Function) => (...args: number[]) => Promise<number>;
};
export { promising };
