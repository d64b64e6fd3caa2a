/**
 * Admission: untrusted module in, lowered module out, or an AdmissionError.
 *
 * The one way into the system for foreign code. Order: bounds of our own, V8's validation, the policy, lowering,
 * V8's validation of the result. Invariant: what comes out imports only functions that the policy grants, memory 0
 * and the kernel's two memories; calls no intrinsic; reaches memories 1 and 2, the owner global and the capability
 * table only through code of this folder; and keeps every index of the original.
 */
import { I32, type Signature } from "../interface/model.ts";
import { i32, u32 } from "./asm.ts";
import { LowerContext } from "./context.ts";
import { AdmissionError } from "./errors.ts";
import {
  CAP_TABLE_SIZE,
  EXPORT_CAPS,
  EXPORT_OWNER,
  EXPORT_RECORD,
  EXPORT_RESET,
  IMPORT_HEAP,
  IMPORT_KERNEL,
  IMPORT_LEDGER,
} from "./intrinsics.ts";
import { MAX_MEMORY_PAGES } from "./limits.ts";
import { BodyLowerer } from "./lower.ts";
import { parseModule, Section, SECTION_ORDER, type Module } from "./module.ts";
import { Op } from "./opcodes.ts";
import type { Admitted, LowerOptions, Policy } from "./policy.ts";
import { dataCount, dataSection } from "./reset.ts";
import { scanBodies } from "./scan.ts";
import { classifyImports, refuseEscapes } from "./targets.ts";
import { Writer } from "./writer.ts";

export { translateOffset } from "./offsets.ts";

const FUNCREF = 0x70;
const SHARED_WITH_MAXIMUM = 3;
const WITH_MAXIMUM = 1;
const KIND = { function: 0, table: 1, memory: 2, global: 3 } as const;

/**
 * Decodes, checks and lowers a module.
 *
 * @param bytes the module as its toolchain made it; not changed, not kept
 * @param policy what the domain may import, and its memory quota
 * @param options sizes of the kernel's memories, and switches for benchmarks
 * @throws AdmissionError with a code, the byte and the reason
 */
export function admit(bytes: Uint8Array, policy: Policy, options: LowerOptions): Admitted {
  const m = parseModule(bytes);
  const targets = classifyImports(m, policy);
  refuseEscapes(m, targets);
  const memory = clampMemory(m, policy);
  const scan = scanBodies(m, targets);
  if (!WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>)) throw new AdmissionError("invalid", reason(bytes));
  const context = new LowerContext(m, targets, scan, options);
  const code = new Writer(bytes.length + (bytes.length >> 1));
  const lowerer = new BodyLowerer(context, code);
  for (let body = 0; body < m.bodies.length / 2; body++) lowerer.lower(body);
  const lowered = assemble(context, code, memory, options);
  if (!WebAssembly.validate(lowered)) throw new AdmissionError("internal", reason(lowered));
  return {
    bytes: lowered,
    memory,
    resettable: scan.resettable,
    exports: new Map([...m.exports].map(([name, index]) => [name, m.types[m.functions[index]!]!])),
    imports: m.imports.map(({ module, name }, i) => ({ module, name, lowered: targets[i]!.kind !== "kernel" })),
    offsets: context.offsets.finish(),
    stats: { ...context.stats },
  };
}

