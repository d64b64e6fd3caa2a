/**
 * The integrity shadow of a block device: nothing that the driver does wrong reaches a client as if it were right.
 *
 * It knows a checksum of every block: at start it reads the whole disk, from then on it hashes what passes. An answer
 * that does not fit makes it restart the driver and ask again; when that does not help the client gets `Corrupt`, or
 * `Io` for an error without a reason. Invariants: two requests for one block, one of them a write, are never in flight
 * together, so which contents are right is never in doubt; a write that failed leaves two that are.
 */
import { hash64 } from "os/hash";
import { Fault } from "os/rpc";
import { BlockShadow } from "os/block-shadow";
import { BLOCK, DEPTH, FREE, PLAIN } from "os/block-slots";
import {
  BlockDevice,
  BlockDeviceCapacityResult,
  BlockDeviceServer,
  BlockOperation,
  BlockRequest,
  BlockStatus,
} from "idl/block-device";
import { Lifecycle } from "idl/lifecycle";

/** Most blocks: 1 GiB. */
const MAX_BLOCKS = 262_144;
/** Counters of requests in flight, by the low bits of the block's number. */
const BUCKETS = 1024;

class Guard extends BlockShadow {
  private size: u64 = 0;
  /** The hash of each block's contents, and the one that they may have instead after a write that failed. */
  private hashes: StaticArray<u64> = new StaticArray<u64>(0);
  private others: StaticArray<u64> = new StaticArray<u64>(0);
  /** The hash of what each slot writes. */
  private pending: StaticArray<u64> = new StaticArray<u64>(DEPTH + 1);
  private busy: StaticArray<u8> = new StaticArray<u8>(BUCKETS);

  /** Learns what is on the disk. */
  open(): void {
    const capacity = super.capacity();
    if (!capacity.ok || capacity.value > <u64>MAX_BLOCKS) abort("the disk does not answer, or is larger than 1 GiB");
    const count = capacity.value;
    this.hashes = new StaticArray<u64>(<i32>count);
    this.others = new StaticArray<u64>(<i32>count);
    let request = BlockRequest.create();
    for (let block: u64 = 0; block < count; block++) {
      request.block = block;
      let answer = this.disk.read(request);
      while (this.driver.recover(answer.fault)) {
        if (answer.fault == Fault.Crashed) request = BlockRequest.create();
        request.block = block;
        answer = this.disk.read(request);
      }
      if (!answer.ok) abort("a block cannot be read");
      request = answer.value;
      this.hashes[<i32>block] = this.others[<i32>block] = this.hashOf(request, PLAIN, block);
    }
    request.free();
    this.size = count;
  }

  capacity(): BlockDeviceCapacityResult {
    return BlockDeviceCapacityResult.ok(this.size);
  }

  protected conflicts(block: u64, operation: BlockOperation): bool {
    if (this.busy[<i32>(block & (BUCKETS - 1))] == 0) return false;
    for (let slot = 0; slot < DEPTH; slot++) {
      if (this.slots.states[slot] == FREE || this.slots.blocks[slot] != block) continue;
      if (operation == BlockOperation.Write || this.slots.operations[slot] == BlockOperation.Write) return true;
    }
    return false;
  }

  protected issued(slot: i32): void {
    const block = this.slots.blocks[slot];
    if (slot != PLAIN) this.busy[<i32>(block & (BUCKETS - 1))]++;
    if (this.slots.operations[slot] == BlockOperation.Write)
      this.pending[slot] = hash64(this.slots.copyOf(slot), BLOCK, block);
  }

  protected believes(slot: i32, request: BlockRequest, status: BlockStatus): bool {
    const block = this.slots.blocks[slot];
    const expected = this.refusal(slot);
    if (expected != BlockStatus.Ok || status != BlockStatus.Ok) return status == expected;
    if (this.slots.operations[slot] == BlockOperation.Write) {
      // The driver had the object: the client gets its data as they were.
      request.dataCopyIn(this.slots.copyOf(slot), BLOCK);
      return true;
    }
    const hash = this.hashOf(request, slot, block);
    if (hash != this.hashes[<i32>block] && hash != this.others[<i32>block]) return false;
    this.hashes[<i32>block] = this.others[<i32>block] = hash;
    return true;
  }

  protected verdict(slot: i32, status: BlockStatus): BlockStatus {
    const expected = this.refusal(slot);
    if (expected != BlockStatus.Ok) return expected;
    return status == BlockStatus.Ok || status == BlockStatus.Corrupt ? BlockStatus.Corrupt : BlockStatus.Io;
  }

  protected settled(slot: i32, status: BlockStatus): void {
    const block = this.slots.blocks[slot];
    if (slot != PLAIN) this.busy[<i32>(block & (BUCKETS - 1))]--;
    if (this.slots.operations[slot] != BlockOperation.Write || block >= this.size) return;
    this.others[<i32>block] = this.pending[slot];
    if (status == BlockStatus.Ok) this.hashes[<i32>block] = this.pending[slot];
  }

  /** How a device must refuse a slot's request; `Ok`: it must not. */
  private refusal(slot: i32): BlockStatus {
    const operation = this.slots.operations[slot];
    if (operation != BlockOperation.Read && operation != BlockOperation.Write) return BlockStatus.Unsupported;
    return this.slots.blocks[slot] >= this.size ? BlockStatus.OutOfRange : BlockStatus.Ok;
  }

  /** Of a request that reads: its slot's copy is free for that. */
  private hashOf(request: BlockRequest, slot: i32, block: u64): u64 {
    request.dataCopyOut(this.slots.copyOf(slot), BLOCK);
    return hash64(this.slots.copyOf(slot), BLOCK, block);
  }
}

const guard = new Guard(BlockDevice.use("disk"), Lifecycle.use("driver"));
BlockDeviceServer.provide(guard);

export function main(): void {
  guard.open();
}
