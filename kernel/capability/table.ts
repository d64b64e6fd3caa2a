/**
 * A domain's capabilities: the Wasm table that its lowered calls go through, and what each entry stands for.
 *
 * Invariant: an entry holds a proxy only for an object that the domain was granted or passed; all others are null and
 * trap. The domain cannot write the table: its instructions were validated before the table existed.
 * Capability c of an interface with n methods occupies slots c - FIRST_HANDLE + 1 … + n; slot 0 is the tick.
 */
import { FIRST_HANDLE } from "../../shared-heap/layout.ts";
import { CAP_TABLE_SIZE } from "../wasm/intrinsics.ts";
import { giveUp, isolate, type ROOT } from "./derivation.ts";

/** What a capability names: an object of an interface in a domain. */
export interface Target {
  readonly domain: number;
  /** Of the domain's instance: ids are used again, generations are not. */
  readonly generation: number;
  readonly interface: string;
  readonly self: number;
}

export interface Capability extends Target {
  readonly number: number;
  readonly methods: number;
  /** The proxies themselves, one per method, as the host calls them; others take their place when the callee does. */
  proxies: readonly Function[];
  /** Counter words of its edges, one per method. */
  readonly counters: readonly number[];
  /** How many times it was granted or passed and not dropped. */
  references: number;
  /** See derivation.ts. */
  readonly sources: Set<Capability | typeof ROOT>;
  readonly derived: Set<Capability>;
  /** Calls answer `revoked`, or `dead` when it was severed from a former life of its target. */
  ended: "revoked" | "dead" | null;
}

/** Slots at the table's end that nobody can fill from outside: for what its holder asks for, and mints. */
const OWN_SLOTS = 256;

export class CapabilityTable {
  readonly #table: WebAssembly.Table;
  readonly #byNumber = new Map<number, Capability>();
  readonly #byTarget = new Map<string, Capability>();
  /** Which slots are taken; first fit keeps numbers small and needs no list. */
  readonly #taken = new Uint8Array(CAP_TABLE_SIZE);

  constructor(table: WebAssembly.Table, tick: Function) {
    this.#table = table;
    this.#taken[0] = 1;
    table.set(0, tick);
  }

  /** The capability of this number, or null. */
  get(number: number): Capability | null {
    return this.#byNumber.get(number) ?? null;
  }

  find(target: Target): Capability | null {
    return this.#byTarget.get(key(target)) ?? null;
  }

  all(): Iterable<Capability> {
    return this.#byNumber.values();
  }

  /**
   * Installs the proxies of one object. Null when the table has no room left.
   * @param entries the proxies, wrapped so that the table accepts them
   * @param passed whether another domain passes it: such take no slot that is kept for the holder itself
   */
  add(
    target: Target,
    proxies: readonly Function[],
    entries: readonly Function[],
    counters: readonly number[],
    passed: boolean,
  ): Capability | null {
    const slot = this.#findRoom(proxies.length, passed ? CAP_TABLE_SIZE - OWN_SLOTS : CAP_TABLE_SIZE);
    if (slot < 0) return null;
    const capability: Capability = {
      ...target,
      number: slot - 1 + FIRST_HANDLE,
      methods: proxies.length,
      proxies,
      counters,
      references: 1,
      sources: new Set(),
      derived: new Set(),
      ended: null,
    };
    this.#taken.fill(1, slot, slot + proxies.length);
    entries.forEach((entry, i) => this.#table.set(slot + i, entry));
    this.#byNumber.set(capability.number, capability);
    this.#byTarget.set(key(target), capability);
    return capability;
  }

  /** Takes a capability over from the table of a former instance, under its number. `replace` must follow. */
  adopt(capability: Capability): void {
    const slot = capability.number - FIRST_HANDLE + 1;
    this.#taken.fill(1, slot, slot + capability.methods);
    this.#byNumber.set(capability.number, capability);
    if (capability.ended === null) this.#byTarget.set(key(capability), capability);
  }

  /** Puts other proxies in the place of those that the capability has. */
  replace(capability: Capability, proxies: readonly Function[], entries: readonly Function[]): void {
    capability.proxies = proxies;
    const slot = capability.number - FIRST_HANDLE + 1;
    entries.forEach((entry, i) => this.#table.set(slot + i, entry));
  }

  /** From here on its target is unknown: whoever is passed one like it gets a number of its own. */
  end(capability: Capability, how: "revoked" | "dead"): void {
    capability.ended = how;
    isolate(capability);
    if (this.find(capability) === capability) this.#byTarget.delete(key(capability));
  }

  /** Takes one reference away; with the last one the number becomes invalid. True when it was the last. */
  drop(capability: Capability): boolean {
    capability.references--;
    if (capability.references > 0) return false;
    const slot = capability.number - FIRST_HANDLE + 1;
    for (let i = 0; i < capability.methods; i++) this.#table.set(slot + i, null);
    this.#taken.fill(0, slot, slot + capability.methods);
    giveUp(capability);
    this.#byNumber.delete(capability.number);
    if (this.find(capability) === capability) this.#byTarget.delete(key(capability));
    return true;
  }

  #findRoom(count: number, end: number): number {
    let run = 0;
    for (let slot = 1; slot < end; slot++) {
      run = this.#taken[slot] === 0 ? run + 1 : 0;
      if (run === count) return slot - count + 1;
    }
    return -1;
  }
}

function key(target: Target): string {
  return `${target.generation}\0${target.interface}\0${target.self}`;
}
