/**
 * The shadow of a block device: clients go on while the driver behind is restarted, with up to 128 requests in flight.
 *
 * For each request that the driver has, a slot remembers what it takes to make it again (`os/block-slots`). What a
 * driver loses is submitted again to its next life. Those in flight together take effect in any order (see the
 * interface), so no order is kept.
 *
 * Invariants: a request that was taken comes back once, whatever happens to the driver; slots in use and requests that
 * are ready to be polled are never more than DEPTH; nothing is allocated for a request unless the driver lost it.
 */
import { Borrow } from "heap/modes";
import { DEPTH, LOST, PLAIN, QUEUED, SENT, Slots } from "os/block-slots";
import { Direct, Fault } from "os/rpc";
import { Backing, RESTARTS } from "os/shadow";
import { now } from "os/thread";
import {
  BlockDevice,
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
import { Lifecycle } from "idl/lifecycle";

const BATCH: i32 = BlockRequestDeque32.capacity;
/** Polls between two looks at whether the driver hangs. A power of two. */
const LOOK_EVERY: u32 = 256;
/** What a driver may promise for its `patience`, ms. */
const LEAST_PATIENCE: u32 = 10;
const MOST_PATIENCE: u32 = 120_000;
/** How often an answer is disbelieved before the client gets an error. */
const DOUBTS: u8 = 2;

/** The driver; a new life has none of the requests that the former one had. */
class Driver extends Backing {
  slots: Slots | null = null;

  replay(): Fault {
    this.slots!.loseAll(SENT);
    return Fault.None;
  }
}

export class BlockShadow extends BlockDeviceServer {
  protected driver: Driver;
  protected slots: Slots = new Slots();
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
    this.driver.slots = this.slots;
  }

  // ── what an integrity shadow adds ────────────────────────────────────────────────────────────────────────────────

  /** Whether a request must wait until others are done. */
  protected conflicts(block: u64, operation: BlockOperation): bool {
    return false;
  }

  /** A request is about to go out: a write's data lie at `slots.copyOf(slot)`. */
  protected issued(slot: i32): void {}

  /** Whether an answer can be true. `request` is null when `read` or `write` answered an error. */
  protected believes(slot: i32, request: Borrow<BlockRequest>, status: BlockStatus): bool {
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
    this.slots.remember(PLAIN, request, operation);
    this.issued(PLAIN);
    if (this.conflicts(request.block, operation) && !this.settle(request.block, operation)) {
      request.free();
      return this.finish(BlockStatus.Io, request);
    }
    let doubts: u8 = 0;
    for (;;) {
      const answer = this.call(request, operation);
      const fault = answer.fault;
      if (fault != Fault.None) {
        const again = this.driver.recover(fault);
        const gone = fault == Fault.Crashed;
        if (!again && !gone) request.free();
        if (gone && again) request = this.slots.remake(PLAIN);
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
      if (!tried && request.isNull) request = this.slots.remake(PLAIN);
      if (!tried && !request.isNull) continue;
      if (!request.isNull) request.free();
      return this.finish(this.verdict(PLAIN, status), request);
    }
  }

  /** Waits for the requests that one conflicts with. @returns false when they do not end */
  private settle(block: u64, operation: BlockOperation): bool {
    const end = now() + 2 * <f64>this.patienceOf();
    while (this.conflicts(block, operation)) {
      if (now() > end) return false;
      this.pump();
    }
    return true;
  }

  @inline private call(request: BlockRequest, operation: BlockOperation): Direct {
    if (operation == BlockOperation.Write) return changetype<Direct>(this.disk.write(request));
    return changetype<Direct>(this.disk.read(request));
  }

  @inline private finish(status: BlockStatus, request: BlockRequest): u32 {
    this.tally(this.slots.operations[PLAIN], status);
    this.settled(PLAIN, status);
    if (status != BlockStatus.Ok) return <u32>status;
    request.block = this.slots.blocks[PLAIN];
    request.tag = this.slots.tags[PLAIN];
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
    if (this.slots.freeCount < DEPTH) this.pump();
    let room = BATCH - done.length;
    for (; room > 0 && this.delivered != this.readied; room--) {
      done.push(this.ready[this.delivered++ & (DEPTH - 1)]);
    }
    return BlockDevicePollResult.ok(done);
  }

  private hasRoom(): bool {
    return this.queued < BATCH && this.slots.freeCount > <i32>(this.readied - this.delivered);
  }

  /** A request becomes ours, and gets a slot. */
  private take(request: BlockRequest, operation: BlockOperation): void {
    const slot = this.slots.take();
    this.slots.remember(slot, request, operation);
    this.issued(slot);
    this.enqueue(slot, request);
  }

  private enqueue(slot: i32, request: BlockRequest): void {
    request.tag = this.slots.marks[slot];
    this.outbox.push(request);
    this.slots.states[slot] = QUEUED;
    this.queue[this.queued++] = <u8>slot;
  }

  /** Gives the driver what it shall have: what was lost, and what it had no room for. */
  private send(): void {
    for (;;) {
      if (this.slots.lost > 0) this.refill();
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
      this.slots.states[slot] = SENT;
      this.slots.sentAt[slot] = 0;
    }
    for (let i = 0, left = this.outbox.length; i < left; i++) {
      const slot = this.slots.of(this.outbox.peek<u32>(i, BlockRequest.tagAt));
      if (slot < 0) return false;
      this.slots.states[slot] = QUEUED;
      this.queue[this.queued++] = <u8>slot;
    }
    return true;
  }

  /** Makes objects for requests that were lost, as many as there is room for. */
  private refill(): void {
    if (!this.openOutbox()) return;
    for (let slot = 0; slot < DEPTH && this.slots.lost > 0 && this.queued < BATCH; slot++) {
      if (this.slots.states[slot] != LOST) continue;
      const request = this.slots.remake(slot);
      if (request.isNull) return;
      this.slots.lost--;
      this.enqueue(slot, request);
    }
  }

  /** Takes from the driver what is done. When that fails it is restarted, and this poll brings nothing. */
  protected pump(): void {
    this.send();
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
    // What was done is taken first: also who did not poll for long finds it, and no hanging driver.
    if (!fine || ((++this.polls & (LOOK_EVERY - 1)) == 0 && this.hangs())) this.restart();
    else if (count > 0) this.driver.recover(Fault.None);
  }

  /** A request came back. @returns false when the driver cannot be trusted any more */
  private complete(request: BlockRequest): bool {
    const slot = this.slots.of(request.tag);
    if (slot < 0) {
      request.free();
      return false;
    }
    let status = request.status;
    if (status > BlockStatus.Unsupported) status = BlockStatus.Io;
    const believed = this.believes(slot, request, status);
    if (!believed) {
      if (this.slots.doubts[slot]++ < DOUBTS) {
        request.free();
        this.slots.lose(slot);
        return false;
      }
      status = this.verdict(slot, status);
    }
    this.conclude(slot, request, status);
    return believed;
  }

  /** The request is ready for the client, and its slot free. */
  private conclude(slot: i32, request: BlockRequest, status: BlockStatus): void {
    request.block = this.slots.blocks[slot];
    request.operation = this.slots.operations[slot];
    request.tag = this.slots.tags[slot];
    request.status = status;
    this.tally(this.slots.operations[slot], status);
    this.settled(slot, status);
    this.slots.release(slot);
    this.ready[this.readied++ & (DEPTH - 1)] = request;
  }

  // ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a request has been with the driver for too long: it hangs, or somebody else restarted it. */
  private hangs(): bool {
    const time = now();
    let longest: f64 = 0;
    for (let slot = 0; slot < DEPTH; slot++) {
      if (this.slots.states[slot] != SENT) continue;
      if (this.slots.sentAt[slot] == 0) this.slots.sentAt[slot] = time;
      else longest = max(longest, time - this.slots.sentAt[slot]);
    }
    return longest > <f64>LEAST_PATIENCE && longest > <f64>this.patienceOf();
  }

  /** How long the driver may take, ms: as it says, within bounds. One that does not answer has no time left. */
  private patienceOf(): u32 {
    const answer = this.disk.patience();
    return answer.ok ? min(max(answer.value, LEAST_PATIENCE), MOST_PATIENCE) : LEAST_PATIENCE;
  }

  private restart(): void {
    if (!this.driver.restart()) this.giveUp();
    this.send();
  }

  /** Restarts do not help: what is in flight fails, as far as there are objects to say so. */
  private giveUp(): void {
    this.dropOutbox();
    this.slots.loseAll(SENT);
    for (let slot = 0; slot < DEPTH && this.slots.lost > 0; slot++) {
      if (this.slots.states[slot] != LOST) continue;
      const request = this.slots.remake(slot);
      if (request.isNull) return;
      this.slots.lost--;
      this.conclude(slot, request, BlockStatus.Io);
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
    this.slots.loseAll(QUEUED);
  }

  private dropOutbox(): void {
    if (!this.outbox.isNull) this.outbox.free();
    this.forgetOutbox();
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

  /** As long as the driver in each of the lives that it may take. */
  patience(): BlockDevicePatienceResult {
    return BlockDevicePatienceResult.ok(this.patienceOf() * <u32>(RESTARTS + 1));
  }

  /** What clients of the shadow did, over all lives of the driver. */
  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(this.reads, this.writes, this.errors);
  }
}
