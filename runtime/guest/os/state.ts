/**
 * State hand-over: what the next version of a domain starts with when it is replaced while its clients go on.
 *
 * Owns the buffer that the kernel carries from one version to the next. A domain opts in: it re-exports the four
 * functions below from its index.ts and registers a `Handover`. Objects of the exchange heap and capabilities stay the
 * domain's own across a replacement, under the same handles and numbers, so those are what a state mostly consists of.
 * Invariant: a reader never gets more than was written: what a version does not understand ends it, not its clients.
 */

import { Borrow } from "heap/modes";
import { HeapObject } from "heap/object";
import { Capability } from "os/capability";

const FIRST_CAPACITY: i32 = 256;

/** What a domain hands over. `restore` runs after static initialisation and before `main`. */
export abstract class Handover {
  abstract save(out: StateWriter): void;
  abstract restore(input: StateReader): void;
}

/** Writes values one after another; the reader must ask for the same in the same order. */
export class StateWriter {
  private buffer: StaticArray<u8> = new StaticArray<u8>(FIRST_CAPACITY);
  private used: i32 = 0;

  get length(): i32 {
    return this.used;
  }

  /** Where the bytes lie: for the kernel. */
  get pointer(): usize {
    return changetype<usize>(this.buffer);
  }

  u32(value: u32): void {
    store<u32>(this.take(4), value);
  }

  u64(value: u64): void {
    store<u64>(this.take(8), value);
  }

  f64(value: f64): void {
    store<f64>(this.take(8), value);
  }

  text(value: string): void {
    const bytes = String.UTF8.byteLength(value);
    this.u32(<u32>bytes);
    String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, this.take(bytes));
  }

  /** An object of this domain's own, which stays where it is. */
  object(value: Borrow<HeapObject>): void {
    this.u32(changetype<u32>(value));
  }

  capability(value: Capability): void {
    this.u32(value.handle);
  }

  private take(bytes: i32): usize {
    const needed = this.used + bytes;
    if (needed > this.buffer.length) {
      const bigger = new StaticArray<u8>(max(needed, this.buffer.length * 2));
      memory.copy(changetype<usize>(bigger), changetype<usize>(this.buffer), <usize>this.used);
      this.buffer = bigger;
    }
    const at = changetype<usize>(this.buffer) + <usize>this.used;
    this.used = needed;
    return at;
  }
}

/** Reads what a `StateWriter` of the former version wrote. */
export class StateReader {
  private buffer: StaticArray<u8>;
  private at: i32 = 0;

  constructor(length: i32) {
    this.buffer = new StaticArray<u8>(length);
  }

  /** Where the kernel puts the bytes. */
  get pointer(): usize {
    return changetype<usize>(this.buffer);
  }

  /** Bytes that are left. */
  get left(): i32 {
    return this.buffer.length - this.at;
  }

  u32(): u32 {
    return load<u32>(this.take(4));
  }

  u64(): u64 {
    return load<u64>(this.take(8));
  }

  f64(): f64 {
    return load<f64>(this.take(8));
  }

  text(): string {
    const bytes = <i32>this.u32();
    return String.UTF8.decodeUnsafe(this.take(bytes), <usize>bytes);
  }

  /** Of the type that was written: another one ends the domain when it is used. */
  object<T extends HeapObject>(): T {
    return changetype<T>(this.u32());
  }

  capability<T extends Capability>(): T {
    return changetype<T>(this.u32());
  }

  private take(bytes: i32): usize {
    if (bytes < 0 || bytes > this.left) abort("the state of the former version ends here");
    const at = changetype<usize>(this.buffer) + <usize>this.at;
    this.at += bytes;
    return at;
  }
}

let handover: Handover | null = null;
let writer: StateWriter | null = null;
let reader: StateReader | null = null;

/** Registers what this domain hands over, and takes over. Call it during static initialisation. */
export function handOver(state: Handover): void {
  handover = state;
}

/** Whether this version took over from another: then `main` need not make what `restore` brought. */
export function tookOver(): bool {
  return reader != null;
}

/** Called by the kernel on the version that goes: the state's first byte, or 0 when there is none. */
export function samara_save(): usize {
  const state = handover;
  if (state == null) return 0;
  const out = new StateWriter();
  state.save(out);
  writer = out;
  return out.pointer;
}

export function samara_save_size(): i32 {
  const out = writer;
  return out == null ? 0 : out.length;
}

/** Called by the kernel on the version that comes: where `length` bytes shall be put. */
export function samara_restore(length: i32): usize {
  const input = new StateReader(length);
  reader = input;
  return input.pointer;
}

/** Called by the kernel when they are there. */
export function samara_restored(): void {
  const state = handover;
  const input = reader;
  if (state == null || input == null) abort("this version takes no state over");
  else state.restore(input);
}
