/**
 * A RAM disk: one object of the exchange heap for each block.
 *
 * The disk is as large as the domain's quota allows: at start it takes objects until it gets no more. Reading and
 * writing copy between the caller's request and the block's object, in the heap. Invariant: blocks are zero until
 * written, and none of them ever leaves this domain.
 */
import {
  BlockDeviceCapacityResult,
  BlockDeviceFlushResult,
  BlockDeviceReadResult,
  BlockDeviceServer,
  BlockDeviceStatisticsResult,
  BlockDeviceWriteResult,
  BlockError,
  BlockRequest,
} from "idl/block-device";

/** Most blocks that a disk can have: 1 GiB. */
const MAX_BLOCKS = 262_144;

class RamDisk extends BlockDeviceServer {
  private blocks: StaticArray<BlockRequest> = new StaticArray<BlockRequest>(MAX_BLOCKS);
  private count: i32 = 0;
  private reads: u64 = 0;
  private writes: u64 = 0;
  private errors: u64 = 0;

  /** Takes all blocks that the quota allows. */
  allocate(): void {
    while (this.count < MAX_BLOCKS) {
      const block = BlockRequest.tryCreate();
      if (block.isNull) return;
      this.blocks[this.count++] = block;
    }
  }

  read(request: BlockRequest): BlockDeviceReadResult {
    const block = request.block;
    if (block >= <u64>this.count) {
      this.errors++;
      request.free();
      return BlockDeviceReadResult.err(BlockError.OutOfRange);
    }
    request.copyFrom(this.blocks[<i32>block], BlockRequest.dataAt, BlockRequest.dataLength, BlockRequest.dataAt);
    this.reads++;
    return BlockDeviceReadResult.ok(request);
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    const block = request.block;
    if (block >= <u64>this.count) {
      this.errors++;
      request.free();
      return BlockDeviceWriteResult.err(BlockError.OutOfRange);
    }
    this.blocks[<i32>block].copyFrom(request, BlockRequest.dataAt, BlockRequest.dataLength, BlockRequest.dataAt);
    this.writes++;
    return BlockDeviceWriteResult.ok(request);
  }

  flush(): BlockDeviceFlushResult {
    return BlockDeviceFlushResult.ok();
  }

  capacity(): BlockDeviceCapacityResult {
    return BlockDeviceCapacityResult.ok(<u64>this.count);
  }

  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(this.reads, this.writes, this.errors);
  }
}

const disk = new RamDisk();
disk.allocate();
BlockDeviceServer.provide(disk);
