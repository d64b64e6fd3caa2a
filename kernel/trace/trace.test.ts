/** The trace as a data structure: order, rings, wrap of the numbers, times, ids that are used again. */
import { expect, test } from "vitest";
import {
  CORE_SEQUENCE,
  EDGE_RING,
  EDGE_RING_MASK,
  EDGE_SHIFT,
  EDGES,
  OBJECTS,
  SAMPLE_PERIODS_MS,
  TRACE_HORIZON,
} from "../../shared-heap/layout.ts";
import { samplePair, samplesWord, Trace, type TracedEdge } from "./trace.ts";

const [A, B] = [
  { name: "a", id: 4 },
  { name: "b", id: 5 },
] as const;
const edge = (caller: string, callee: string, method: string): TracedEdge => ({
  caller,
  callee,
  interface: "I",
  method,
});

/** A trace over an empty ledger, and calls as proxies note them. */
function setUp(edges: (TracedEdge | null)[] = [edge("a", "b", "m"), edge("b", "c", "n"), edge("c", "d", "o")]) {
  const ledger = new Int32Array(OBJECTS >> 2);
  const clock = { ms: 0 };
  const names = new Map([A, B].map(({ name, id }) => [id, name] as [number, string]));
  const trace = new Trace({
    ledger,
    interfaces: ["H", "I"],
    now: () => clock.ms,
    edges: () => edges,
    nameOf: (id) => names.get(id) ?? null,
    deviceName: (number) => `nvme${number}`,
  });
  const counts = edges.map(() => 0);
  const call = (index: number): void => {
    const ring = (EDGES + (index << EDGE_SHIFT) + EDGE_RING) >> 2;
    ledger[ring + (++counts[index]! & EDGE_RING_MASK)] = ++ledger[CORE_SEQUENCE >> 2]!;
  };
  const skip = (calls: number): void => void (ledger[CORE_SEQUENCE >> 2]! += calls);
  const sample = (level = 0): void => {
    const base = samplesWord(level);
    const at = samplePair(base, ++ledger[base]!);
    ledger[at] = ledger[CORE_SEQUENCE >> 2]!;
    ledger[at + 1] = clock.ms;
  };
  return { trace, clock, call, skip, sample, names, ledger };
}

const brief = (entries: readonly { kind: string; detail: string }[]): string[] =>
  entries.map((e) => (e.kind === "call" ? e.detail : e.kind));

test("merges calls of a domain, calls into it and events in their order, and nobody else's", () => {
  const { trace, call } = setUp();
  trace.event("load", A.id, 1);
  trace.event("load", B.id, 1);
  call(0);
  call(2);
  call(1);
  call(0);
  trace.event("grant", B.id, trace.peerDetail("I", A.id));
  const read = trace.read(B, 100);
  expect(brief(read)).toEqual(["load", "I.m", "I.n", "I.m", "grant"]);
  expect(read.map((e) => e.sequence)).toEqual([2, 3, 5, 6, 7]);
  expect(read.at(-1)).toMatchObject({ domain: "b", peer: "a", detail: "I" });
  expect(brief(trace.read(B, 2))).toEqual(["I.m", "grant"]);
  expect(brief(trace.read(B, 100, 5))).toEqual(["I.m", "grant"]);
});

test("a chatty method pushes out none but its own calls, a noisy domain none but its own events", () => {
  const { trace, call } = setUp();
  trace.event("load", A.id, 1);
  call(1);
  for (let i = 0; i < 1000; i++) call(0);
  for (let i = 0; i < 1000; i++) trace.event("refuse", B.id, 0);
  expect(brief(trace.read(A, 100))).toEqual(["load", ...Array.from({ length: 8 }, () => "I.m")]);
  const b = brief(trace.read(B, 100));
  expect(b.slice(0, 9)).toEqual(["I.n", ...Array.from({ length: 8 }, () => "I.m")]);
  expect(b.slice(9)).toEqual(Array.from({ length: 16 }, () => "refuse"));
});

test("keeps its order when the numbers come around", () => {
  const { trace, call, skip } = setUp();
  for (let i = 0; i < 5; i++) {
    skip(TRACE_HORIZON - 3);
    trace.tidy();
    for (const index of [0, 1, 0, 1, 0]) call(index);
    const read = trace.read(B, 5);
    expect(brief(read)).toEqual(["I.m", "I.n", "I.m", "I.n", "I.m"]);
    const from = (i + 1) * (TRACE_HORIZON - 3) + i * 5;
    expect(read.map((e) => e.sequence)).toEqual([1, 2, 3, 4, 5].map((n) => from + n));
  }
});

test("an old entry never looks new: it is gone before its number comes again", () => {
  const { trace, call, skip } = setUp();
  call(0);
  trace.event("load", A.id, 1);
  for (let i = 0; i < 12; i++) {
    expect(brief(trace.read(A, 9)).length).toBe(i < 2 ? 2 : 0);
    skip(TRACE_HORIZON / 2 + 1);
    trace.tidy();
  }
});

test("a call has the time of the first sample after it, an event its own", () => {
  const { trace, call, sample, clock } = setUp();
  call(0);
  clock.ms = 10;
  sample();
  call(0);
  trace.event("start", A.id, 1);
  clock.ms = 20;
  sample();
  call(0);
  clock.ms = 25;
  expect(trace.read(A, 9).map((e) => e.ms)).toEqual([10, 20, 10, 25]);
});

test("what the samples of the last seconds do not reach is found in those of the last hour, and then unknown", () => {
  const { trace, call, skip, sample, clock } = setUp();
  const seconds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      clock.ms += SAMPLE_PERIODS_MS[1];
      skip(1000);
      sample(0);
      sample(1);
    }
  };
  call(0);
  seconds(10);
  for (let i = 0; i < 5000; i++, clock.ms++) {
    skip(10);
    sample(0);
  }
  expect(trace.read(A, 9).map((e) => e.ms)).toEqual([1000]);
  seconds(5000);
  expect(trace.read(A, 9).map((e) => e.ms)).toEqual([null]);
});

test("an id that is used again shows nothing of its former bearer, and is not taken for it", () => {
  const { trace, names } = setUp();
  trace.event("load", B.id, 1);
  trace.event("pass", A.id, trace.peerDetail("H", B.id));
  names.set(B.id, "new");
  trace.adopt(B.id);
  trace.event("load", B.id, 1);
  expect(trace.read({ name: "new", id: B.id }, 9).map((e) => e.domain)).toEqual(["new"]);
  expect(trace.read(A, 9)).toMatchObject([{ kind: "pass", peer: "(gone)", detail: "H" }]);
});

test("an edge's record that is used again begins empty", () => {
  const { trace, call } = setUp();
  call(0);
  trace.clearEdge(0);
  expect(trace.read(A, 9)).toEqual([]);
});
