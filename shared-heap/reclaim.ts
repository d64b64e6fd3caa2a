/**
 * Reclaim: what a dead domain leaves behind is freed, and nobody keeps being charged to it.
 *
 * Works in steps of bounded length, so that a death never stops the others. Precondition: the domain runs nowhere and
 * receives nothing any more (its last frame has left every stack). Guarantee when done: it owns nothing and nothing is
 * charged to it, so its id may be used again; objects that others hold are untouched, also those inside their
 * containers. What it had allocated and others hold is charged to the holder from now on, above the limit if need be.
 *
 * An object that is lent while it is reclaimed would mean that a frame is left: it is kept and counted in `lent`.
 */
import { HeapError } from "./errors.ts";
import { FIRST_DOMAIN, MAX_DOMAINS, OWNER_CONTAINED } from "./layout.ts";
import type { Ledger } from "./ledger.ts";
import { CHARGED, LINK, TYPE } from "./records.ts";

const HOLDER_BITS = 12;
const HOLDER_MASK = MAX_DOMAINS - 1;
const MAX_STEPS = 2 ** (32 - HOLDER_BITS);

export class Reclaim {
  readonly owner: number;
  /** Objects that the domain owned (contents included) and their bytes; charges passed on; lent objects kept. */
  objects = 0;
  bytes = 0;
  recharged = 0;
  lent = 0;
  /** Next record to look at, and where the scan ends. */
  scanned = 1;
  readonly total: number;
  /** Number of objects that the domain owned itself, by type id; contents of its containers are not counted. */
  readonly roots: Uint32Array;
  readonly #ledger: Ledger;
  readonly #holders: HolderMemo;

  /** @throws HeapError "bad-owner" for an owner that is no domain */
  constructor(ledger: Ledger, holders: HolderMemo, owner: number, types: number) {
    if (!(owner >= FIRST_DOMAIN && owner < MAX_DOMAINS)) throw new HeapError("bad-owner", "reclaim", `owner ${owner}`);
    this.owner = owner;
    this.total = ledger.highWater;
    this.#ledger = ledger;
    this.#holders = holders;
    this.roots = new Uint32Array(types);
  }

  /** Whether everything is done, the condemned given back included. */
  get done(): boolean {
    return this.scanned >= this.total && this.#ledger.dyingHead === 0;
  }

  /**
   * @param budget records and slots to visit, about; a record costs some nanoseconds, a freed object some tens
   * @returns `done`
   */
  step(budget: number): boolean {
    const ledger = this.#ledger;
    this.#holders.begin();
    const live = ledger.live;
    const bytes = ledger.condemnedBytes;
    let left = budget - ledger.sweep(budget);
    while (left > 0 && this.scanned < this.total) {
      const end = Math.min(this.total, this.scanned + left);
      const index = ledger.nextOf(this.owner, this.scanned, end);
      left -= index - this.scanned + 1;
      this.scanned = Math.min(end, index + 1);
      if (index < end) this.#visit(index);
      if (ledger.dyingHead !== 0) left -= ledger.sweep(left);
    }
    this.objects += live - ledger.live;
    this.bytes += ledger.condemnedBytes - bytes;
    return this.done;
  }

  /** One record, while the list of the condemned is empty: free records are charged to nobody. */
  #visit(index: number): void {
    const ledger = this.#ledger;
    const owner = ledger.ownerAt(index);
    if (owner === this.owner) {
      const type = ledger.at(TYPE, index);
      if (type < 0) this.lent++;
      else {
        this.roots[type]!++;
        ledger.condemnAt(index);
      }
      return;
    }
    if (ledger.at(CHARGED, index) !== this.owner) return;
    const holder = this.#holders.of(index);
    // Held by the domain itself: it will be freed with its container. (By nobody it cannot be: nothing is dying now.)
    if (holder === this.owner) return;
    ledger.rechargeAt(index, holder);
    this.recharged++;
  }
}

/**
 * Who owns the root of the tree that an object lies in. Remembers the answer for the whole path until the next `begin`,
 * so that a list, however deep, is walked once a step and not once an object. Valid while nothing moves: for one step.
 */
export class HolderMemo {
  readonly #ledger: Ledger;
  /** By record: `step << HOLDER_BITS | holder`. */
  #memo = new Uint32Array(0);
  #step = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  begin(): void {
    if (this.#memo.length === 0) this.#memo = new Uint32Array(this.#ledger.capacity);
    if (++this.#step < MAX_STEPS) return;
    this.#memo.fill(0);
    this.#step = 1;
  }

  of(index: number): number {
    const ledger = this.#ledger;
    let root = index;
    while (ledger.ownerAt(root) === OWNER_CONTAINED && this.#memo[root]! >>> HOLDER_BITS !== this.#step)
      root = ledger.at(LINK, root);
    const owner = ledger.ownerAt(root);
    const holder = owner === OWNER_CONTAINED ? this.#memo[root]! & HOLDER_MASK : owner;
    for (let i = index; i !== root; i = ledger.at(LINK, i)) this.#memo[i] = (this.#step << HOLDER_BITS) | holder;
    return holder;
  }
}
