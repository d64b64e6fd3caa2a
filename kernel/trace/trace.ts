/**
 * The trace: the last calls of every edge and the last kernel events of every domain, always on, in the ledger.
 *
 * A call costs its proxy one store: the next number of the order of all calls, into the ring of its own edge; so nobody
 * pushes out what others did. No clock is read for it: the watchdog notes now and then which number it is, and when.
 * Invariants: numbers wrap after 2^32, so `tidy` erases what is older than TRACE_HORIZON before it could look new; what
 * is read here is a copy, and nothing in the kernel decides anything by it.
 */
import {
  CORE_SEQUENCE,
  DOMAIN_EVENTS,
  DOMAIN_SHIFT,
  DOMAINS,
  EDGE_RING,
  EDGE_RING_MASK,
  EDGE_SHIFT,
  EDGES,
  EVENT_DETAIL,
  EVENT_KIND,
  EVENT_RING_MASK,
  EVENT_SEQUENCE,
  EVENT_SHIFT,
  EVENT_TIME,
  EVENTS,
  EVENTS_SHIFT,
  MAX_DOMAINS,
  MAX_EDGES,
  MAX_SAMPLES,
  SAMPLE_PERIODS_MS,
  SAMPLES,
  SAMPLES_BYTES,
  TRACE_HORIZON,
} from "../../shared-heap/layout.ts";
import { DEVICE_EVENTS, type DeviceEventKind } from "../device/device.ts";
import { FAULT_KINDS } from "../domain/fault.ts";

/**
 * Details: of "fault" an index of FAULT_KINDS, of those with a peer `peerDetail`, of "device" `deviceDetail`, of the
 * others the incarnation.
 */
export const EVENT_KINDS = [
  "load",
  "init",
  "start",
  "grant",
  "pass",
  "revoke",
  "fault",
  "restart",
  "refuse",
  "device",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];
const WITH_PEER: readonly EventKind[] = ["grant", "pass", "revoke"];
const ID_BITS = 12;

export interface TraceEntry {
  /** Place in the order of all calls and events since boot. */
  readonly sequence: number;
  /** Milliseconds since boot; of a call to about a millisecond, null when nobody knows any more. */
  readonly ms: number | null;
  readonly kind: "call" | EventKind;
  /** Of a call the caller. */
  readonly domain: string;
  /** The domain called; whose capability was granted or revoked, or who it was passed to. */
  readonly peer: string | null;
  /** `Interface.method` of a call, an interface, a kind of fault, which of its lives begins. */
  readonly detail: string;
}

/** What the trace must know of an edge: its names, at the index of its record. */
export interface TracedEdge {
  readonly caller: string;
  readonly callee: string;
  readonly interface: string;
  readonly method: string;
}

export interface TraceKernel {
  readonly ledger: Int32Array;
  readonly interfaces: readonly string[];
  now(): number;
  /** By index of the edge's record; null where there is none. */
  edges(): readonly (TracedEdge | null)[];
  nameOf(id: number): string | null;
  deviceName(number: number): string;
}

type Entry = Omit<TraceEntry, "sequence" | "ms">;
/** Where an entry is found: the index of an edge, or MAX_EDGES and the place in a domain's ring of events. */
const PLACES = 2 * MAX_EDGES;

export class Trace {
  readonly #kernel: TraceKernel;
  readonly #boot: number;
  /** Sequence number up to which `#total` counts. */
  #last = 0;
  #total = 0;
  #tidied = 0;
  /** Place in the order at which each domain id was given to its present bearer. */
  readonly #born = new Float64Array(MAX_DOMAINS);

  constructor(kernel: TraceKernel) {
    this.#kernel = kernel;
    this.#boot = kernel.now();
    // The first sample of all: number 0 at 0 ms. The others are the watchdog's.
    for (let level = 0; level < SAMPLE_PERIODS_MS.length; level++) kernel.ledger[samplesWord(level)] = 1;
  }

  /** Calls and events since boot. To be asked more often than every 2^32 of them, which `tidy` sees to. */
  get position(): number {
    const now = this.#kernel.ledger[CORE_SEQUENCE >> 2]!;
    this.#total += (now - this.#last) >>> 0;
    this.#last = now;
    return this.#total;
  }

