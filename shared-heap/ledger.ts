/**
 * Objects of the exchange heap: who owns what, and every way in which that changes.
 *
 * Owns the object records of the ledger (memory 2) and the domains' charges. Lowered domain code and proxies do the
 * hot operations inline; what stands here and in containers.ts is the reference, used for the host program's own
 * objects and for all that is never inlined: create, free, resize, reclaim.
 *
 * Invariants (checked by check.ts): a record is free, dying or live; a live object has exactly one owner or lies in
 * exactly one slot; a block belongs to one object or is reserved; every check comes before the first store, so that an
 * operation which throws or returns 0 or false has changed nothing.
 *
 * A generation wraps after 1,024 moves, takes and frees. That can only revive a handle to something that the same
 * domain owns now, because the owner is part of the compare.
 */
import { Containers } from "./containers.ts";
import { HeapError } from "./errors.ts";
import {
  DOMAIN_BYTES,
  DOMAIN_BYTES_LIMIT,
  DOMAIN_OBJECTS,
  DOMAIN_OBJECTS_LIMIT,
  DOMAIN_SHIFT,
  DOMAINS,
  GENERATION_BITS,
  GENERATION_MASK,
  headerBytes,
  LENT,
  MAX_TYPES,
  OWNER_DEVICE,
  TYPE_KIND,
  TYPE_MASK,
  TYPE_SIZE,
  TYPE_SLOTS,
  TypeKind,
} from "./layout.ts";
import { ADDRESS, BLOCK, bump, CHARGED, LINK, RECORD_SHIFT, SIZE, SLOT, TAG, TYPE } from "./records.ts";
import { typeWord } from "./types.ts";

const KIND = TYPE_KIND >> 2;
const SLOTS = TYPE_SLOTS >> 2;
/** Up to this many bytes are zeroed by stores: cheaper than a call of fill. */
const MAX_ZEROED_BY_STORES = 2048;

/** A block without a handle: its size, and who is charged for it. */
export interface Reserved {
  readonly bytes: number;
  readonly owner: number;
}

export class Ledger extends Containers {
  /** First free record, first record that was never used, first record of those that wait for `sweep`. */
  #free = 0;
  #fresh = 1;
  #dying = 0;
  #live = 0;
  #condemnedBytes = 0;
  /** Blocks that are no object's, by address: see `reserve`. */
  readonly #reserved = new Map<number, Reserved>();

  /** Live objects, and the index below which all records that were ever used lie. */
  get live(): number {
    return this.#live;
  }
  get highWater(): number {
    return this.#fresh;
  }
  /** Heads of the lists that LINK words make: free records, and records that wait for `sweep`. */
  get freeHead(): number {
    return this.#free;
  }
  get dyingHead(): number {
    return this.#dying;
  }

