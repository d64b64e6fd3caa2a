/**
 * The exchange heap as the kernel uses it: ledger, types, allocator, reclaim and checker over two given memories.
 *
 * Owns nothing of its own; it wires the parts and answers questions about the whole.
 */
import { Allocator, PAGE_BYTES, type Arena, type ArenaStatistics } from "./allocator.ts";
import { checkHeap, type Violation } from "./check.ts";
import {
  DOMAIN_BYTES,
  DOMAIN_BYTES_LIMIT,
  DOMAIN_OBJECTS,
  DOMAIN_OBJECTS_LIMIT,
  DOMAIN_SHIFT,
  DOMAINS,
  LENT,
  OWNER_HOST,
} from "./layout.ts";
import { Ledger } from "./ledger.ts";
import { BLOCK, TYPE } from "./records.ts";
import { HolderMemo, Reclaim } from "./reclaim.ts";
import { TypeTable } from "./types.ts";

export { HeapError, type HeapErrorCode } from "./errors.ts";
export type { Arena, ArenaStatistics } from "./allocator.ts";
export type { Violation } from "./check.ts";
export type { Reclaim } from "./reclaim.ts";
export type { TypeDefinition } from "./types.ts";

export interface HeapConfig {
  /** Memory 1 and memory 2, zeroed, at their final size. */
  readonly heap: ArrayBufferLike;
  readonly ledger: ArrayBufferLike;
  /** Ledger records; `ledger` has at least `ledgerBytes(objects)`. */
  readonly objects: number;
  /** Default: one arena, all of the heap but its first page. */
  readonly arenas?: readonly Arena[];
}

/** Objects and bytes (of blocks). */
export interface Usage {
  readonly objects: number;
  readonly bytes: number;
}

export interface HeapStatistics extends Usage {
  readonly arenas: readonly ArenaStatistics[];
  /** By type key. */
  readonly types: ReadonlyMap<string, Usage>;
}

export class ExchangeHeap extends Ledger {
  readonly types: TypeTable;
  readonly #holders: HolderMemo;

  /** @throws HeapError "config" */
  constructor(config: HeapConfig) {
    const words = new Int32Array(config.ledger);
    const bytes = new Uint8Array(config.heap);
    const whole = { name: "main", base: PAGE_BYTES, bytes: bytes.length - PAGE_BYTES };
    super(words, bytes, new Allocator(config.arenas ?? [whole]), config.objects);
    this.types = new TypeTable(words);
    this.#holders = new HolderMemo(this);
    this.setLimits(OWNER_HOST, 0xffffffff, 0xffffffff);
  }

  /** Index of the arena of this name, or -1. */
  arena(name: string): number {
    return this.allocator.arenas.findIndex((a) => a.name === name);
  }

  /** What `owner` may have charged at most. A domain begins with nothing. */
  setLimits(owner: number, bytes: number, objects: number): void {
    const word = (DOMAINS + (owner << DOMAIN_SHIFT)) >> 2;
    this.words[word + (DOMAIN_BYTES_LIMIT >> 2)] = Math.min(bytes, 0xffffffff);
    this.words[word + (DOMAIN_OBJECTS_LIMIT >> 2)] = Math.min(objects, 0xffffffff);
  }

  /** What is charged to `owner`. */
  charged(owner: number): Usage {
    const word = (DOMAINS + (owner << DOMAIN_SHIFT)) >> 2;
    return {
      objects: this.words[word + (DOMAIN_OBJECTS >> 2)]! >>> 0,
      bytes: this.words[word + (DOMAIN_BYTES >> 2)]! >>> 0,
    };
  }

  /** Starts to free all that a dead domain owns; see `Reclaim.step`. @throws HeapError "bad-owner" */
  beginReclaim(owner: number): Reclaim {
    return new Reclaim(this, this.#holders, owner, this.types.count);
  }

  /** Frees all that a dead domain owns, at once. @returns what was freed */
  reclaim(owner: number): Usage {
    const reclaim = this.beginReclaim(owner);
    reclaim.step(Infinity);
    return { objects: reclaim.objects, bytes: reclaim.bytes };
  }

  /** How many objects of each type a dead domain owned itself, without those inside its containers. */
  leftBy({ roots }: Reclaim): Record<string, number> {
    const owned: Record<string, number> = {};
    roots.forEach((count, type) => count > 0 && (owned[this.types.key(type)] = count));
    return owned;
  }

  /** Violations of the heap's invariants; empty when all is well. */
  check(): Violation[] {
    return checkHeap(this);
  }

  /** Scans all records that were ever used. */
  statistics(): HeapStatistics {
    const types = new Map<string, { objects: number; bytes: number }>();
    let bytes = 0;
    for (let index = 1; index < this.highWater; index++) {
      const type = this.at(TYPE, index) & ~LENT;
      if (type === 0) continue;
      const block = this.at(BLOCK, index);
      const key = this.types.key(type);
      const usage = types.get(key);
      if (usage === undefined) types.set(key, { objects: 1, bytes: block });
      else {
        usage.objects++;
        usage.bytes += block;
      }
      bytes += block;
    }
    return { objects: this.live, bytes, arenas: this.allocator.statistics(), types };
  }
}
