/**
 * The layout of memory 2, the ledger: every word that kernel, proxies and lowered domain code agree on.
 *
 * Owns all offsets and bit positions; nobody repeats one of these numbers. The memory is allocated once at its final
 * size, so an `Int32Array` over it never goes stale. Offsets are bytes unless the name ends in `_WORD(S)`.
 *
 *     0x0000  core block   what the running core is doing (epoch, depth, scratch)
 *     0x1000  frame stack  one word per crossing that has not returned
 *     0x11000 domains      MAX_DOMAINS records of 128 bytes
 *     ...     types        MAX_TYPES records of 16 bytes, then the pool of slot types
 *     ...     edges        records of 64 bytes per edge (method × caller × callee): counter and last calls
 *     ...     trace        a ring of kernel events for each domain; rings of time samples
 *     ...     objects      capacity records of 32 bytes; index 0 is never an object
 */

// ── handles ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** A handle is `index << 10 | generation`: 22 bits of ledger index, 10 bits of generation. */
export const GENERATION_BITS = 10;
export const GENERATION_MASK = (1 << GENERATION_BITS) - 1;
export const INDEX_BITS = 22;
export const MAX_OBJECTS = 1 << INDEX_BITS;
/** Values below this (index 0) are never handles: results use them as status codes, 0 is the null handle. */
export const FIRST_HANDLE = 1 << GENERATION_BITS;

// ── owners ─────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Owner ids are domain ids. The first few are not domains. */
export const OWNER_NONE = 0;
/** The kernel and the host program that embeds it. */
export const OWNER_HOST = 1;
/** The object lies in a slot of the object that its LINK word names. */
export const OWNER_CONTAINED = 2;
/** The object is a device's, which reads or writes it, until the device has completed the command or was reset. */
export const OWNER_DEVICE = 3;
export const FIRST_DOMAIN = 4;
export const MAX_DOMAINS = 4096;

// ── core block ─────────────────────────────────────────────────────────────────────────────────────────────────────
/**
 * Non-zero asks the running domain to call `tick` at its next loop head or function entry. The watchdog writes for
 * how many milliseconds it has been asking, and the stack's depth when it did so last.
 */
export const CORE_EPOCH = 0x00;
export const EPOCH_AGE_SHIFT = 15;
export const EPOCH_DEPTH_MASK = (1 << EPOCH_AGE_SHIFT) - 1;
/** Number of crossings on the stack; `FRAMES[DEPTH - 1]` holds the current domain. */
export const CORE_DEPTH = 0x04;
/** Non-zero when dead domains wait to be reclaimed from a shallow stack. */
export const CORE_PENDING = 0x08;
/** Numbers all calls and kernel events in their order; the newest number. Wraps: see `TRACE_HORIZON`. */
export const CORE_SEQUENCE = 0x0c;

export const FRAMES = 0x1000;
export const MAX_FRAMES = 0x4000;
/** A frame word is `own time in units of FRAME_TIME_UNIT_US << 12 | domain id`; pushing a frame is one store. */
export const FRAME_DOMAIN_MASK = 0xfff;
export const FRAME_TIME_SHIFT = 12;
export const FRAME_TIME_UNIT_US = 100;

// ── domain records ─────────────────────────────────────────────────────────────────────────────────────────────────
export const DOMAINS = 0x11000;
export const DOMAIN_SHIFT = 7;
/** Generation of the running instance, or 0 when calls must answer "dead" (dying, dead, free). Never 0 while alive. */
export const DOMAIN_ALIVE = 0x00;
/** Number of events in the domain's ring of the trace, in all. */
export const DOMAIN_EVENTS = 0x04;
/** Exchange-heap bytes (of blocks, not of visible sizes) and objects charged to the domain, and their limits. */
export const DOMAIN_BYTES = 0x08;
export const DOMAIN_OBJECTS = 0x0c;
export const DOMAIN_BYTES_LIMIT = 0x10;
export const DOMAIN_OBJECTS_LIMIT = 0x14;
export const DOMAIN_FAULTS = 0x18;
/** CPU time that ticks found the domain running, in units of FRAME_TIME_UNIT_US; wraps after five days of it. */
export const DOMAIN_CPU = 0x1c;
/** Eight result words of the last call that the domain made (as caller) or is about to return (as callee). */
export const DOMAIN_RETURN = 0x20;
export const RETURN_WORDS = 8;