  /** Bytes of all blocks that were ever condemned: differences tell what an operation freed. */
  get condemnedBytes(): number {
    return this.#condemnedBytes;
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A new object, its visible bytes and slots zero.
   * @param owner who owns it and is charged for it
   * @param arena index of the allocator's arena; what has slots lies in the first one, where no device writes
   * @returns its handle, or 0 when a quota, the ledger or the arena is exhausted
   * @throws HeapError "wrong-type" for a type that is not defined, "bad-owner"
   */
  create(type: number, owner: number, arena = 0): number {
    const { words } = this;
    const t = typeWord(type);
    this.holder("create", owner);
    if (type >>> 0 >= MAX_TYPES || !(words[t + KIND]! > TypeKind.none))
      throw new HeapError("wrong-type", "create", `type ${type} is not defined`);
    const size = words[t + (TYPE_SIZE >> 2)]!;
    const header = headerBytes(words[t + KIND]!, words[t + SLOTS]!);
    const block = this.allocator.roundUp(header + size);
    const domain = (DOMAINS + (owner << DOMAIN_SHIFT)) >> 2;
    const bytes = (words[domain + (DOMAIN_BYTES >> 2)]! >>> 0) + block;
    const objects = (words[domain + (DOMAIN_OBJECTS >> 2)]! >>> 0) + 1;
    if (bytes > words[domain + (DOMAIN_BYTES_LIMIT >> 2)]! >>> 0) return 0;
    if (objects > words[domain + (DOMAIN_OBJECTS_LIMIT >> 2)]! >>> 0) return 0;
    if (this.#free === 0 && this.#fresh >= this.capacity) return 0;
    // Slots are trusted, and devices write to the other arenas.
    const base = this.allocator.alloc(header + size, header === 0 ? arena : 0);
    if (base === 0) return 0;

    this.#zero(base, base + header + size);
    const index = this.#free !== 0 ? this.#free : this.#fresh++;
    const record = index << RECORD_SHIFT;
    const handle = (index << GENERATION_BITS) | (words[TAG + record]! & GENERATION_MASK);
    this.#free = words[LINK + record]!;
    words[TAG + record] = handle ^ (owner << GENERATION_BITS);
    words[ADDRESS + record] = base + header;
    words[SIZE + record] = size;
    words[TYPE + record] = type;
    words[BLOCK + record] = block;
    words[CHARGED + record] = owner;
    words[LINK + record] = 0;
    words[domain + (DOMAIN_BYTES >> 2)] = bytes;
    words[domain + (DOMAIN_OBJECTS >> 2)] = objects;
    this.#live++;
    return handle;
  }

  /** Zeroes [from, to) of one block, and perhaps up to seven bytes behind, which are the block's too. */
  #zero(from: number, to: number): void {
    let at = from;
    for (; (at & 7) !== 0 && at < to; at++) this.bytes[at] = 0;
    const end = Math.ceil(to / 8);
    if (to - at > MAX_ZEROED_BY_STORES) this.doubles.fill(0, Math.ceil(at / 8), end);
    else for (let i = Math.ceil(at / 8); i < end; i++) this.doubles[i] = 0;
  }

  /** Frees an object with all that it contains. @throws HeapError range, stale, not-owner, lent */
  free(handle: number, owner: number): void {
    this.freeAt(this.exclusive("free", handle, owner) >> RECORD_SHIFT);
  }

  /** Frees the live object `index`, whoever owns it, with all that it contains. */
  freeAt(index: number): void {
    const others = this.#dying;
    this.#dying = 0;
    this.#condemn(index << RECORD_SHIFT);
    this.sweep(Infinity);
    this.#dying = others;
  }

  /** From now on nobody's and without a valid handle; the block is given back by `sweep`. */
  #condemn(record: number): void {
    const { words } = this;
    const generation = (words[TAG + record]! + 1) & GENERATION_MASK;
    words[TAG + record] = (record << (GENERATION_BITS - RECORD_SHIFT)) | generation;
    words[LINK + record] = this.#dying;
    words[SLOT + record] = 0;
    this.#dying = record >> RECORD_SHIFT;
    this.#live--;
    this.#condemnedBytes += words[BLOCK + record]!;
  }

  /**
   * Gives back condemned objects, and condemns what lies in them: a tree is freed without recursion, its depth costs
   * no stack, and the list of what is left to do is made of LINK words, which the condemned no longer need.
   * @param budget stop when this many records and slots were visited
   * @returns how many were visited; fewer than the budget when nothing is left
   */
  sweep(budget: number): number {
    let visited = 0;
    while (this.#dying !== 0 && visited < budget) {
      const record = this.#dying << RECORD_SHIFT;
      this.#dying = this.words[LINK + record]!;
      const slots = this.words[this.typeOf(record) + SLOTS]!;
      const base = this.slotBase(record);
      for (let slot = 0; slot < slots; slot++) {
        const handle = this.slots[base - slot]!;
        const inner = handle === 0 ? -1 : this.contained(handle, record, slot);
        if (inner >= 0) this.#condemn(inner);
      }
      this.#release(record);
      visited += 1 + slots;
    }
    return visited;
  }

