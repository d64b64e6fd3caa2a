/**
 * Runs an attacker in a world: once lowered, as the kernel would, and once unlowered on the reference intrinsics.
 *
 * Owns instantiation and what stands for the kernel's imports. A run ends in results and traps, never in an exception:
 * an exception that is no trap is a bug of the loader and is thrown on.
 */
import {
  FIRST_HANDLE,
  GENERATION_BITS,
  GENERATION_MASK,
  OBJECT_SIZE,
  OBJECT_TAG,
  OWNER_HOST,
} from "#shared-heap/layout.ts";
import { EXPORT_CAPS, EXPORT_OWNER, EXPORT_RECORD, EXPORT_RESET } from "#kernel/wasm/intrinsics.ts";
import type { Admitted } from "#kernel/wasm/policy.ts";
import { Kind, ModuleBuilder } from "../support/wasm-builder/module.ts";
import { METHODS, NEW_DEQUE, NEW_NODE, NEW_PLAIN, STORE } from "./policy.ts";
import { type Intrinsics, Reference, Refusal } from "./reference.ts";
import { ATTACKER, domain, type World } from "./world.ts";

type Result = number | bigint | undefined;

/** What a run showed. */
export interface Outcome {
  /** One entry per call: its result, or "trap". `null` when instantiation itself trapped. */
  readonly calls: readonly (Result | "trap")[] | null;
  /** After each call: hash of all that it passed to the kernel and to other domains so far. */
  readonly logs: readonly number[];
  /** The attacker's memory 0 afterwards. */
  readonly memory: Buffer;
  readonly ticks: number;
  /** Text of the first trap, for messages. */
  readonly trap: string;
}

export interface Call {
  readonly name: string;
  readonly args: readonly (number | bigint)[];
}

const CAPABILITIES = [FIRST_HANDLE, FIRST_HANDLE + 3];
const NO_MEMORY = new WebAssembly.Memory({ initial: 0, maximum: 0 });
const noop = (): void => {};

/** Exports the given functions again, as Wasm functions that a table can hold. */
function adapt(functions: Readonly<Record<string, (...args: never[]) => unknown>>): Readonly<Record<string, unknown>> {
  const m = new ModuleBuilder();
  for (const name of Object.keys(functions)) {
    const { params, results } = METHODS[name]?.signature ?? { params: [0], results: [] };
    m.export(name, Kind.func, m.importFunc("js", name, params.slice(0, -1), results));
  }
  return new WebAssembly.Instance(new WebAssembly.Module(m.build()), { js: functions }).exports;
}

export class Runner {
  readonly world: World;
  /** Ticks after which the tick function traps. */
  tickBudget = 300;
  #ticks = 0;
  #log = 0;
  /** The unlowered attacker's memory 0; it may grow under way, so no view of it is kept. */
  #memory: WebAssembly.Memory = NO_MEMORY;
  #spares = new Map<string, number>();
  readonly #reference: Reference;
  readonly #intrinsics: { heap: Intrinsics; rpc: Intrinsics };
  readonly #methods: Readonly<Record<string, (...args: number[]) => number>>;
  readonly #table: Readonly<Record<string, unknown>>;
  readonly #kernel: Readonly<Record<string, Readonly<Record<string, (...args: number[]) => unknown>>>>;
  readonly #pool = new Map<string, WebAssembly.Memory>();

