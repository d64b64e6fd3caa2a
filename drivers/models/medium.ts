/**
 * Where the data of a storage model lie for good: in memory, for as long as the model lives.
 *
 * Invariant of every medium: what `write` was given before a `sync` that returned is there after a power cut; what was
 * not may be there or not.
 */
export interface Medium {
  /** Bytes of the device. */
  readonly bytes: number;
  /** All of `into` is filled from `offset` on. @throws Error when the medium fails */
  read(offset: number, into: Uint8Array): void;
  /** @throws Error when the medium fails */
  write(offset: number, from: Uint8Array): void;
  /** @throws Error when the medium fails */
  sync(): void;
  close(): void;
}

export class MemoryMedium implements Medium {
  readonly bytes: number;
  readonly #data: Uint8Array;

  /** @throws Error when there is not so much memory */
  constructor(bytes: number) {
    this.bytes = bytes;
    try {
      this.#data = new Uint8Array(bytes);
    } catch {
      throw new Error(`${bytes} bytes are more than one piece of memory can have; give a file`);
    }
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#data.subarray(offset, offset + into.length));
  }

  write(offset: number, from: Uint8Array): void {
    this.#data.set(from, offset);
  }

  sync(): void {}

  close(): void {}
}
