/**
 * The medium of a RAM disk: one object of the exchange heap for each block.
 *
 * It is as large as the domain's quota allows: at start it takes objects until it gets no more. It does so little that
 * it has no reason to crash; the driver above it does the thinking. Invariant: blocks are zero until written, and none
 * of them ever leaves this domain.
 */
import { OwnedArray } from "heap/owned";
import { BlockRequest } from "idl/block-device";
import {
  BlockMediumCapacityResult,
  BlockMediumReadResult,
  BlockMediumServer,
  BlockMediumWriteResult,
  MediumError,
} from "idl/block-medium";
import { Handover, StateReader, StateWriter, handOver } from "os/state";

export { samara_restore, samara_restored, samara_save, samara_save_size } from "os/state";

/** Most blocks that a medium can have: 1 GiB. */
const MAX_BLOCKS = 262_144;

class Medium extends BlockMediumServer {
  private blocks: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(MAX_BLOCKS);
  private count: u32 = 0;

  /** Takes all blocks that the quota allows. */
  allocate(): void {
    while (this.count < <u32>MAX_BLOCKS) {
      const block = BlockRequest.tryCreate();
      if (block.isNull) return;
      this.blocks.put(block, this.count++);
    }
  }

  /** For the version that replaces this one: its blocks, which stay where they are. */
  save(out: StateWriter): void {
    out.u32(this.count);
    for (let i: u32 = 0; i < this.count; i++) out.object(this.blocks.at(i));
  }

  /** The former version's blocks used the quota up, so `allocate` found room for none. */
  restore(input: StateReader): void {
    while (this.count > 0) this.blocks.take(--this.count).free();
    const count = input.u32();
    while (this.count < count) this.blocks.put(input.object<BlockRequest>(), this.count++);
  }

  private holds(block: u64, at: u32, length: u32): bool {
    return block < <u64>this.count && at <= BlockRequest.dataLength && length <= BlockRequest.dataLength - at;
  }

  read(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumReadResult {
    if (!this.holds(block, at, length)) {
      request.free();
      return BlockMediumReadResult.err(MediumError.OutOfRange);
    }
    request.copyFrom(this.blocks.at(<i32>block), BlockRequest.dataAt + at, length, BlockRequest.dataAt + at);
    return BlockMediumReadResult.ok(request);
  }

  write(block: u64, at: u32, length: u32, request: BlockRequest): BlockMediumWriteResult {
    if (!this.holds(block, at, length)) return BlockMediumWriteResult.err(MediumError.OutOfRange);
    this.blocks.at(<i32>block).copyFrom(request, BlockRequest.dataAt + at, length, BlockRequest.dataAt + at);
    return BlockMediumWriteResult.ok();
  }

  capacity(): BlockMediumCapacityResult {
    return BlockMediumCapacityResult.ok(<u64>this.count);
  }
}

const medium = new Medium();
medium.allocate();

class State extends Handover {
  save(out: StateWriter): void {
    medium.save(out);
  }

  restore(input: StateReader): void {
    medium.restore(input);
  }
}
handOver(new State());
BlockMediumServer.provide(medium);
