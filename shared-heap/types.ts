/**
 * The type table: what the ledger knows about each exchangeable type.
 *
 * Owns TYPES and SLOT_TYPES of the ledger. A type is known by its key (name and fingerprint); its id is stable while
 * the heap lives and its definition never changes, so lowered code and proxies may carry both as constants. Types may
 * refer to each other in circles: a key that is only referred to has an id but no kind, and no objects.
 */
import { HeapError } from "./errors.ts";
import {
  MAX_SLOT_TYPES,
  MAX_TYPES,
  SLOT_TYPES,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_SHIFT,
  TYPE_SIZE,
  TYPE_SLOTS,
  TYPES,
  TypeKind,
} from "./layout.ts";

/** Slots of one object: bounds the time that freeing one object can take. */
export const MAX_SLOTS = 1 << 20;
/** Visible bytes of a new object. */
export const MAX_OBJECT_SIZE = 1 << 30;

/** `slots` and `element` are keys of other types (or the same). */
export type TypeDefinition =
  | { readonly kind: "record"; readonly slots: readonly string[]; readonly size: number }
  | { readonly kind: "array" | "deque"; readonly element: string; readonly length: number };

export class TypeTable {
  readonly #ledger: Int32Array;
  readonly #ids = new Map<string, number>();
  readonly #keys: string[] = [""];
  /** Canonical text of each definition, by id. */
  readonly #definitions: string[] = [];
  #slotTypes = 0;

  /** @param ledger all of memory 2 */
  constructor(ledger: Int32Array) {
    this.#ledger = ledger;
  }

  /**
   * Defines a type; again with the same definition is fine.
   * @returns its id
   * @throws HeapError "conflict" for a second definition, "exhausted" when the table is full, "config" for bad sizes
   */
  define(key: string, definition: TypeDefinition): number {
    const refuse = (code: "config" | "conflict" | "exhausted", why: string): HeapError =>
      new HeapError(code, "define", `type ${key}: ${why}`);
    const record = definition.kind === "record";
    const slots = record ? definition.slots.length : definition.length;
    const size = record ? definition.size : 0;
    if (!Number.isInteger(slots) || slots < (record ? 0 : 1) || slots > MAX_SLOTS)
      throw refuse("config", `${slots} slots`);
    if (!Number.isInteger(size) || size < 0 || size > MAX_OBJECT_SIZE) throw refuse("config", `${size} bytes`);
    const references = record ? definition.slots : [definition.element];
    const text = JSON.stringify([definition.kind, slots, size, references]);
    const known = this.#definitions[this.#ids.get(key) ?? 0];
    if (known === text) return this.#ids.get(key)!;
    if (known !== undefined) throw refuse("conflict", `is ${known}, and now ${text}`);
    const unknown = new Set([key, ...references].filter((k) => !this.#ids.has(k)));
    if (this.#keys.length + unknown.size > MAX_TYPES) throw refuse("exhausted", `more than ${MAX_TYPES - 1} types`);
    if (record && this.#slotTypes + slots > MAX_SLOT_TYPES)
      throw refuse("exhausted", `more than ${MAX_SLOT_TYPES} slots`);

    for (const k of unknown) this.#ids.set(k, this.#keys.push(k) - 1);
    const id = this.#ids.get(key)!;
    const word = typeWord(id);
    const pool = SLOT_TYPES + this.#slotTypes * 4;
    if (record) {
      references.forEach((k, i) => (this.#ledger[(pool >> 2) + i] = this.#ids.get(k)!));
      this.#slotTypes += slots;
    }
    this.#ledger[word + (TYPE_SLOTS >> 2)] = slots;
    this.#ledger[word + (TYPE_ELEMENT >> 2)] = record ? pool : this.#ids.get(references[0]!)!;
    this.#ledger[word + (TYPE_SIZE >> 2)] = size;
    this.#ledger[word + (TYPE_KIND >> 2)] = TypeKind[definition.kind];
    this.#definitions[id] = text;
    return id;
  }

  /** Number of ids in use, that of no type included. */
  get count(): number {
    return this.#keys.length;
  }

  /** Id of a key, 0 when neither defined nor referred to. */
  id(key: string): number {
    return this.#ids.get(key) ?? 0;
  }

  /** Key of an id, "" when there is none. */
  key(id: number): string {
    return this.#keys[id] ?? "";
  }
}

/** Word index in the ledger of a type's record. */
export function typeWord(id: number): number {
  return (TYPES + (id << TYPE_SHIFT)) >> 2;
}