  /** Milliseconds since boot. */
  get ms(): number {
    return this.#kernel.now() - this.#boot;
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Notes what the kernel did with a domain. */
  event(kind: EventKind, domain: number, detail: number): void {
    const { ledger } = this.#kernel;
    const count = (DOMAINS + (domain << DOMAIN_SHIFT) + DOMAIN_EVENTS) >> 2;
    const at = eventWord(domain, ++ledger[count]!);
    ledger[at + (EVENT_SEQUENCE >> 2)] = ++ledger[CORE_SEQUENCE >> 2]!;
    ledger[at + (EVENT_KIND >> 2)] = EVENT_KINDS.indexOf(kind);
    ledger[at + (EVENT_DETAIL >> 2)] = detail;
    ledger[at + (EVENT_TIME >> 2)] = this.ms;
  }

  /** The detail of an event with a peer. */
  peerDetail(interfaceName: string, peer: number): number {
    return (this.#kernel.interfaces.indexOf(interfaceName) << ID_BITS) | peer;
  }

  /** The detail of what happened to a device that the domain drives. */
  deviceDetail(kind: DeviceEventKind, device: number): number {
    return (DEVICE_EVENTS.indexOf(kind) << ID_BITS) | device;
  }

  /** The id has a new bearer, who has done nothing yet. */
  adopt(domain: number): void {
    const first = eventWord(domain, 0);
    this.#kernel.ledger.fill(0, first, first + (1 << (EVENTS_SHIFT - 2)));
    this.#born[domain] = this.position;
  }

  /** The edge has a new bearer. */
  clearEdge(index: number): void {
    const first = ringWord(index);
    this.#kernel.ledger.fill(0, first, first + EDGE_RING_MASK + 1);
  }

  /** Erases what is so old that it could be taken for new one day. Called at ticks, so before much can happen. */
  tidy(): void {
    const position = this.position;
    if (position - this.#tidied < TRACE_HORIZON / 2) return;
    this.#tidied = position;
    const edges = this.#kernel.edges().length;
    for (let edge = 0; edge < edges; edge++)
      for (let i = 0, at = ringWord(edge); i <= EDGE_RING_MASK; i++) this.#expire(at + i);
    for (let id = 0; id < MAX_DOMAINS; id++)
      for (let i = 0; i <= EVENT_RING_MASK; i++) this.#expire(eventWord(id, i) + (EVENT_SEQUENCE >> 2));
  }

  #expire(at: number): void {
    const { ledger } = this.#kernel;
    if (ledger[at] !== 0 && this.#age(ledger[at]!) >= TRACE_HORIZON) ledger[at] = 0;
  }

  /** How many numbers ago this one was given. */
  #age(sequence: number): number {
    return (this.#last - sequence) >>> 0;
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What a domain did and what was done to it: its calls, calls into it, kernel events.
   * @param limit how many entries at most, the newest
   * @param since only what came after this place in the order
   */
  read(domain: { readonly name: string; readonly id: number }, limit: number, since = -1): TraceEntry[] {
    const { position } = this;
    const samples = this.#samples();
    let sample = samples.next();
    let when: number | null = Math.round(this.ms);
    const entries = this.#newest(domain, limit, Math.min(TRACE_HORIZON, position - since)).map((key) => {
      const age = Math.floor(key / PLACES);
      // The first sample after a call is the nearest that is known of it.
      for (; !sample.done && sample.value.age <= age; sample = samples.next()) when = sample.value.ms;
      if (sample.done === true) when = null;
      const place = key % PLACES;
      const entry = place < MAX_EDGES ? this.#call(place) : this.#event(domain.id, place - MAX_EDGES, age);
      return { sequence: position - age, ms: when, ...entry };
    });
    return entries.toReversed();
  }

  /** The `limit` newest entries younger than `horizon`, newest first, each as `age * PLACES + place`. */
  #newest({ name, id }: { readonly name: string; readonly id: number }, limit: number, horizon: number): number[] {
    const { ledger } = this.#kernel;
    const keys: number[] = [];
    const consider = (sequence: number, place: number): void => {
      const key = this.#age(sequence) * PLACES + place;
      if (sequence === 0 || key >= horizon * PLACES) return;
      if (keys.length >= limit && key >= keys.at(-1)!) return;
      let at = keys.length;
      while (at > 0 && keys[at - 1]! > key) at--;
      keys.splice(at, 0, key);
      if (keys.length > limit) keys.pop();
    };
    const edges = this.#kernel.edges();
    for (let index = 0; index < edges.length; index++) {
      const edge = edges[index]!;
      if (edge === null || (edge.caller !== name && edge.callee !== name)) continue;
      for (let i = 0, at = ringWord(index); i <= EDGE_RING_MASK; i++) consider(ledger[at + i]!, index);
    }
    for (let i = 0; i <= EVENT_RING_MASK; i++)
      consider(ledger[eventWord(id, i) + (EVENT_SEQUENCE >> 2)]!, MAX_EDGES + i);
    return keys;
  }

  #call(index: number): Entry {
    const edge = this.#kernel.edges()[index]!;
    return { kind: "call", domain: edge.caller, peer: edge.callee, detail: `${edge.interface}.${edge.method}` };
  }

