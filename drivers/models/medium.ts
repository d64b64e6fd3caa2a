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

const PAGE = 4096;
/** What was never written. */
const ZEROS = new Uint8Array(PAGE);
const MAX_BYTES = 2 ** 32;

/** Memory is taken a page at a time, when it is first written to. Whole pages are copied without a view of a part. */
export class MemoryMedium implements Medium {
  readonly bytes: number;
  readonly #pages: (Uint8Array | undefined)[];

  /** @throws Error when it is more than is kept in memory */
  constructor(bytes: number) {
    if (bytes > MAX_BYTES) throw new Error(`${bytes} bytes are more than the ${MAX_BYTES} of memory; give a file`);
    this.bytes = bytes;
    this.#pages = Array.from({ length: Math.ceil(bytes / PAGE) }, () => undefined);
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = (offset + done) & (PAGE - 1);
      const bytes = Math.min(PAGE - at, into.length - done);
      const page = this.#pages[(offset + done - at) / PAGE] ?? ZEROS;
      into.set(bytes === PAGE ? page : page.subarray(at, at + bytes), done);
      done += bytes;
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length;) {
      const at = (offset + done) & (PAGE - 1);
      const bytes = Math.min(PAGE - at, from.length - done);
      const index = (offset + done - at) / PAGE;
      const page = (this.#pages[index] ??= new Uint8Array(PAGE));
      page.set(bytes === from.length ? from : from.subarray(done, done + bytes), at);
      done += bytes;
    }
  }

  sync(): void {}

  close(): void {}
}