/** V8's own words for why a module does not validate. */
function reason(bytes: Uint8Array): string {
  try {
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    return `refused, but ${String(module)} was made of it`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function clampMemory(m: Module, policy: Policy): Admitted["memory"] {
  if (m.memory === null) return null;
  const quota = Math.min(policy.maxPages, MAX_MEMORY_PAGES);
  const { initial, maximum, offset } = m.memory;
  if (initial > quota) {
    throw new AdmissionError("memory", `${initial} pages, the domain's quota is ${quota}`, offset);
  }
  return { initial, maximum: Math.min(maximum ?? quota, quota) };
}

// ── assembling ───────────────────────────────────────────────────────────────────────────────────────────────────────

function assemble(
  context: LowerContext,
  code: Writer,
  memory: Admitted["memory"],
  options: LowerOptions,
): Uint8Array<ArrayBuffer> {
  const { m, addedTypes, addedFunctions } = context;
  const out = new Writer(code.length + m.bytes.length + 4096).range(m.bytes, 0, 8);
  for (const { locals, body } of addedFunctions) {
    const declaration = locals > 0 ? [1, ...u32(locals), I32] : [0];
    code
      .u32(declaration.length + body.length)
      .bytes(declaration)
      .bytes(body);
  }
  const sections: Readonly<Record<number, () => void>> = {
    [Section.type]: () => extend(out, m, Section.type, addedTypes.length, (w) => addedTypes.forEach((t) => type(w, t))),
    [Section.import]: () => section(out, Section.import, importSection(m, memory, options)),
    [Section.function]: () =>
      extend(out, m, Section.function, addedFunctions.length, (w) => {
        for (const added of addedFunctions) w.u32(added.type);
      }),
    [Section.table]: () =>
      extend(out, m, Section.table, 1, (w) => {
        w.u8(FUNCREF).u8(WITH_MAXIMUM).u32(CAP_TABLE_SIZE).u32(CAP_TABLE_SIZE);
      }),
    [Section.global]: () =>
      extend(out, m, Section.global, 2, (w) => {
        for (let i = 0; i < 2; i++) w.u8(I32).u8(1).bytes(i32(0)).u8(Op.end);
      }),
    [Section.export]: () => section(out, Section.export, exportSection(context)),
    [Section.dataCount]: () => section(out, Section.dataCount, new Writer(16).u32(dataCount(m))),
    [Section.data]: () => section(out, Section.data, dataSection(m)),
    [Section.code]: () => {
      section(out, Section.custom, hintSection(context));
      const counter = u32(m.bodies.length / 2 + addedFunctions.length);
      out
        .u8(Section.code)
        .u32(counter.length + code.length)
        .bytes(counter);
      context.offsets.shift(0, out.length);
      out.bytes(code.view());
    },
  };
  for (const id of SECTION_ORDER) {
    if (id === Section.memory) continue; // it is an import now
    const write = sections[id];
    if (write !== undefined) write();
    else if (m.sections.has(id)) extend(out, m, id, 0, () => {});
  }
  if (m.names !== null) out.range(m.bytes, m.names.start, m.names.end);
  return out.view().slice();
}

function section(out: Writer, id: number, contents: Writer): void {
  out.u8(id).u32(contents.length).bytes(contents.view());
}

/** Writes the original section `id` with `more` entries after its own. */
function extend(out: Writer, m: Module, id: number, more: number, write: (w: Writer) => void): void {
  const original = m.sections.get(id);
  const count = (original?.count ?? 0) + more;
  if (count === 0) return;
  const contents = new Writer(256).u32(count);
  if (original !== undefined) contents.range(m.bytes, original.start, original.end);
  write(contents);
  section(out, id, contents);
}

function type(w: Writer, { params, results }: Signature): void {
  w.u8(0x60).u32(params.length).bytes(params).u32(results.length).bytes(results);
}

/** The function imports where they were, then the three memories. */
function importSection(m: Module, memory: Admitted["memory"], options: LowerOptions): Writer {
  const w = new Writer(256).u32(m.imports.length + 3);
  for (const { module, name, type: index } of m.imports) w.name(module).name(name).u8(KIND.function).u32(index);
  const own = memory ?? { initial: 0, maximum: 0 };
  w.name("env").name("memory").u8(KIND.memory).u8(WITH_MAXIMUM).u32(own.initial).u32(own.maximum);
  for (const [name, pages] of [
    [IMPORT_HEAP, options.heapPages],
    [IMPORT_LEDGER, options.ledgerPages],
  ] as const) {
    w.name(IMPORT_KERNEL).name(name).u8(KIND.memory).u8(SHARED_WITH_MAXIMUM).u32(pages).u32(pages);
  }
  return w;
}

/** The branches that the loader added are hardly ever taken; V8 keeps their code out of the way then. */
function hintSection({ hintedFunctions, hints }: LowerContext): Writer {
  return new Writer(hints.length + 64).name("metadata.code.branch_hint").u32(hintedFunctions).bytes(hints.view());
}

/** Functions only, and the three things that the kernel sets. */
function exportSection({ m, reset, owner, record, caps }: LowerContext): Writer {
  const w = new Writer(256).u32(m.exports.size + 4);
  for (const [name, index] of m.exports) w.name(name).u8(KIND.function).u32(index);
  w.name(EXPORT_RESET).u8(KIND.function).u32(reset);
  w.name(EXPORT_OWNER).u8(KIND.global).u32(owner);
  w.name(EXPORT_RECORD).u8(KIND.global).u32(record);
  w.name(EXPORT_CAPS).u8(KIND.table).u32(caps);
  return w;
}
