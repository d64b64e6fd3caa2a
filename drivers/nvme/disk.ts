/**
 * The controller as a block device of 4 KiB blocks.
 *
 * `submit` and `poll` are the hot path: nothing is allocated, and a batch enters the device layer once each way. While
 * the controller is not ready requests wait; plain calls wait for their answer, for a bounded time. Invariant: what was
 * taken by `submit` comes back by `poll` once, with an error when the device was given up.
 */
import { Owned } from "heap/owned";
import { handleOf, objectOf } from "os/dma";
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
import { BLOCK, Command, Kind } from "./command";
import { Driver } from "./driver";
import * as op from "./opcodes";
import { blockStatusOf, SUCCESS } from "./status";
import { BLOCKS } from "./transport";

/** Polls that bring nothing, between two looks at the device: a power of two. */
const LOOK_EVERY: u32 = 64;

export class Disk extends BlockDeviceServer {
  private reads: u64 = 0;
  private writes: u64 = 0;
  private errors: u64 = 0;
  private idle: u32 = 0;

  constructor(private driver: Driver) {
    super();
  }

  // ── requests in flight ───────────────────────────────────────────────────────────────────────────────────────────

  submit(requests: BlockRequestDeque32): BlockDeviceSubmitResult {
    const driver = this.driver;
    let left = requests.length;
    // Until the device has said how large its blocks are there is no room.
    if (!driver.known && !driver.isOver) {
      this.lookNow();
      left = 0;
    }
    while (left > 0 && driver.taken < BLOCKS) {
      const queue = driver.backlog.isEmpty ? driver.pick() : null;
      if (queue === null) break;
      let room = min(min(left, queue.room), BLOCKS - driver.taken);
      for (; room > 0; room--, left--) {
        const command = this.accept(requests);
        if (command !== null) driver.post(queue, command);
      }
      driver.ring(queue);
    }
    // What cannot be sent now waits.
    for (; left > 0 && driver.taken < BLOCKS; left--) {
      const command = this.accept(requests);
      if (command !== null) driver.backlog.push(command);
    }
    if (!driver.backlog.isEmpty) this.press();
    return BlockDeviceSubmitResult.ok(requests);
  }

  poll(done: BlockRequestDeque32): BlockDevicePollResult {
    const driver = this.driver;
    driver.collectAll();
    if (driver.hasDone) {
      for (let room = BlockRequestDeque32.capacity - done.length; room > 0 && driver.hasDone; room--)
        done.append(this.count(driver.takeDone()));
    } else if (driver.taken > 0 || !driver.isReady) this.lookNow();
    if (!driver.backlog.isEmpty) this.press();
    return BlockDevicePollResult.ok(done);
  }

  /** Takes the first request; null when it is done already, because nothing like it can be asked of the device. */
  @inline private accept(requests: BlockRequestDeque32): Command | null {
    const driver = this.driver;
    const request = requests.pop();
    driver.taken++;
    const operation = request.operation;
    const block = request.block;
    let status = BlockStatus.Ok;
    if (operation != BlockOperation.Read && operation != BlockOperation.Write) status = BlockStatus.Unsupported;
    // Also while it starts again. Before its first start nothing is taken.
    else if (driver.known && block >= driver.namespace.blocks) status = BlockStatus.OutOfRange;
    else if (driver.isOver) status = BlockStatus.Io;
    const command = status == BlockStatus.Ok ? driver.commands.take(Kind.Block) : null;
    if (command === null) {
      request.status = status == BlockStatus.Ok ? BlockStatus.Io : status;
      driver.finish(request);
      return null;
    }
    this.fill(command, request, operation, block);
    return command;
  }

  /** 6.9 Read, 6.15 Write. */
  @inline private fill(command: Command, request: BlockRequest, operation: BlockOperation, block: u64): void {
    const shift = this.driver.namespace.perBlockShift;
    command.opcode = operation == BlockOperation.Write ? op.WRITE : op.READ;
    command.inbound = operation != BlockOperation.Write;
    command.nsid = this.driver.namespace.id;
    command.object = handleOf(request);
    command.bytes = BLOCK;
    command.cdw10 = block << shift;
    // Number of Logical Blocks, 0's based.
    command.cdw12 = ((<u64>1) << shift) - 1;
  }

