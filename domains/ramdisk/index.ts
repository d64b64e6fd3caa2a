/**
 * The driver of a RAM disk: a queue of requests in front of a medium that outlives it.
 *
 * Reading and writing copy between the caller's request and the medium's block, in the heap. Invariants: the driver
 * keeps no contents, so a crash loses the requests that it holds and nothing else; what was submitted and not polled
 * is in `queue`, in order, also across a replacement.
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
  BlockError,
  BlockOperation,
  BlockRequest,
  BlockRequestDeque32,
  BlockStatus,
} from "idl/block-device";
import { BlockMedium, BlockMediumReadResult } from "idl/block-medium";
import { FaultInjectionServer } from "idl/fault-injection";
import { Handover, StateReader, StateWriter, handOver } from "os/state";
import { FaultPoints } from "./faults";

export { samara_restore, samara_restored, samara_save, samara_save_size } from "os/state";

/** Requests in flight. A power of two. */
const DEPTH: u32 = 128;
/** What was submitted is done by the next polls. */
const PATIENCE_MS: u32 = 20;
const BYTES = BlockRequest.dataLength;

const faults = new FaultPoints();

class RamDisk extends BlockDeviceServer {
  private medium: BlockMedium = BlockMedium.use("medium");
  private count: u64 = 0;
  private reads: u64 = 0;
  private writes: u64 = 0;
  private errors: u64 = 0;
  private queue: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(DEPTH);
  /** Both count on for ever; their difference is the number of requests in flight. */
  private submitted: u32 = 0;
  private polled: u32 = 0;

  /** Asks the medium how large it is. */
  open(): void {
    const answer = this.medium.capacity();
    if (!answer.ok) abort("the medium does not answer");
    this.count = answer.value;
  }

  read(request: BlockRequest): BlockDeviceReadResult {
    faults.pass();
    const block = request.block;
    if (block >= this.count) {
      this.errors++;
      request.free();
      return BlockDeviceReadResult.err(BlockError.OutOfRange);
    }
    const answer = this.load(block, request);
    if (!answer.ok) return BlockDeviceReadResult.err(BlockError.Io);
    faults.pass();
    return BlockDeviceReadResult.ok(answer.value);
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    faults.pass();
    const block = request.block;
    if (block >= this.count) {
      this.errors++;
      request.free();
      return BlockDeviceWriteResult.err(BlockError.OutOfRange);
    }
    if (!this.store(block, request)) {
      request.free();
      return BlockDeviceWriteResult.err(BlockError.Io);
    }
    faults.pass();
    return BlockDeviceWriteResult.ok(request);
  }

  submit(requests: BlockRequestDeque32): BlockDeviceSubmitResult {
    while (requests.length > 0 && this.submitted - this.polled < DEPTH) {
      faults.pass();
      this.queue.put(requests.pop(), this.submitted++ & (DEPTH - 1));
    }
    faults.pass();
    return BlockDeviceSubmitResult.ok(requests);
  }

  poll(done: BlockRequestDeque32): BlockDevicePollResult {
    let room = BlockRequestDeque32.capacity - done.length;
    while (room > 0 && this.polled != this.submitted) {
      faults.pass();
      done.append(this.execute(this.queue.take(this.polled++ & (DEPTH - 1))));
      room--;
    }
    faults.pass();
    return BlockDevicePollResult.ok(done);
  }

  flush(): BlockDeviceFlushResult {
    return BlockDeviceFlushResult.ok();
  }

  capacity(): BlockDeviceCapacityResult {
    return BlockDeviceCapacityResult.ok(this.count);
  }

  patience(): BlockDevicePatienceResult {
    return BlockDevicePatienceResult.ok(PATIENCE_MS);
  }

  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(this.reads, this.writes, this.errors);
  }

  /** For the version that replaces this one: the counters, and the requests in flight. */
  save(out: StateWriter): void {
    out.u64(this.reads);
    out.u64(this.writes);
    out.u64(this.errors);
    out.u32(this.submitted - this.polled);
    for (let i = this.polled; i != this.submitted; i++) out.object(this.queue.at(i & (DEPTH - 1)));
  }

  restore(input: StateReader): void {
    this.reads = input.u64();
    this.writes = input.u64();
    this.errors = input.u64();
    this.submitted = input.u32();
    for (let i: u32 = 0; i < this.submitted; i++) this.queue.put(input.object<BlockRequest>(), i & (DEPTH - 1));
  }

  /** Does what a submitted request says. */
  private execute(request: BlockRequest): BlockRequest {
    const block = request.block;
    const operation = request.operation;
    let status = BlockStatus.Ok;
    if (operation != BlockOperation.Read && operation != BlockOperation.Write) status = BlockStatus.Unsupported;
    else if (block >= this.count) status = BlockStatus.OutOfRange;
    else if (operation == BlockOperation.Read) {
      const answer = this.load(block, request);
      // It took the request with it, and without a medium there is no disk any more.
      if (!answer.ok) abort("the medium failed");
      request = answer.value;
    } else if (!this.store(block, request)) status = BlockStatus.Io;
    if (status != BlockStatus.Ok) this.errors++;
    request.status = status;
    return request;
  }

  /** Fills a request; on an error it is gone. */
  private load(block: u64, request: BlockRequest): BlockMediumReadResult {
    this.reads++;
    const half = faults.armed ? BYTES / 2 : BYTES;
    const answer = this.medium.read(block, 0, half, request);
    if (answer.refused) request.free();
    if (!answer.ok || half == BYTES) return answer;
    faults.pass();
    const rest = this.medium.read(block, half, BYTES - half, answer.value);
    if (rest.refused) answer.value.free();
    return rest;
  }

  /** Stores a request's contents. */
  private store(block: u64, request: BlockRequest): bool {
    this.writes++;
    const half = faults.armed ? BYTES / 2 : BYTES;
    const answer = this.medium.write(block, 0, half, request);
    if (!answer.ok || half == BYTES) return answer.ok;
    faults.pass();
    return this.medium.write(block, half, BYTES - half, request).ok;
  }
}

const disk = new RamDisk();
disk.open();

class State extends Handover {
  save(out: StateWriter): void {
    disk.save(out);
  }

  restore(input: StateReader): void {
    disk.restore(input);
  }
}
handOver(new State());
BlockDeviceServer.provide(disk);
FaultInjectionServer.provide(faults);
