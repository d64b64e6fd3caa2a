/**
 * A disk that does nothing: what a block device costs without a device.
 *
 * Invariant: it takes each request, looks at it and sets its status, as every disk has to; no more.
 */
import { OwnedArray } from "heap/owned";
import {
  BlockDeviceCapacityResult,
  BlockDeviceFlushResult,
  BlockDevicePatienceResult,
  BlockDevicePollResult,
  BlockDeviceReadResult,
  BlockDeviceServer,
  BlockDeviceStatisticsResult,
  BlockDeviceSubmitResult,
  BlockDeviceWriteResult,
  BlockRequest,
  BlockRequestDeque32,
  BlockStatus,
} from "idl/block-device";

/** A power of two. */
const DEPTH: u32 = 128;
const BLOCKS: u64 = 1 << 20;
const PATIENCE_MS: u32 = 20;

export class NullDisk extends BlockDeviceServer {
  private queue: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(DEPTH);
  /** Both count on for ever; their difference is the number of requests in flight. */
  private submitted: u32 = 0;
  private polled: u32 = 0;

  read(request: BlockRequest): BlockDeviceReadResult {
    return BlockDeviceReadResult.ok(request);
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    return BlockDeviceWriteResult.ok(request);
  }

  submit(requests: BlockRequestDeque32): BlockDeviceSubmitResult {
    while (requests.length > 0 && this.submitted - this.polled < DEPTH)
      this.queue.put(requests.pop(), this.submitted++ & (DEPTH - 1));
    return BlockDeviceSubmitResult.ok(requests);
  }

  poll(done: BlockRequestDeque32): BlockDevicePollResult {
    let room = BlockRequestDeque32.capacity - done.length;
    while (room > 0 && this.polled != this.submitted) {
      const request = this.queue.take(this.polled++ & (DEPTH - 1));
      request.status = request.block < BLOCKS ? BlockStatus.Ok : BlockStatus.OutOfRange;
      done.append(request);
      room--;
    }
    return BlockDevicePollResult.ok(done);
  }

  flush(): BlockDeviceFlushResult {
    return BlockDeviceFlushResult.ok();
  }

  capacity(): BlockDeviceCapacityResult {
    return BlockDeviceCapacityResult.ok(BLOCKS);
  }

  patience(): BlockDevicePatienceResult {
    return BlockDevicePatienceResult.ok(PATIENCE_MS);
  }

  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(0, 0, 0);
  }
}
