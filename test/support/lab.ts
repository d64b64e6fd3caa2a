/**
 * A laboratory for isolation tests: a kernel with interfaces and hand-written Wasm domains, no build step.
 *
 * Domains are WebAssembly text, so that a test can do what no compiler would. After each test `audit()` runs the
 * whole-heap invariant checker.
 */
import { deepStrictEqual as deepEqual } from "node:assert";
import wabt from "wabt";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import type { FaultReport } from "#kernel/domain/fault.ts";
import { interfaceKey, typeKey, type Model } from "#kernel/interface/model.ts";
import type { DomainInfo } from "#kernel/domain/info.ts";
import {
  DEFAULT_LIMITS,
  type Limits,
  type ResolvedDomain,
  type ResolvedSystem,
  type Restart,
} from "#kernel/manifest/manifest.ts";
import type { Ablation } from "#kernel/proxy/generate.ts";
import type { Budgets } from "#kernel/thread/budget.ts";
import { System, type Service } from "#runtime/node/system.ts";
import { compileInterfaces } from "#tools/idl/compile.ts";

export interface LabDomain {
  /** Text of the module; gets the names it needs for imports and exports. */
  readonly wat: (names: Names) => string;
  /** name → interface. */
  readonly provides?: Readonly<Record<string, string>>;
  /** name → [interface, provider, self]. */
  readonly uses?: Readonly<Record<string, readonly [string, string, number?]>>;
  readonly limits?: Limits;
  readonly restart?: Required<Restart>;
  readonly arena?: string;
}

/** Import module names and export names, with their fingerprints. */
export interface Names {
  /** Import module of an interface. */
  module(interfaceName: string): string;
  /** Export name of a served method: `Echo.move`. */
  serve(method: string): string;
  /** `(import "type" "T$…" (func $new_T (result i32)))`. */
  newType(type: string): string;
}

export interface LabOptions {
  readonly idl: string;
  readonly domains: Readonly<Record<string, LabDomain>>;
  readonly services?: Readonly<Record<string, Service>>;
  readonly heapBytes?: number;
  readonly objects?: number;
  readonly onDeadlock?: (ring: string) => void;
  readonly budgets?: Budgets;
  /** Bytes by name, and what stands behind each device; a device reaches the arena `dma`. */
  readonly arenas?: Readonly<Record<string, number>>;
  readonly devices?: Readonly<Record<string, DeviceBackend & { readonly writable?: string }>>;
  readonly omit?: ReadonlySet<Ablation>;
  readonly elide?: boolean;
}

const PRELUDE = `import type { bool, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult } from "./prelude.ts";\n`;

const models = new Map<string, Model>();

/** Compiled once for each text: tests of one file share it. */
export function compileIdl(text: string): Model {
  const known = models.get(text);
  if (known !== undefined) return known;
  const model = compileInterfaces(new Map([["interfaces/lab.ts", PRELUDE + text]]));
  models.set(text, model);
  return model;
}

export function namesOf(model: Model): Names {
  return {
    module: (name) => interfaceKey(model.interfaces[name]!),
    serve: (method) => {
      const [name, m] = method.split(".");
      return `${interfaceKey(model.interfaces[name!]!)}$${m}`;
    },
    newType: (type) =>
      `(import "type" "${typeKey(model.types[type]!)}" (func $new_${type.replace(/\W/g, "_")} (result i32)))`,
  };
}

let assembler: Awaited<ReturnType<typeof wabt>> | undefined;

const assembled = new Map<string, Uint8Array>();

/** WebAssembly text → bytes, once for each text. */
export async function assemble(text: string, name = "lab"): Promise<Uint8Array> {
  const known = assembled.get(`${name}:${text}`);
  if (known !== undefined) return known;
  assembler ??= await wabt();
  const features = {
    threads: true,
    simd: true,
    tail_call: true,
    multi_memory: true,
    bulk_memory: true,
    reference_types: true,
  };
  const module = assembler.parseWat(`${name}.wat`, text, features);
  try {
    const bytes = module.toBinary({ write_debug_names: true }).buffer.slice();
    assembled.set(`${name}:${text}`, bytes);
    return bytes;
  } finally {
    module.destroy();
  }
}