  /** Now and then, looks at the device: a client that polls in a loop may keep `step` from being called. */
  private lookNow(): void {
    if ((++this.idle & (LOOK_EVERY - 1)) == 0) this.driver.tend();
    else if (this.driver.asleep) this.driver.wake();
  }

  /** Sends what waits, or has it failed when there is no hope. */
  private press(): void {
    const driver = this.driver;
    if (driver.isReady) driver.sendBacklog();
    else if (driver.isOver) driver.failBacklog(driver.verdict);
    else if (driver.asleep) driver.wake();
  }

  @inline private count(request: BlockRequest): BlockRequest {
    if (request.status != BlockStatus.Ok) this.errors++;
    else if (request.operation == BlockOperation.Write) this.writes++;
    else this.reads++;
    return request;
  }

  // ── one at a time ────────────────────────────────────────────────────────────────────────────────────────────────

  read(request: BlockRequest): BlockDeviceReadResult {
    const status = this.transfer(request, BlockOperation.Read);
    if (status != BlockStatus.Ok) return BlockDeviceReadResult.err(errorOf(status));
    return BlockDeviceReadResult.ok(this.answer.take());
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    const status = this.transfer(request, BlockOperation.Write);
    if (status != BlockStatus.Ok) return BlockDeviceWriteResult.err(errorOf(status));
    return BlockDeviceWriteResult.ok(this.answer.take());
  }

  /** What `transfer` brought. */
  private answer: Owned<BlockRequest> = new Owned<BlockRequest>();

  /** On an error the request is gone. */
  private transfer(request: BlockRequest, operation: BlockOperation): BlockStatus {
    const driver = this.driver;
    const block = request.block;
    let status = driver.awaitReady() ? BlockStatus.Ok : BlockStatus.Io;
    if (status == BlockStatus.Ok && block >= driver.namespace.blocks) status = BlockStatus.OutOfRange;
    const command = status == BlockStatus.Ok ? driver.commands.take(Kind.Waited) : null;
    if (command === null) {
      this.errors++;
      request.free();
      return status == BlockStatus.Ok ? BlockStatus.Io : status;
    }
    this.fill(command, request, operation, block);
    return this.conclude(command, operation);
  }

  private conclude(command: Command, operation: BlockOperation): BlockStatus {
    const driver = this.driver;
    const status = driver.run(command) ? blockStatusOf(command.code) : BlockStatus.Io;
    if (status == BlockStatus.Ok) {
      this.answer.put(objectOf<BlockRequest>(command.object));
      if (operation == BlockOperation.Write) this.writes++;
      else this.reads++;
      driver.commands.release(command);
      return status;
    }
    this.errors++;
    driver.abandon(command);
    return status;
  }

  /** 6.8 Flush. */
  flush(): BlockDeviceFlushResult {
    const driver = this.driver;
    if (!driver.awaitReady()) return BlockDeviceFlushResult.err(BlockError.Io);
    // Without a volatile write cache it has no effect.
    if (!driver.controller.cache) return BlockDeviceFlushResult.ok();
    const command = driver.commands.take(Kind.Waited);
    if (command === null) return BlockDeviceFlushResult.err(BlockError.Io);
    command.opcode = op.FLUSH;
    command.nsid = driver.namespace.id;
    command.bytes = 0;
    command.cdw10 = 0;
    command.cdw12 = 0;
    const fine = driver.run(command) && command.code == SUCCESS;
    driver.abandon(command);
    return fine ? BlockDeviceFlushResult.ok() : BlockDeviceFlushResult.err(BlockError.Io);
  }

  capacity(): BlockDeviceCapacityResult {
    if (!this.driver.awaitReady()) return BlockDeviceCapacityResult.err(BlockError.Io);
    return BlockDeviceCapacityResult.ok(this.driver.namespace.blocks);
  }

  patience(): BlockDevicePatienceResult {
    return BlockDevicePatienceResult.ok(<u32>this.driver.longest);
  }

  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(this.reads, this.writes, this.errors);
  }
}

function errorOf(status: BlockStatus): BlockError {
  if (status == BlockStatus.OutOfRange) return BlockError.OutOfRange;
  return status == BlockStatus.Corrupt ? BlockError.Corrupt : BlockError.Io;
}
