/**
 * The shadow of a block device: clients go on while the driver behind is restarted, with up to 128 requests in flight.
 *
 * For each request that the driver has, a slot remembers what it takes to make it again: block, operation, the client's
 * tag, and for writes a copy of the data in private memory, where no driver reaches. Requests carry the slot's number
 * as their tag, so an answer that nobody asked for is noticed. What a driver loses is submitted again to its next
 * life. Those in flight together take effect in any order (see the interface), so no order is kept.
 *
 * Invariants: a request that was taken comes back once, whatever happens to the driver; slots in use and requests that
 * are ready to be polled are never more than DEPTH; nothing is allocated for a request unless the driver lost it.
 */
import { Direct, Fault } from "os/rpc";
import { Backing } from "os/shadow";
import {
  BlockDevice,
  BlockDeviceCapacityResult,
  BlockDeviceFlushResult,
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
import { Lifecycle } from "idl/lifecycle";

/** Requests in flight. A power of two; slot numbers fit a byte. */
export const DEPTH: i32 = 128;
/** The slot of `read` and `write`, which are never in flight. */
export const PLAIN: i32 = DEPTH;
export const BLOCK: i32 = 4096;
const BATCH: i32 = BlockRequestDeque32.capacity;
/** Polls after which a request that has not come back means that the driver hangs. */
const PATIENCE: u32 = 100_000;
/** Slots are looked at for that once in so many polls. A power of two. */
const LOOK_EVERY: u32 = 1024;
/** How often an answer is disbelieved before the client gets an error. */
const DOUBTS: u8 = 2;

/** States of a slot. */
const FREE: u8 = 0;
/** In the outbox: the device had no room yet. */
const QUEUED: u8 = 1;
const SENT: u8 = 2;
/** Gone with the driver: an object must be made, and submitted. */
const LOST: u8 = 3;

/** The driver; a new life has none of the requests that the former one had. */
class Driver extends Backing {
  shadow: BlockShadow | null = null;

  replay(): Fault {
    this.shadow!.lose(SENT);
    return Fault.None;
  }
}

export class BlockShadow extends BlockDeviceServer {
  /** Polls that a driver may take for a request. */
  patience: u32 = PATIENCE;
  protected driver: Driver;
  /** What each slot's request asks for. */
  protected blocks: StaticArray<u64> = new StaticArray<u64>(DEPTH + 1);
  protected operations: StaticArray<BlockOperation> = new StaticArray<BlockOperation>(DEPTH + 1);
  private tags: StaticArray<u32> = new StaticArray<u32>(DEPTH + 1);
  /** The tag that it carries on its way: the slot, and how often it was used, so that no old answer fits. */
  private marks: StaticArray<u32> = new StaticArray<u32>(DEPTH);
  private states: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  private doubted: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  private sentAt: StaticArray<u32> = new StaticArray<u32>(DEPTH);
  /** Copies of what is to be written. */
  private data: StaticArray<u8> = new StaticArray<u8>((DEPTH + 1) * BLOCK);
  /** Slots that are free, a stack; and how many have lost their object. */
  private free: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  private freeCount: i32 = DEPTH;
  private lost: i32 = 0;
  /** Slots of the requests in the outbox, in its order. */
  private queue: StaticArray<u8> = new StaticArray<u8>(BATCH);
  private queued: i32 = 0;
  private outbox: BlockRequestDeque32 = BlockRequestDeque32.create();
  private inbox: BlockRequestDeque32 = BlockRequestDeque32.create();
  /** Requests that are done and not polled, a ring. Both counters go on for ever. */
  private ready: StaticArray<BlockRequest> = new StaticArray<BlockRequest>(DEPTH);
  private readied: u32 = 0;
  private delivered: u32 = 0;
  private polls: u32 = 0;
  private reads: u64 = 0;
  private writes: u64 = 0;
  private errors: u64 = 0;

  /** @param life the right to restart the driver: `supervisor.NAME` of the domain that provides `disk` */
  constructor(
    protected disk: BlockDevice,
    life: Lifecycle,
  ) {
    super();
    this.driver = new Driver(life);
    this.driver.shadow = this;
    for (let i = 0; i < DEPTH; i++) this.free[i] = <u8>(DEPTH - 1 - i);
  }

  // ── what an integrity shadow adds ────────────────────────────────────────────────────────────────────────────────

  /** Whether a request must wait until others are done. */
  protected conflicts(block: u64, operation: BlockOperation): bool {
    return false;
  }

  /** A request is about to go out: a write's data lie at `copyOf(slot)`. */
  protected issued(slot: i32): void {}

  /** Whether an answer can be true. `request` is null when `read` or `write` answered an error. */
  protected believes(slot: i32, request: BlockRequest, status: BlockStatus): bool {
    return true;
  }

  /** What the client gets instead of an answer that was disbelieved too often. */
  protected verdict(slot: i32, status: BlockStatus): BlockStatus {
    return status == BlockStatus.Ok ? BlockStatus.Corrupt : status;
  }

  /** A request is done. */
  protected settled(slot: i32, status: BlockStatus): void {}

  // ── one block at a time ──────────────────────────────────────────────────────────────────────────────────────────

  read(request: BlockRequest): BlockDeviceReadResult {
    return changetype<BlockDeviceReadResult>(this.transfer(request, BlockOperation.Read));
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    return changetype<BlockDeviceWriteResult>(this.transfer(request, BlockOperation.Write));
  }

  /** @returns the request, or the error's status */
  private transfer(request: BlockRequest, operation: BlockOperation): u32 {
    this.remember(PLAIN, request, operation);
    for (let polls: u32 = 0; this.conflicts(request.block, operation); polls++) {
      if (polls > 2 * this.patience) {
        request.free();
        return this.finish(BlockStatus.Io, request);
      }
      this.pump();
    }
    this.issued(PLAIN);
    let doubts: u8 = 0;
    for (;;) {
      const answer = this.call(request, operation);
      const fault = answer.fault;
      if (fault != Fault.None) {
        const again = this.driver.recover(fault);
        const gone = fault == Fault.Crashed;
        if (!again && !gone) request.free();
        if (gone && again) request = this.remake(PLAIN);
        if (again && !request.isNull) continue;
        return this.finish(BlockStatus.Io, request);
      }
      const status = answer.ok ? BlockStatus.Ok : <BlockStatus>answer.status;
      request = changetype<BlockRequest>(answer.ok ? changetype<u32>(answer) : 0);
      if (this.believes(PLAIN, request, status)) {
        this.driver.recover(Fault.None);
        return this.finish(status, request);
      }
      const tried = doubts++ == DOUBTS || !this.driver.restart();
      if (!tried && request.isNull) request = this.remake(PLAIN);
      if (!tried && !request.isNull) continue;
      if (!request.isNull) request.free();
      return this.finish(this.verdict(PLAIN, status), request);
    }
  }

  @inline private call(request: BlockRequest, operation: BlockOperation): Direct {
    if (operation == BlockOperation.Write) return changetype<Direct>(this.disk.write(request));
    return changetype<Direct>(this.disk.read(request));
  }

  @inline private finish(status: BlockStatus, request: BlockRequest): u32 {
    this.tally(this.operations[PLAIN], status);
    this.settled(PLAIN, status);
    if (status != BlockStatus.Ok) return <u32>status;
    request.block = this.blocks[PLAIN];
    request.tag = this.tags[PLAIN];
    return request.handle;
  }

  // ── requests in flight ───────────────────────────────────────────────────────────────────────────────────────────

  submit(requests: BlockRequestDeque32): BlockDeviceSubmitResult {
    if (this.openOutbox()) {
      let left = requests.length;
      for (; left > 0 && this.hasRoom(); left--) {
        const operation = <BlockOperation>requests.peek<u8>(0, BlockRequest.operationAt);
        if (this.conflicts(requests.peek<u64>(0, BlockRequest.blockAt), operation)) break;
        this.take(requests.pop(), operation);
      }
      this.send();
    }
    return BlockDeviceSubmitResult.ok(requests);
  }

  poll(done: BlockRequestDeque32): BlockDevicePollResult {
    if (this.freeCount < DEPTH) this.pump();
    let room = BATCH - done.length;
    for (; room > 0 && this.delivered != this.readied; room--) {
      done.push(this.ready[this.delivered++ & (DEPTH - 1)]);
    }
    return BlockDevicePollResult.ok(done);
  }

  private hasRoom(): bool {
    return this.queued < BATCH && this.freeCount > <i32>(this.readied - this.delivered);
  }

  /** A request becomes ours, and gets a slot. */
  private take(request: BlockRequest, operation: BlockOperation): void {
    const slot = <i32>this.free[--this.freeCount];
    this.marks[slot] = ((this.marks[slot] & ~0xff) + 0x100) | slot;
    this.doubted[slot] = 0;
    this.remember(slot, request, operation);
    this.issued(slot);
    this.enqueue(slot, request);
  }

  private enqueue(slot: i32, request: BlockRequest): void {
    request.tag = this.marks[slot];
    this.outbox.push(request);
    this.states[slot] = QUEUED;
    this.queue[this.queued++] = <u8>slot;
  }

  /** Gives the driver what it shall have: what was lost, and what it had no room for. */
  private send(): void {
    for (;;) {
      if (this.lost > 0) this.refill();
      if (this.queued == 0) return;
      const answer = this.disk.submit(this.outbox);
      const fault = answer.fault;
      if (fault == Fault.None) {
        this.outbox = answer.value;
        if (this.sent()) return;
        this.dropOutbox();
        if (this.driver.restart()) continue;
      } else {
        if (fault == Fault.Crashed) this.forgetOutbox();
        if (this.driver.recover(fault)) continue;
      }
      return this.giveUp();
    }
  }

  /** What is no longer in the outbox is with the driver. @returns false when something else came back */
  private sent(): bool {
    const count = this.queued;
    this.queued = 0;
    for (let i = 0; i < count; i++) {
      const slot = <i32>this.queue[i];
      this.states[slot] = SENT;
      this.sentAt[slot] = this.polls;
    }
    for (let i = 0, left = this.outbox.length; i < left; i++) {
      const slot = this.slotOf(this.outbox.peek<u32>(i, BlockRequest.tagAt));
      if (slot < 0) return false;
      this.states[slot] = QUEUED;
      this.queue[this.queued++] = <u8>slot;
    }
    return true;
  }

  /** Makes objects for requests that were lost, as many as there is room for. */
  private refill(): void {
    if (!this.openOutbox()) return;
    for (let slot = 0; slot < DEPTH && this.lost > 0 && this.queued < BATCH; slot++) {
      if (this.states[slot] != LOST) continue;
      const request = this.remake(slot);
      if (request.isNull) return;
      this.lost--;
      this.enqueue(slot, request);
    }
  }

  /** Takes from the driver what is done. When that fails it is restarted, and this poll brings nothing. */
  protected pump(): void {
    this.send();
    if ((++this.polls & (LOOK_EVERY - 1)) == 0 && this.hangs()) return this.restart();
    if (this.inbox.isNull) this.inbox = BlockRequestDeque32.tryCreate();
    if (this.inbox.isNull) return;
    const answer = this.disk.poll(this.inbox);
    const fault = answer.fault;
    if (fault != Fault.None) {
      if (fault == Fault.Crashed) this.inbox = changetype<BlockRequestDeque32>(0);
      if (!this.driver.recover(fault)) this.giveUp();
      return this.send();
    }
    this.inbox = answer.value;
    let fine = true;
    const count = this.inbox.length;
    for (let i = 0; i < count; i++) fine = this.complete(this.inbox.pop()) && fine;
    if (!fine) this.restart();
    else if (count > 0) this.driver.recover(Fault.None);
  }

  /** A request came back. @returns false when the driver cannot be trusted any more */
  private complete(request: BlockRequest): bool {
    const slot = this.slotOf(request.tag);
    if (slot < 0) {
      request.free();
      return false;
    }
    let status = request.status;
    if (status > BlockStatus.Unsupported) status = BlockStatus.Io;
    const believed = this.believes(slot, request, status);
    if (!believed) {
      if (this.doubted[slot]++ < DOUBTS) {
        request.free();
        this.states[slot] = LOST;
        this.lost++;
        return false;
      }
      status = this.verdict(slot, status);
    }
    this.conclude(slot, request, status);
    return believed;
  }

  /** The request is ready for the client, and its slot free. */
  private conclude(slot: i32, request: BlockRequest, status: BlockStatus): void {
    request.block = this.blocks[slot];
    request.operation = this.operations[slot];
    request.tag = this.tags[slot];
    request.status = status;
    this.tally(this.operations[slot], status);
    this.settled(slot, status);
    this.states[slot] = FREE;
    this.free[this.freeCount++] = <u8>slot;
    this.ready[this.readied++ & (DEPTH - 1)] = request;
  }

  // ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a request has been with the driver for too long: it hangs, or somebody else restarted it. */
  private hangs(): bool {
    for (let slot = 0; slot < DEPTH; slot++)
      if (this.states[slot] == SENT && this.polls - this.sentAt[slot] > this.patience) return true;
    return false;
  }

  private restart(): void {
    if (!this.driver.restart()) this.giveUp();
    this.send();
  }

  /** Restarts do not help: what is in flight fails, as far as there are objects to say so. */
  private giveUp(): void {
    this.dropOutbox();
    this.lose(SENT);
    for (let slot = 0; slot < DEPTH && this.lost > 0; slot++) {
      if (this.states[slot] != LOST) continue;
      const request = this.remake(slot);
      if (request.isNull) return;
      this.lost--;
      this.conclude(slot, request, BlockStatus.Io);
    }
  }

  /** The requests of all slots in this state are gone. */
  lose(state: u8): void {
    for (let slot = 0; slot < DEPTH; slot++) {
      if (this.states[slot] != state) continue;
      this.states[slot] = LOST;
      this.lost++;
    }
  }

  private openOutbox(): bool {
    if (this.outbox.isNull) this.outbox = BlockRequestDeque32.tryCreate();
    return !this.outbox.isNull;
  }

  /** The outbox is gone with a driver. */
  private forgetOutbox(): void {
    this.outbox = changetype<BlockRequestDeque32>(0);
    this.queued = 0;
    this.lose(QUEUED);
  }

  private dropOutbox(): void {
    if (!this.outbox.isNull) this.outbox.free();
    this.forgetOutbox();
  }

  // ── slots ────────────────────────────────────────────────────────────────────────────────────────────────────────

  @inline protected inFlight(slot: i32): bool {
    return this.states[slot] != FREE;
  }

  /** Where the copy of what a slot writes lies. */
  @inline protected copyOf(slot: i32): usize {
    return changetype<usize>(this.data) + <usize>(slot * BLOCK);
  }

  @inline private slotOf(tag: u32): i32 {
    const slot = tag & 0xff;
    return slot < <u32>DEPTH && this.states[slot] == SENT && this.marks[slot] == tag ? <i32>slot : -1;
  }

  @inline private remember(slot: i32, request: BlockRequest, operation: BlockOperation): void {
    this.blocks[slot] = request.block;
    this.tags[slot] = request.tag;
    this.operations[slot] = operation;
    if (operation == BlockOperation.Write) request.dataCopyOut(this.copyOf(slot), BLOCK);
  }

  /** A new object for a request that was lost; `isNull` when there is no room for it. */
  private remake(slot: i32): BlockRequest {
    const request = BlockRequest.tryCreate();
    if (request.isNull) return request;
    request.block = this.blocks[slot];
    request.tag = this.tags[slot];
    request.operation = this.operations[slot];
    if (this.operations[slot] == BlockOperation.Write) request.dataCopyIn(this.copyOf(slot), BLOCK);
    return request;
  }

  @inline private tally(operation: BlockOperation, status: BlockStatus): void {
    if (status != BlockStatus.Ok) this.errors++;
    else if (operation == BlockOperation.Write) this.writes++;
    else this.reads++;
  }

  // ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────

  flush(): BlockDeviceFlushResult {
    let answer = this.disk.flush();
    while (this.driver.recover(answer.fault)) answer = this.disk.flush();
    return answer.fault == Fault.None ? answer : BlockDeviceFlushResult.err(BlockError.Io);
  }

  capacity(): BlockDeviceCapacityResult {
    let answer = this.disk.capacity();
    while (this.driver.recover(answer.fault)) answer = this.disk.capacity();
    return answer.fault == Fault.None ? answer : BlockDeviceCapacityResult.err(BlockError.Io);
  }

  /** What clients of the shadow did, over all lives of the driver. */
  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(this.reads, this.writes, this.errors);
  }
}