export class Lab {
  readonly system: System;
  readonly faults: FaultReport[];
  readonly #images: ReadonlyMap<string, { bytes: Uint8Array }>;

  constructor(system: System, images: ReadonlyMap<string, { bytes: Uint8Array }>) {
    this.system = system;
    this.faults = system.faults;
    this.#images = images;
  }

  /** A new instance of a dead domain, under its name. */
  async load(name: string): Promise<void> {
    const { kernel } = this.system;
    const domain = await kernel.load(kernel.domain(name).entry, this.#images.get(name)!.bytes);
    kernel.init(domain);
    kernel.start(domain);
  }

  client<T = Record<string, (...args: unknown[]) => unknown>>(path: string): T {
    return this.system.client<T>(path);
  }

  info(name: string): DomainInfo {
    return this.system.domains().find((d) => d.name === name)!;
  }

  /** Number of objects that a domain owns itself (contents of its containers not counted). */
  owned(name: string): number {
    const { heap } = this.system.kernel;
    const { id } = this.system.kernel.domain(name);
    let count = 0;
    for (let index = 1; index < heap.highWater; index++) if (heap.ownerAt(index) === id) count++;
    return count;
  }

  /** Every record, slot, block and charge agrees, and the stack is empty. */
  audit(): void {
    deepEqual(this.system.kernel.heap.check(), []);
    deepEqual(this.system.kernel.devices.check(), []);
  }

  async close(): Promise<void> {
    await this.system.stop();
  }
}

export async function makeLab(options: LabOptions): Promise<Lab> {
  const model = compileIdl(options.idl);
  const names = namesOf(model);
  const images = new Map<string, { bytes: Uint8Array }>();
  const domains: ResolvedDomain[] = [];
  for (const [name, d] of Object.entries(options.domains)) {
    images.set(name, { bytes: await assemble(d.wat(names), name) });
    const counts = new Map<string, number>();
    domains.push({
      name,
      domain: name,
      limits: { ...DEFAULT_LIMITS, ...d.limits },
      ...(d.arena === undefined ? {} : { arena: d.arena }),
      ...(d.restart === undefined ? {} : { restart: d.restart }),
      provides: Object.entries(d.provides ?? {}).map(([object, interface_]) => {
        const self = counts.get(interface_) ?? 0;
        counts.set(interface_, self + 1);
        return { name: object, interface: interface_, self };
      }),
      uses: Object.entries(d.uses ?? {}).map(([use, [interface_, provider, self]]) => ({
        name: use,
        interface: interface_,
        provider,
        object: use,
        self: self ?? 0,
      })),
    });
  }
  const manifest: ResolvedSystem = {
    name: "lab",
    heap: {
      bytes: options.heapBytes ?? 4 << 20,
      objects: options.objects ?? 4096,
      arenas: Object.entries(options.arenas ?? {}).map(([name, bytes]) => ({ name, bytes })),
    },
    devices: Object.entries(options.devices ?? {}).map(([name, { writable }]) => ({
      name,
      backend: "test:scripted",
      arenas: ["dma"],
      ...(writable === undefined ? {} : { writable }),
    })),
    domains,
    model,
  };
  const system = await System.boot(
    manifest,
    {
      images,
      devices: ({ name }) => options.devices![name]!,
      ...(options.onDeadlock === undefined ? {} : { onDeadlock: options.onDeadlock }),
      ...(options.budgets === undefined ? {} : { budgets: options.budgets }),
      ...(options.omit === undefined ? {} : { omit: options.omit }),
      ...(options.elide === undefined ? {} : { elide: options.elide }),
    },
    options.services ?? {},
  );
  return new Lab(system, images);
}
