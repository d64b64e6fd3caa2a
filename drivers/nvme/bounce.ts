/**
 * Bounce buffers: for objects that lie where the device does not reach.
 *
 * They are objects of the driver's own, so its manifest entry must name an arena of the device. Invariant: a buffer is
 * in the pool or with one command; the pool grows to its limit once and then allocates nothing.
 */
import { HeapObject } from "heap/object";
import { handleOf, lookAt } from "os/dma";
import { NvmeTransfer } from "idl/nvme";
import { DmaBatch } from "idl/pci";

const PAGE: u32 = DmaBatch.bytesLength;
const PAGES: i32 = 128;
const TRANSFERS: i32 = 4;

class Pool {
  private free: StaticArray<u32>;
  private count: i32 = 0;
  private made: i32 = 0;

  constructor(private limit: i32) {
    this.free = new StaticArray<u32>(limit);
  }

  /** A buffer that lies ready; 0: there is none. */
  take(): u32 {
    return this.count > 0 ? this.free[--this.count] : 0;
  }

  /** Whether one more may be made. */
  grows(): bool {
    return this.made < this.limit;
  }

  /** @param handle a new buffer, or 0 when there was no room for it */
  made1(handle: u32): u32 {
    if (handle != 0) this.made++;
    return handle;
  }

  give(handle: u32): void {
    this.free[this.count++] = handle;
  }

  get lent(): i32 {
    return this.made - this.count;
  }
}

export class Bounce {
  private pages: Pool = new Pool(PAGES);
  private transfers: Pool = new Pool(TRANSFERS);

  /** A buffer for so many bytes; 0: none is left. */
  take(bytes: u32): u32 {
    const pool = this.poolOf(bytes);
    const handle = pool.take();
    if (handle != 0 || !pool.grows()) return handle;
    return pool.made1(bytes <= PAGE ? handleOf(DmaBatch.tryCreate()) : handleOf(NvmeTransfer.tryCreate()));
  }

  /** Whether a buffer for so many bytes will come back. */
  lent(bytes: u32): bool {
    return this.poolOf(bytes).lent > 0;
  }

  give(handle: u32, bytes: u32): void {
    this.poolOf(bytes).give(handle);
  }

  private poolOf(bytes: u32): Pool {
    return bytes <= PAGE ? this.pages : this.transfers;
  }
}

/** Copies the data, which every kind of object has at its beginning. */
export function copyData(from: u32, to: u32, bytes: u32): void {
  lookAt<HeapObject>(to).copyFrom(lookAt<HeapObject>(from), 0, bytes, 0);
}