  constructor(world: World) {
    this.world = world;
    this.#reference = new Reference(world, () => Buffer.from(this.#memory.buffer));
    this.#intrinsics = this.#reference.modules();
    this.#methods = {
      poke: (a, b) => (this.#note(a!, b!), this.#owns(a!) ? this.#give(a!) : b! & 0xff),
      mix: (x, y, z) => (this.#note(Math.trunc(x! + y!), z!), z! & 0xff),
      ping: () => (this.#note(0, 0), 7),
    };
    const tick = (): void => {
      if (++this.#ticks > this.tickBudget) throw new Refusal("out of ticks");
    };
    this.#table = adapt({ tick, ...this.#methods });
    this.#kernel = this.#imports();
  }

  /** Runs the lowered module: instantiates it beside the victim and makes the calls in order. */
  runLowered(admitted: Admitted, module: WebAssembly.Module, calls: readonly Call[]): Outcome {
    this.#begin();
    const memory = admitted.memory === null ? NO_MEMORY : this.#lend(admitted.memory.initial, admitted.memory.maximum);
    const imports: Record<string, Record<string, unknown>> = {
      env: { memory },
      samara: { heap: this.world.heap, ledger: this.world.ledger },
    };
    for (const { module: from, name, lowered } of admitted.imports) {
      (imports[from] ??= {})[name] = lowered ? noop : this.#kernel[from]![name]!;
    }
    return this.#run(
      calls,
      () => {
        const { exports } = new WebAssembly.Instance(module, imports as WebAssembly.Imports);
        (exports[EXPORT_RESET] as () => void)();
        (exports[EXPORT_OWNER] as WebAssembly.Global).value = ATTACKER << GENERATION_BITS;
        (exports[EXPORT_RECORD] as WebAssembly.Global).value = domain(ATTACKER);
        const table = exports[EXPORT_CAPS] as WebAssembly.Table;
        table.set(0, this.#table["tick"]);
        for (const capability of CAPABILITIES) {
          for (const [name, { index }] of Object.entries(METHODS)) {
            table.set(capability - FIRST_HANDLE + 1 + index, this.#table[name]);
          }
        }
        return exports;
      },
      () => memory,
    );
  }

  /** Runs the module as it came, with intrinsics and capability calls in JavaScript. */
  runReference(module: WebAssembly.Module, calls: readonly Call[]): Outcome {
    this.#begin();
    const methods = Object.fromEntries(
      Object.keys(METHODS).map((name) => [name, (...args: number[]) => this.#capabilityCall(name, args)]),
    );
    const store = { ...this.#kernel[STORE], ...methods };
    const imports = {
      ...this.#kernel,
      ...this.#intrinsics,
      [STORE]: store,
      heap: { ...this.#kernel["heap"], ...this.#intrinsics.heap },
    };
    this.#memory = NO_MEMORY;
    return this.#run(
      calls,
      () => {
        const { exports } = new WebAssembly.Instance(module, imports as unknown as WebAssembly.Imports);
        this.#memory = (exports["memory"] as WebAssembly.Memory | undefined) ?? NO_MEMORY;
        return exports;
      },
      () => this.#memory,
    );
  }

  #run(calls: readonly Call[], instantiate: () => WebAssembly.Exports, memory: () => WebAssembly.Memory): Outcome {
    let trap = "";
    const attempt = <R>(action: () => R): R | "trap" => {
      try {
        return action();
      } catch (error) {
        const text = `${(error as Error).name}: ${(error as Error).message}`;
        if (!isTrap(error)) throw error;
        if (trap === "") trap = text;
        return "trap";
      }
    };
    const exports = attempt(instantiate);
    const logs: number[] = [];
    const results =
      exports === "trap"
        ? null
        : calls.map(({ name, args }) => {
            const result = attempt(() => (exports[name] as (...args: unknown[]) => Result)(...args));
            logs.push(this.#log);
            return result;
          });
    return { calls: results, logs, memory: Buffer.from(memory().buffer), ticks: this.#ticks, trap };
  }

  #begin(): void {
    this.#ticks = 0;
    this.#log = 0;
    this.#spares = new Map([
      [NEW_PLAIN, 0],
      [NEW_NODE, 0],
      [NEW_DEQUE, 0],
    ]);
  }

  /** A zeroed memory; one of each shape is kept, for a new one costs more than the whole run. */
  #lend(initial: number, maximum: number): WebAssembly.Memory {
    const key = `${initial}/${maximum}`;
    const kept = this.#pool.get(key);
    if (kept !== undefined && kept.buffer.byteLength === initial * 65536) {
      new Uint8Array(kept.buffer).fill(0);
      return kept;
    }
    const memory = new WebAssembly.Memory({ initial, maximum });
    this.#pool.set(key, memory);
    return memory;
  }

  #note(a: number, b: number): void {
    this.#log = (Math.imul(this.#log ^ a, 0x01000193) + b) | 0;
  }

  #owns(handle: number): boolean {
    try {
      this.#reference.exclusive(handle);
      return true;
    } catch {
      return false;
    }
  }

  /** Moves an object of the attacker's to the host, as a call would. */
  #give(handle: number): number {
    const index = this.#reference.exclusive(handle);
    const next = (index << GENERATION_BITS) | ((handle + 1) & GENERATION_MASK);
    this.world.words[this.world.word(index, OBJECT_TAG)] = next ^ (OWNER_HOST << GENERATION_BITS);
    return 0;
  }

  #imports(): Readonly<Record<string, Readonly<Record<string, (...args: number[]) => unknown>>>> {
    const make = (key: string, names: readonly string[]) => (): number => {
      const next = this.#spares.get(key)!;
      this.#spares.set(key, next + 1);
      return next < names.length ? this.#grant(names[next]!) : 0;
    };
    return {
      heap: {
        free: (h) => (this.#note(h!, -1), void this.#give(h!)),
        resize: (h, size) => (this.#note(h!, size!), this.#resize(h!, size! >>> 0)),
      },
      type: {
        [NEW_PLAIN]: make(NEW_PLAIN, ["spare plain 0", "spare plain 1", "spare plain 2"]),
        [NEW_NODE]: make(NEW_NODE, ["spare node"]),
        [NEW_DEQUE]: make(NEW_DEQUE, ["spare deque"]),
      },
      cap: { drop: noop, revoke: noop },
      env: {
        abort: () => {
          throw new Refusal("abort");
        },
      },
      [STORE]: { use: () => FIRST_HANDLE, mint: () => FIRST_HANDLE + 3 },
    };
  }

  /** Hands a spare object out: zeroed, in a new generation, owned by the attacker. */
  #grant(name: string): number {
    const { index, handle, address, size } = this.world.object(name);
    const next = (index << GENERATION_BITS) | ((handle + 1) & GENERATION_MASK);
    this.world.heapBytes.fill(0, address, address + size);
    this.world.words[this.world.word(index, OBJECT_TAG)] = next ^ (ATTACKER << GENERATION_BITS);
    return next;
  }

  /** Up to the size that the object was made with; growth is zeroed. */
  #resize(handle: number, size: number): number {
    const index = this.#reference.exclusive(handle);
    const made = this.world.objects.find((o) => o.index === index)!;
    if (size > made.size) return 0;
    const at = this.world.word(index, OBJECT_SIZE);
    const before = this.world.words[at]!;
    if (size > before) this.world.heapBytes.fill(0, made.address + before, made.address + size);
    this.world.words[at] = size;
    return 1;
  }

  /** What the lowered indirect call does: the table's slot must hold a function of the method's own type. */
  #capabilityCall(name: string, args: readonly number[]): number {
    const { signature, index } = METHODS[name]!;
    const slot = ((args.at(-1)! - FIRST_HANDLE + 1 + index) | 0) >>> 0;
    const methods = Object.keys(METHODS).toSorted((a, b) => METHODS[a]!.index - METHODS[b]!.index);
    const first = CAPABILITIES.map((c) => c - FIRST_HANDLE + 1).find((at) => slot >= at && slot < at + methods.length);
    const target = first === undefined ? undefined : methods[slot - first];
    if (target === undefined) throw new Refusal("no capability");
    const same = METHODS[target]!.signature.params.join() === signature.params.join();
    return same
      ? this.#methods[target]!(...args.slice(0, -1))
      : (() => {
          throw new Refusal("another method's type");
        })();
  }
}

/** Traps: what Wasm throws by itself, stack exhaustion, and what the harness throws in its place. */
function isTrap(error: unknown): boolean {
  return (
    error instanceof WebAssembly.RuntimeError ||
    error instanceof Refusal ||
    (error instanceof RangeError && error.message.includes("call stack"))
  );
}
