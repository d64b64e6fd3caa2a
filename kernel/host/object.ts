/**
 * Objects of the exchange heap as the host program holds them.
 *
 * Invariant: the host obeys the rules that domains obey: every access is checked against the ledger with the host as
 * owner, so a program that embeds Samara cannot touch what it moved away. A HostObject whose handle was moved has
 * handle 0.
 */
import { KernelError } from "../errors.ts";
import { typeKey, type Model } from "../interface/model.ts";
import {
  GENERATION_BITS,
  OBJECT_ADDRESS,
  OBJECT_SHIFT,
  OBJECT_SIZE,
  OBJECT_TAG,
  OBJECTS,
  OWNER_HOST,
} from "../../shared-heap/layout.ts";
import { HeapError, type ExchangeHeap } from "../../shared-heap/heap.ts";

/** Base of the generated record classes. */
export class HostObject {
  readonly heap: HostHeap;
  handle: number;
  constructor(heap: HostHeap, handle: number) {
    this.heap = heap;
    this.handle = handle;
  }
}

export class HostHeap {
  readonly #heap: ExchangeHeap;
  readonly #ledger: Int32Array;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #view: DataView;
  readonly #typeIds: ReadonlyMap<string, number>;
  #arena = 0;

  constructor(kernel: {
    heap: ExchangeHeap;
    ledger: Int32Array;
    heapMemory: WebAssembly.Memory;
    typeIds: ReadonlyMap<string, number>;
    model: Model;
  }) {
    this.#heap = kernel.heap;
    this.#ledger = kernel.ledger;
    this.#bytes = new Uint8Array(kernel.heapMemory.buffer as unknown as SharedArrayBuffer);
    this.#view = new DataView(kernel.heapMemory.buffer);
    const byKey = [...kernel.typeIds].flatMap(([name, id]): [string, number][] => [
      [name, id],
      [typeKey(kernel.model.types[name]!), id],
    ]);
    this.#typeIds = new Map(byKey);
  }

  /** The arena where objects are created from here on; "main" is the general one. @throws KernelError (argument) */
  useArena(name: string): void {
    const arena = this.#heap.arena(name);
    if (arena < 0) throw new KernelError("argument", `the exchange heap has no arena named ${name}`);
    this.#arena = arena;
  }

  /** New zeroed object of a type (its name or key). @throws KernelError when the heap is exhausted */
  create(type: string): number {
    const id = this.#typeIds.get(type);
    if (id === undefined) throw new KernelError("argument", `no exchangeable type is named ${type}`);
    const handle = this.#heap.create(id, OWNER_HOST, this.#arena);
    if (handle === 0) throw new KernelError("limit", `the exchange heap has no room for a ${type}`);
    return handle;
  }

  free(handle: number): void {
    this.#checked(() => this.#heap.free(handle, OWNER_HOST));
  }
  put(handle: number, container: number, slot: number): void {
    this.#checked(() => this.#heap.put(handle, container, slot, OWNER_HOST));
  }
  take(container: number, slot: number): number {
    return this.#checked(() => this.#heap.take(container, slot, OWNER_HOST));
  }
  push(handle: number, deque: number): boolean {
    return this.#checked(() => this.#heap.push(handle, deque, OWNER_HOST));
  }
  pop(deque: number): number {
    return this.#checked(() => this.#heap.pop(deque, OWNER_HOST));
  }
  length(deque: number): number {
    return this.#checked(() => this.#heap.len(deque, OWNER_HOST));
  }
  resize(handle: number, bytes: number): boolean {
    return this.#checked(() => this.#heap.resize(handle, OWNER_HOST, bytes));
  }
  size(handle: number): number {
    this.#address(handle, 0, 0);
    return this.#ledger[this.#word(handle, OBJECT_SIZE)]! >>> 0;
  }

  loadU8 = (h: number, o: number): number => this.#view.getUint8(this.#address(h, o, 1));
  loadI8 = (h: number, o: number): number => this.#view.getInt8(this.#address(h, o, 1));
  loadU16 = (h: number, o: number): number => this.#view.getUint16(this.#address(h, o, 2), true);
  loadI16 = (h: number, o: number): number => this.#view.getInt16(this.#address(h, o, 2), true);
  loadU32 = (h: number, o: number): number => this.#view.getUint32(this.#address(h, o, 4), true);
  loadI32 = (h: number, o: number): number => this.#view.getInt32(this.#address(h, o, 4), true);
  loadU64 = (h: number, o: number): bigint => this.#view.getBigUint64(this.#address(h, o, 8), true);
  loadI64 = (h: number, o: number): bigint => this.#view.getBigInt64(this.#address(h, o, 8), true);
  loadF32 = (h: number, o: number): number => this.#view.getFloat32(this.#address(h, o, 4), true);
  loadF64 = (h: number, o: number): number => this.#view.getFloat64(this.#address(h, o, 8), true);
  storeU8 = (h: number, o: number, v: number): void => this.#view.setUint8(this.#address(h, o, 1), v);
  storeI8 = (h: number, o: number, v: number): void => this.#view.setInt8(this.#address(h, o, 1), v);
  storeU16 = (h: number, o: number, v: number): void => this.#view.setUint16(this.#address(h, o, 2), v, true);
  storeI16 = (h: number, o: number, v: number): void => this.#view.setInt16(this.#address(h, o, 2), v, true);
  storeU32 = (h: number, o: number, v: number): void => this.#view.setUint32(this.#address(h, o, 4), v, true);
  storeI32 = (h: number, o: number, v: number): void => this.#view.setInt32(this.#address(h, o, 4), v, true);
  storeU64 = (h: number, o: number, v: bigint): void => this.#view.setBigUint64(this.#address(h, o, 8), v, true);
  storeI64 = (h: number, o: number, v: bigint): void => this.#view.setBigInt64(this.#address(h, o, 8), v, true);
  storeF32 = (h: number, o: number, v: number): void => this.#view.setFloat32(this.#address(h, o, 4), v, true);
  storeF64 = (h: number, o: number, v: number): void => this.#view.setFloat64(this.#address(h, o, 8), v, true);

  /** A copy of `length` bytes of the object. */
  bytes(handle: number, offset: number, length: number): Uint8Array {
    const at = this.#address(handle, offset, length);
    return new Uint8Array(this.#bytes.slice(at, at + length));
  }

  setBytes(handle: number, offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#address(handle, offset, bytes.length));
  }

  #word(handle: number, field: number): number {
    return ((OBJECTS + field) >> 2) + ((handle >>> GENERATION_BITS) << (OBJECT_SHIFT - 2));
  }

  #address(handle: number, offset: number, width: number): number {
    if ((this.#ledger[this.#word(handle, OBJECT_TAG)]! ^ handle) !== OWNER_HOST << GENERATION_BITS)
      throw new KernelError("argument", "the object is not the host's: it was moved, freed or never its own");
    const size = this.#ledger[this.#word(handle, OBJECT_SIZE)]! >>> 0;
    if (offset < 0 || offset + width > size)
      throw new KernelError("argument", `bytes ${offset} … ${offset + width} of an object of ${size} bytes`);
    return (this.#ledger[this.#word(handle, OBJECT_ADDRESS)]! >>> 0) + offset;
  }

  #checked<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      if (error instanceof HeapError) throw new KernelError("argument", error.message, { cause: error });
      throw error;
    }
  }
}