  /** Block and charge go back, the record joins the free list. */
  #release(record: number): void {
    const { words } = this;
    const type = this.typeOf(record);
    this.allocator.free((words[ADDRESS + record]! >>> 0) - headerBytes(words[type + KIND]!, words[type + SLOTS]!));
    this.#charge(words[CHARGED + record]!, -words[BLOCK + record]!, -1);
    words[ADDRESS + record] = words[SIZE + record] = words[TYPE + record] = 0;
    words[BLOCK + record] = words[CHARGED + record] = 0;
    words[LINK + record] = this.#free;
    this.#free = record >> RECORD_SHIFT;
  }

  #charge(domain: number, bytes: number, objects: number): void {
    const word = (DOMAINS + (domain << DOMAIN_SHIFT)) >> 2;
    this.words[word + (DOMAIN_BYTES >> 2)]! += bytes;
    this.words[word + (DOMAIN_OBJECTS >> 2)]! += objects;
  }

  /**
   * Changes the visible size; growth is zero. An object is never smaller than its type says: who gets one can use all
   * fields.
   * @param size bytes, unsigned
   * @returns false when the block has no room for that, or the type has more
   * @throws HeapError range, stale, not-owner, lent
   */
  resize(handle: number, owner: number, size: number): boolean {
    const { words } = this;
    const record = this.exclusive("resize", handle, owner);
    const type = this.typeOf(record);
    const capacity = words[BLOCK + record]! - headerBytes(words[type + KIND]!, words[type + SLOTS]!);
    const next = size >>> 0;
    if (next > capacity || next < words[type + (TYPE_SIZE >> 2)]!) return false;
    const address = words[ADDRESS + record]! >>> 0;
    const old = words[SIZE + record]!;
    if (next > old) this.#zero(address + old, address + next);
    words[SIZE + record] = next;
    return true;
  }

  // ── ownership ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Moves an object.
   * @param type the type that it must have, 0 for any
   * @returns the new owner's handle; the old one is stale
   * @throws HeapError range, stale, not-owner, lent, wrong-type, bad-owner
   */
  move(handle: number, from: number, to: number, type = 0): number {
    const record = this.exclusive("move", handle, from);
    this.#expect("move", handle, record, type);
    this.holder("move", to);
    const next = bump(handle);
    this.words[TAG + record] = next ^ (to << GENERATION_BITS);
    return next;
  }

  /**
   * Lends an object, owned or borrowed; nobody but the borrower reaches it until `giveBack`.
   * @param type the type that it must have, 0 for any
   * @returns the borrower's handle
   * @throws HeapError range, stale, not-owner, wrong-type, bad-owner
   */
  lend(handle: number, from: number, to: number, type = 0): number {
    const record = this.owned("lend", handle, from);
    this.#expect("lend", handle, record, type);
    this.holder("lend", to);
    const next = bump(handle);
    this.words[TAG + record] = next ^ (to << GENERATION_BITS);
    this.words[TYPE + record]! |= LENT;
    return next;
  }

  /**
   * Undoes `lend`: the lender's handle is valid again, the borrower's no longer.
   * @param handle the lender's
   * @param lentBefore what `isLent(handle)` was before the loan: whether the lender had only borrowed it
   * @throws HeapError range, not-lent, and stale or not-owner when the borrower does not have it
   */
  giveBack(handle: number, lender: number, borrower: number, lentBefore = false): void {
    const record = this.owned("giveBack", bump(handle), borrower);
    if ((this.words[TYPE + record]! & LENT) === 0) throw this.refuse("not-lent", "giveBack", handle, "is not borrowed");
    this.holder("giveBack", lender);
    this.words[TAG + record] = handle ^ (lender << GENERATION_BITS);
    if (!lentBefore) this.words[TYPE + record]! &= ~LENT;
  }

  #expect(operation: string, handle: number, record: number, type: number): void {
    const has = this.words[TYPE + record]! & TYPE_MASK;
    if (type !== 0 && has !== type) throw this.refuse("wrong-type", operation, handle, `has type ${has}, not ${type}`);
  }

  // ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes an object a device's; it has no valid handle until `fromDevice`. The caller has checked that whoever gives it
   * owns it alone. Plain stores: on the path of every command.
   * @param device number of the device
   * @param command which of its commands: `queue << 16 | command identifier`
   */
  toDevice(record: number, handle: number, device: number, command: number): void {
    const { words } = this;
    words[TAG + record] = bump(handle) ^ (OWNER_DEVICE << GENERATION_BITS);
    words[LINK + record] = device;
    words[SLOT + record] = command;
  }

  /**
   * Gives a device's object to `owner`, who is charged for it if nobody else is any more.
   * @returns its new handle
   */
  fromDevice(record: number, owner: number): number {
    const { words } = this;
    const handle = bump(words[TAG + record]! ^ (OWNER_DEVICE << GENERATION_BITS));
    words[TAG + record] = handle ^ (owner << GENERATION_BITS);
    words[LINK + record] = words[SLOT + record] = 0;
    if (words[CHARGED + record] === OWNER_DEVICE) this.rechargeAt(record >> RECORD_SHIFT, owner);
    return handle;
  }

  /** Whether the object `index` is this device's, for this command. */
  isDevices(index: number, device: number, command: number): boolean {
    return this.ownerAt(index) === OWNER_DEVICE && this.at(LINK, index) === device && this.at(SLOT, index) === command;
  }

  /**
   * A zeroed block without a handle, which no domain can name: for rings that the kernel writes and a device reads.
   * @param owner who is charged for it
   * @returns its address, or 0 when the owner's quota or the arena is exhausted
   */
  reserve(bytes: number, owner: number, arena: number): number {
    const size = this.allocator.roundUp(bytes);
    const domain = (DOMAINS + (owner << DOMAIN_SHIFT)) >> 2;
    const charged = (this.words[domain + (DOMAIN_BYTES >> 2)]! >>> 0) + size;
    if (charged > this.words[domain + (DOMAIN_BYTES_LIMIT >> 2)]! >>> 0) return 0;
    const address = this.allocator.alloc(bytes, arena);
    if (address === 0) return 0;
    this.#zero(address, address + bytes);
    this.#charge(owner, size, 0);
    this.#reserved.set(address, { bytes: size, owner });
    return address;
  }

  /** Passes the charge for a reserved block on, above a limit if need be. */
  rechargeReserved(address: number, owner: number): void {
    const { bytes, owner: former } = this.#reserved.get(address)!;
    this.#charge(former, -bytes, 0);
    this.#charge(owner, bytes, 0);
    this.#reserved.set(address, { bytes, owner });
  }

  /** Gives a reserved block back. */
  unreserve(address: number): void {
    const { bytes, owner } = this.#reserved.get(address)!;
    this.#charge(owner, -bytes, 0);
    this.#reserved.delete(address);
    this.allocator.free(address);
  }

  /** Reserved blocks, by address. */
  get reserved(): ReadonlyMap<number, Reserved> {
    return this.#reserved;
  }

  // ── for reclaim ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Condemns the live object `index`, whoever owns it; `sweep` does the rest. */
  condemnAt(index: number): void {
    this.#condemn(index << RECORD_SHIFT);
  }

  /** Passes the charge for a live object to another domain, above its limit if need be. */
  rechargeAt(index: number, domain: number): void {
    const record = index << RECORD_SHIFT;
    const block = this.words[BLOCK + record]!;
    this.#charge(this.words[CHARGED + record]!, -block, -1);
    this.#charge(domain, block, 1);
    this.words[CHARGED + record] = domain;
  }
}