// ── types ──────────────────────────────────────────────────────────────────────────────────────────────────────────
export const TYPES = DOMAINS + (MAX_DOMAINS << DOMAIN_SHIFT);
export const MAX_TYPES = 4096;
export const TYPE_SHIFT = 4;
/** What kind of object: see `TypeKind`. Type 0 is no type. */
export const TYPE_KIND = 0x0;
/** Number of slots that hold objects. */
export const TYPE_SLOTS = 0x4;
/** Record: byte offset (in the ledger) of one type id per slot. Array and deque: the element's type id. */
export const TYPE_ELEMENT = 0x8;
/** Visible size of a new object, bytes. */
export const TYPE_SIZE = 0xc;
export const TypeKind = { none: 0, record: 1, array: 2, deque: 3 } as const;
export const SLOT_TYPES = TYPES + (MAX_TYPES << TYPE_SHIFT);
export const MAX_SLOT_TYPES = 16384;

// ── edges ──────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Aligned, so that a call writes to one cache line: number of calls, then the sequence numbers of the last ones. */
export const EDGES = (SLOT_TYPES + MAX_SLOT_TYPES * 4 + 63) & ~63;
export const EDGE_SHIFT = 6;
export const MAX_EDGES = 65536;
export const EDGE_CALLS = 0x00;
/** Call number n of the edge has its sequence number in word `n & EDGE_RING_MASK`. 0: none yet. */
export const EDGE_RING = 0x20;
export const EDGE_RING_MASK = 7;

// ── trace ──────────────────────────────────────────────────────────────────────────────────────────────────────────
/** A sequence number further back than this is erased, long before the count has come around and would make it new. */
export const TRACE_HORIZON = 1 << 30;
/**
 * Kernel events: for each domain a ring of its last ones, so that a noisy domain pushes out none but its own. Event n
 * of the domain (DOMAIN_EVENTS counts them) is in record `n & EVENT_RING_MASK`.
 */
export const EVENTS = EDGES + (MAX_EDGES << EDGE_SHIFT);
export const EVENTS_SHIFT = 8;
export const EVENT_SHIFT = 4;
export const EVENT_RING_MASK = (1 << (EVENTS_SHIFT - EVENT_SHIFT)) - 1;
/** Sequence number; kind (`EventKind` of kernel/trace); a detail of that kind; milliseconds since boot. */
export const EVENT_SEQUENCE = 0x0;
export const EVENT_KIND = 0x4;
export const EVENT_DETAIL = 0x8;
export const EVENT_TIME = 0xc;
/**
 * Time samples, written by the watchdog alone: pairs of sequence number and milliseconds since boot, in two rings, of
 * the last seconds and of the last hour. Each ring: number of samples, then the pairs.
 */
export const SAMPLES = EVENTS + (MAX_DOMAINS << EVENTS_SHIFT);
export const MAX_SAMPLES = 4096;
export const SAMPLES_BYTES = 64 + MAX_SAMPLES * 8;
export const SAMPLE_PERIODS_MS = [1, 1000] as const;

// ── objects ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Aligned so that a record of 32 bytes never straddles a cache line. */
export const OBJECTS = SAMPLES + SAMPLE_PERIODS_MS.length * SAMPLES_BYTES;
export const OBJECT_SHIFT = 5;
export const OBJECT_BYTES = 1 << OBJECT_SHIFT;
/** `handle ^ owner << 10`: one compare proves owner and generation (`tag ^ handle === owner << 10`). */
export const OBJECT_TAG = 0x00;
/** Address in the exchange heap of the first visible byte. Slots (and a deque's head and length) lie below it. */
export const OBJECT_ADDRESS = 0x04;
/** Visible size in bytes; offsets are checked against it, unsigned. */
export const OBJECT_SIZE = 0x08;
/** Type id, with `LENT` set while the object is borrowed: every compare for an exclusive right then fails. */
export const OBJECT_TYPE = 0x0c;
/** Size of the block in the exchange heap, bytes, slots included. */
export const OBJECT_BLOCK = 0x10;
/** Domain id that the block is charged to. */
export const OBJECT_CHARGED = 0x14;
/** Contained: index of the container. A device's: number of the device. Free: index of the next free record. */
export const OBJECT_LINK = 0x18;
/** Contained: the slot. A device's: `queue << 16 | command identifier`. */
export const OBJECT_SLOT = 0x1c;
export const LENT = 1 << 31;
export const TYPE_MASK = 0xffff;

/**
 * Slots lie below OBJECT_ADDRESS, where no offset reaches: slot i at `address - 4 * (i + 1)`, the whole (current)
 * handle of the contained object or 0. A deque has two more words below its slots: head index and length.
 */
export const SLOT_BYTES = 4;

/** Bytes below the visible payload that an object of this kind and slot count needs, rounded to keep alignment. */
export function headerBytes(kind: number, slots: number): number {
  const words = kind === TypeKind.deque ? slots + 2 : slots;
  return (words * SLOT_BYTES + 63) & ~63;
}

/** Bytes of ledger memory for `objects` records, a multiple of the Wasm page. */
export function ledgerBytes(objects: number): number {
  return Math.ceil((OBJECTS + objects * OBJECT_BYTES) / 65536) * 65536;
}
