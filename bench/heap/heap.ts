/**
 * The heap benchmark: what an access to the exchange heap costs with its checks, beside plain memory.
 *
 * Invariant: before anything is timed, every variant of a program has returned the same sum for the same data.
 */
import { typeKey } from "#kernel/interface/model.ts";
import type { LowerOptions, LowerStats } from "#kernel/wasm/policy.ts";
import { ADDRESS, RECORD_SHIFT } from "#shared-heap/records.ts";
import { GENERATION_BITS } from "#shared-heap/layout.ts";
import { Bare, barePolicy } from "../lib/bare.ts";
import type { Clock } from "../lib/cycles.ts";
import { BENCH_MODEL, benchEntry, createKernel } from "../lib/kernel.ts";
import type { BenchOptions } from "../lib/options.ts";
import { caseResult, unavailable, type CaseResult } from "../lib/report.ts";
import { loopSubject, sampleAll, type Sampled } from "../lib/sample.ts";
import { assemble } from "../lib/wat.ts";
import { allocFreeText, OBJECTS, PROGRAMS, programText, PUT_TAKE_TEXT, type ProgramName } from "./programs.ts";

type Run = (n: number) => number;

/** One row to be: what is run, and what the row says. */
export interface HeapCase {
  readonly name: string;
  readonly run: Run;
  readonly checks: string;
  readonly note: string;
}

interface Variant {
  readonly name: string;
  readonly checks: string;
  readonly lower: Pick<LowerOptions, "elide" | "tick" | "unchecked">;
}

const RAW_CHECKS = "Ordinary loads and stores of the domain's own memory, not lowered: no ticks either.";
const VARIANTS: readonly Variant[] = [
  {
    name: "checked",
    checks: "Owner, generation, bounds; what an earlier check proved is not checked again. Ticks.",
    lower: {},
  },
  { name: "unelided", checks: "Owner, generation, bounds, at each access. Ticks.", lower: { elide: false } },
  {
    name: "unchecked",
    checks: "Nothing: the program holds addresses in the exchange heap instead of handles. Ticks.",
    lower: { unchecked: true },
  },
];

/** The data of object `index`: any bytes that make the sums differ when one access goes astray. */
function fill(bytes: Uint8Array, index: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + index * 17 + 7) & 0xff;
}

async function rawRun(program: ProgramName): Promise<Run> {
  const { size, count } = OBJECTS[program];
  const { instance } = await WebAssembly.instantiate(await assemble(program, programText(program, "plain")));
  const memory = instance.exports.memory as WebAssembly.Memory;
  const set = instance.exports.set as (i: number, object: number) => void;
  // Blocks of the exchange heap are multiples of 64 bytes too: the same lines of the cache.
  const stride = (size + 63) & ~63;
  for (let i = 0; i < count; i++) {
    fill(new Uint8Array(memory.buffer, 4096 + i * stride, size), i);
    set(i, 4096 + i * stride);
  }
  return instance.exports.run as Run;
}

async function loweredRun(program: ProgramName, variant: Variant): Promise<{ run: Run; stats: LowerStats }> {
  const { size, count } = OBJECTS[program];
  const bare = new Bare();
  const bytes = await assemble(program, programText(program, "heap"));
  const { owner, exports, stats } = bare.instance(bytes, barePolicy(), variant.lower);
  const type = bare.heap.types.define("Object", { kind: "record", slots: [], size });
  for (let i = 0; i < count; i++) {
    const handle = bare.heap.create(type, owner);
    const address = bare.heap.words[ADDRESS + ((handle >>> GENERATION_BITS) << RECORD_SHIFT)];
    fill(bare.heap.bytes.subarray(address, address + size), i);
    (exports.set as (i: number, object: number) => void)(i, variant.lower.unchecked === true ? address : handle);
  }
  return { run: exports.run as Run, stats };
}

function describe(s: LowerStats): string {
  return (
    `${s.sites} accesses in the text, ${s.ownerChecks} owner checks and ${s.boundChecks} bound checks emitted, ` +
    `${s.elided} owner checks removed, ${s.ticks} ticks`
  );
}

/** All variants of one program, proved to compute the same. `tick` false leaves the ticks out (`--ablate epoch`). */
export async function programCases(program: ProgramName, tick = true): Promise<HeapCase[]> {
  const raw = await rawRun(program);
  const cases: HeapCase[] = [{ name: `raw-${program}`, run: raw, checks: RAW_CHECKS, note: "plain memory" }];
  for (const variant of VARIANTS) {
    const { run, stats } = await loweredRun(program, { ...variant, lower: { ...variant.lower, tick } });
    cases.push({ name: `${variant.name}-${program}`, run, checks: variant.checks, note: describe(stats) });
  }
  for (const turns of [1, OBJECTS[program].count, 1000]) {
    const [expected, ...others] = cases.map(({ run }) => run(turns));
    const wrong = others.findIndex((sum) => sum !== expected);
    if (wrong >= 0) throw new Error(`${cases[wrong + 1].name} computes ${others[wrong]}, plain memory ${expected}`);
  }
  return cases;
}

async function putTakeCase(): Promise<HeapCase> {
  const bare = new Bare();
  const { owner, exports } = bare.instance(await assemble("put-take", PUT_TAKE_TEXT), barePolicy());
  const block = bare.heap.types.define("Block", { kind: "record", slots: [], size: 64 });
  const box = bare.heap.types.define("Box", { kind: "array", element: "Block", length: 4 });
  (exports.set as Function)(bare.heap.create(block, owner), bare.heap.create(box, owner));
  return {
    name: "put-take",
    run: exports.run as Run,
    checks: "Owner and generation of both, the element's type, the slot's number, that it is empty or full, not lent.",
    note: "one put and one take of an object, in an array of four",
  };
}

async function allocFreeCase(): Promise<HeapCase> {
  const kernel = createKernel();
  const bytes = await assemble("alloc-free", allocFreeText(typeKey(BENCH_MODEL.types.Block)));
  const domain = await kernel.load(benchEntry("allocator"), bytes);
  kernel.init(domain);
  return {
    name: "alloc-free",
    run: domain.exports!.run as Run,
    checks: "Head room, quotas of bytes and objects, owner, generation; the object is zeroed.",
    note: "one new object of 64 bytes and its free, two kernel calls",
  };
}

/** Runs the benchmark; see `measureCrossing` for what it returns. */
export async function measureHeap(
  options: BenchOptions,
  clock: Clock,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const all: HeapCase[] = [];
  for (const program of PROGRAMS) all.push(...(await programCases(program, !options.ablate.has("epoch"))));
  all.push(await allocFreeCase(), await putTakeCase());
  const wanted = all.filter(({ name }) => options.only === null || options.only.some((part) => name.includes(part)));
  if (options.cold) {
    const cases = wanted.map(({ name, checks }) => unavailable(name, "an access has no cold variant", checks));
    return { cases, samples: [] };
  }
  const samples = await sampleAll(
    wanted.map(({ name, run }) => loopSubject(name, run, clock)),
    options.rounds,
  );
  const cases = samples.map((sampled, i) => caseResult(sampled, { checks: wanted[i].checks, note: wanted[i].note }));
  return { cases, samples };
}