  #event(id: number, n: number, age: number): Entry & { ms: number } {
    const { ledger, interfaces } = this.#kernel;
    const at = eventWord(id, n);
    const kind = EVENT_KINDS[ledger[at + (EVENT_KIND >> 2)]!]!;
    const value = ledger[at + (EVENT_DETAIL >> 2)]!;
    const withPeer = WITH_PEER.includes(kind);
    return {
      kind,
      ms: ledger[at + (EVENT_TIME >> 2)]! >>> 0,
      domain: this.#name(id, age),
      peer: withPeer ? this.#name(value & ((1 << ID_BITS) - 1), age) : null,
      detail: withPeer ? (interfaces[value >>> ID_BITS] ?? "?") : this.#describe(kind, value),
    };
  }

  #describe(kind: EventKind, value: number): string {
    if (kind === "fault") return FAULT_KINDS[value] ?? "?";
    if (kind !== "device") return kind === "refuse" ? "quota of the exchange heap" : `life ${value}`;
    return `${this.#kernel.deviceName(value & ((1 << ID_BITS) - 1))} ${DEVICE_EVENTS[value >>> ID_BITS] ?? "?"}`;
  }

  /** Ids are used again: who came later is not meant. */
  #name(id: number, age: number): string {
    return (this.#total - age > this.#born[id]! ? this.#kernel.nameOf(id) : null) ?? "(gone)";
  }

  /** Time samples, newest first; those of the last seconds, then the ones of the last hour that are older. */
  *#samples(): Iterable<{ age: number; ms: number }> & Iterator<{ age: number; ms: number }> {
    const { ledger } = this.#kernel;
    let [newest, age] = [this.#last, 0];
    let oldest = Infinity;
    for (let level = 0; level < SAMPLE_PERIODS_MS.length; level++) {
      const base = samplesWord(level);
      const count = ledger[base]! >>> 0;
      [newest, age] = [this.#last, 0];
      // The one that is next to be overwritten may be half written.
      for (let n = count; n > 0 && n > count - MAX_SAMPLES + 2; n--) {
        const at = samplePair(base, n);
        const sequence = ledger[at]!;
        // Not a difference to the newest number, because the numbers of an hour wrap many times.
        age += (newest - sequence) >>> 0;
        newest = sequence;
        const ms = ledger[at + 1]! >>> 0;
        if (ms >= oldest) continue;
        oldest = ms;
        yield { age, ms };
      }
    }
  }
}

const ringWord = (edge: number): number => (EDGES + (edge << EDGE_SHIFT) + EDGE_RING) >> 2;
const eventWord = (domain: number, n: number): number =>
  (EVENTS + (domain << EVENTS_SHIFT) + ((n & EVENT_RING_MASK) << EVENT_SHIFT)) >> 2;
/** Word of a ring's number of samples, and of one of its pairs. */
export const samplesWord = (level: number): number => (SAMPLES + level * SAMPLES_BYTES) >> 2;
export const samplePair = (base: number, n: number): number => base + 16 + (n % MAX_SAMPLES) * 2;
