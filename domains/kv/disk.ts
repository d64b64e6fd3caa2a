/**
 * The block device below the store, one block at a time.
 *
 * Invariant: the request object lies in its place between calls; when a call loses it (an error, a crash of the disk),
 * the next call makes a new one.
 */
import { Owned } from "heap/owned";
import { Slice } from "os/slice";
import { BlockDevice, BlockRequest } from "idl/block-device";

/** Bytes of a block. */
export const BLOCK: i32 = 4096;

export class Disk {
  private request: Owned<BlockRequest> = new Owned<BlockRequest>();

  constructor(private device: BlockDevice) {}

  /** Number of blocks; 0 when the device does not answer. */
  blocks(): u32 {
    const answer = this.device.capacity();
    return answer.ok ? <u32>min<u64>(answer.value, u32.MAX_VALUE) : 0;
  }

  /** Reads a block; false when the device failed. `into` has the length of a block. */
  read(block: u32, into: Slice): bool {
    const request = this.take();
    if (request.isNull) return false;
    request.block = block;
    const answer = this.device.read(request);
    if (!answer.ok) {
      if (answer.refused) this.request.put(request);
      return false;
    }
    answer.value.dataCopyOut(into.ptr, into.length);
    this.request.put(answer.value);
    return true;
  }

  /** Returns when all that was written will survive a loss of power; false when the device failed. */
  settle(): bool {
    return this.device.flush().ok;
  }

  /** Writes a block; false when the device failed: the block may have been written or not, also in parts. */
  write(block: u32, from: Slice): bool {
    const request = this.take();
    if (request.isNull) return false;
    request.block = block;
    request.dataCopyIn(from.ptr, from.length);
    const answer = this.device.write(request);
    if (!answer.ok) {
      if (answer.refused) this.request.put(request);
      return false;
    }
    this.request.put(answer.value);
    return true;
  }

  /** The request to give away; null when there is none, and no room for one. */
  private take(): BlockRequest {
    return this.request.isEmpty ? BlockRequest.tryCreate() : this.request.take();
  }
}
