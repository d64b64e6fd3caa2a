/**
 * Commands on their way: from the backlog to the controller's queues, and back to who asked for them.
 *
 * Owns the device's capability and the two batches through which commands and completions pass. Invariants: every
 * command that was taken is concluded once; at most BLOCKS block requests are taken and not polled, so that the ring of
 * those that are done never overflows; in flight, `submit` and `poll` enter the device layer once for each batch.
 */
import { HeapObject } from "heap/object";
import { OwnedArray } from "heap/owned";
import { objectOf } from "os/dma";
import { wakeStep } from "os/thread";
import { BlockRequest } from "idl/block-device";
import { DmaBatch, PciDevice, PciError } from "idl/pci";
import { Bounce, copyData } from "./bounce";
import { Backlog, Command, Commands, Kind } from "./command";
import { Queue } from "./queue";
import { blockStatusOf, isTransient, SUCCESS, VERDICT_EXHAUSTED, VERDICT_REFUSED } from "./status";

/** Block requests that are taken and not polled. A power of two. */
export const BLOCKS: i32 = 128;
/** I/O queue pairs. */
export const MAX_QUEUES: i32 = 8;
const BATCH: i32 = 64;
/** Completions that one call brings at most. */
const COMPLETIONS: u32 = 256;
/** How often a command is sent before its error is believed. */
const ATTEMPTS: i32 = 5;

export abstract class Transport {
  device: PciDevice = objectOf<PciDevice>(0);
  readonly commands: Commands = new Commands();
  readonly backlog: Backlog = new Backlog();
  readonly bounce: Bounce = new Bounce();
  /** Number 0 is the admin pair. */
  readonly queues: StaticArray<Queue> = new StaticArray<Queue>(MAX_QUEUES + 1);
  /** I/O queue pairs in use; 0 unless commands may be sent. */
  active: i32 = 0;
  /** Block requests that are taken and not polled, and the ring of those that are done. */
  taken: i32 = 0;
  private done: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(BLOCKS);
  private readied: u32 = 0;
  private polled: u32 = 0;
  private readonly outgoing: DmaBatch = DmaBatch.create();
  private readonly incoming: DmaBatch = DmaBatch.create();
  private posted: StaticArray<Command> = new StaticArray<Command>(BATCH);
  private count: i32 = 0;
  /** `step` sleeps until it is woken. */
  asleep: bool = false;
  /** Resets without a command that succeeded between them. */
  troubles: i32 = 0;
  bounced: u32 = 0;
  /** How often the first command that waits was dealt with, although the device layer did not take it. */
  private passed: u32 = 0;
  lies: u32 = 0;

  constructor() {
    for (let i = 0; i <= MAX_QUEUES; i++) this.queues[i] = new Queue(i);
  }

  // ── what the driver adds ─────────────────────────────────────────────────────────────────────────────────────────

  /** Whether commands are still to be sent again. False: the device is given up, or was shut down. */
  abstract get hopeful(): bool;

  /** A command of the driver's own is done. */
  abstract settled(command: Command): void;

  /** The device layer answered with an error. */
  abstract refused(error: PciError): void;

  // ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The queue that commands go to: the first one that has room, so that a batch rarely needs two doorbells. */
  @inline pick(): Queue | null {
    for (let i = 1; i <= this.active; i++) {
      const queue = this.queues[i];
      if (queue.room > 0) return queue;
    }
    return null;
  }

  /** Puts a command into the batch for a queue, which has room. `ring` sends it. */
  @inline post(queue: Queue, command: Command): void {
    queue.admit(command);
    command.attempts++;
    command.since = 0;
    command.encode(this.outgoing, this.count);
    this.posted[this.count++] = command;
  }

  @inline get isFull(): bool {
    return this.count == BATCH;
  }

  /** Sends the batch. What the device layer does not take of I/O is first in the backlog. */
  ring(queue: Queue): void {
    const count = this.count;
    if (count == 0) return;
    this.count = 0;
    if (this.asleep) this.wake();
    const answer = this.device.submit(queue.id, this.outgoing, <u32>count);
    if (answer.ok && <i32>answer.taken == count) return;
    const taken = answer.ok ? <i32>answer.taken : 0;
    const outside = answer.ok && answer.outside;
    for (let i = count - 1; i >= taken; i--) {
      const command = this.posted[i];
      queue.settle(command.cid);
      command.queue = null;
      command.attempts--;
      // An admin command is not repeated, least of all on another queue: who issued it is told.
      if (queue.id != 0) this.backlog.unshift(command);
    }
    if (outside && queue.id != 0) this.reroute();
    else if (answer.isError) {
      if (answer.error != PciError.Refused) this.refused(answer.error);
      else if (queue.id != 0) this.notLetThrough();
    }
  }

  /** The device does not reach the first command's object: its data go through a buffer. */
  private reroute(): void {
    const command = this.backlog.shift()!;
    const buffer = command.original == 0 ? this.bounce.take(command.bytes) : 0;
    // It waits for a buffer when one will come back.
    if (command.original != 0 || (buffer == 0 && !this.bounce.lent(command.bytes))) {
      this.passed++;
      return this.conclude(command, command.object, VERDICT_EXHAUSTED, 0);
    }
    if (buffer != 0) {
      this.passed++;
      this.bounced++;
      command.original = command.object;
      command.object = buffer;
      if (!command.inbound) copyData(command.original, buffer, command.bytes);
    }
    this.backlog.unshift(command);
  }

  /** This device must not be written to: the first command does, and all that do are done with it. */
  private notLetThrough(): void {
    this.passed++;
    const first = this.backlog.shift()!;
    this.conclude(first, first.object, VERDICT_REFUSED, 0);
    const others = new Backlog();
    for (let command = this.backlog.shift(); command !== null; command = this.backlog.shift()) {
      if (command.changesData) this.conclude(command, command.object, VERDICT_REFUSED, 0);
      else others.push(command);
    }
    for (let command = others.shift(); command !== null; command = others.shift()) this.backlog.push(command);
  }

  /** Sends a command now or when it can be. */
  issue(command: Command): void {
    const queue = this.backlog.isEmpty ? this.pick() : null;
    if (queue === null) {
      this.backlog.push(command);
      if (this.asleep) this.wake();
      return;
    }
    this.post(queue, command);
    this.ring(queue);
  }

  /** Sends what waits, as much as there is room for. */
  sendBacklog(): void {
    while (!this.backlog.isEmpty) {
      const queue = this.pick();
      if (queue === null) return;
      const before = this.passed;
      while (queue.room > 0 && !this.isFull && !this.backlog.isEmpty) {
        const command = this.backlog.shift()!;
        // What nobody waits for must not take effect later.
        if (command.kind == Kind.Abandoned) this.discard(command);
        else this.post(queue, command);
      }
      const room = queue.room;
      this.ring(queue);
      // Nothing was taken, and the first one still waits: later.
      if (!this.backlog.isEmpty && queue.room > room && before == this.passed) return;
    }
  }

  /** Sends an admin command; it is not repeated. @returns false: it was not taken, and is the caller's again */
  issueAdmin(command: Command): bool {
    const queue = this.queues[0];
    if (queue.room == 0) return false;
    this.post(queue, command);
    this.ring(queue);
    return command.queue !== null;
  }

  wake(): void {
    this.asleep = false;
    wakeStep();
  }

  // ── back ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what is done from all I/O queues. */
  @inline collectAll(): void {
    for (let i = 1; i <= this.active; i++) if (this.queues[i].outstanding > 0) this.collect(this.queues[i]);
  }

  /** Takes what is done from every queue. @returns whether nothing is left with the device */
  allBack(): bool {
    let left = 0;
    for (let i = 0; i < this.queues.length; i++) {
      if (this.queues[i].outstanding > 0) this.collect(this.queues[i]);
      left += this.queues[i].outstanding;
    }
    return left == 0;
  }

  /** Takes what is done from one queue. */
  collect(queue: Queue): void {
    for (let more = true; more;) {
      const answer = this.device.complete(queue.id, this.incoming);
      if (!answer.ok) {
        if (answer.isError) this.refused(answer.error);
        return;
      }
      const count = answer.value;
      for (let i: u32 = 0; i < count; i++) {
        const first = this.incoming.bytesLoad<u64>(i * 16);
        const second = this.incoming.bytesLoad<u64>(i * 16 + 8);
        this.completed(queue, <u32>second & 0xffff, <u32>(first >> 32), <u32>(second >> 32), <u32>first);
      }
      more = count == COMPLETIONS;
    }
  }

  @inline private completed(queue: Queue, cid: u32, handle: u32, code: u32, result: u32): void {
    const command = queue.settle(cid);
    if (command !== null) {
      if (code == SUCCESS && queue.id != 0) this.troubles = 0;
      this.conclude(command, handle, code, result);
    } else {
      this.lies++;
      if (handle != 0) objectOf<HeapObject>(handle).free();
    }
  }

  /**
   * A command is done, or is sent again.
   * @param handle what it has now
   * @param code status field, or a verdict
   */
  conclude(command: Command, handle: u32, code: u32, result: u32): void {
    command.object = handle;
    command.queue = null;
    if (code != SUCCESS && this.again(command, code)) {
      command.aborting = false;
      return this.backlog.push(command);
    }
    if (command.original != 0) this.restore(command, code);
    if (command.kind == Kind.Block) {
      const request = objectOf<BlockRequest>(command.object);
      request.status = blockStatusOf(code);
      this.commands.release(command);
      return this.finish(request);
    }
    command.code = code;
    command.result = result;
    command.done = true;
    if (command.kind == Kind.Waited) {
      if (command.waiting) command.event.set();
    } else if (command.kind == Kind.Abandoned) this.discard(command);
    else this.settled(command);
  }

  private again(command: Command, code: u32): bool {
    const repeats = command.kind == Kind.Block || command.kind == Kind.Waited;
    return repeats && this.hopeful && isTransient(code) && command.attempts < ATTEMPTS;
  }

  /** The client's object instead of the buffer. */
  private restore(command: Command, code: u32): void {
    const buffer = command.object;
    if (code == SUCCESS && command.inbound) copyData(buffer, command.original, command.bytes);
    this.bounce.give(buffer, command.bytes);
    command.object = command.original;
    command.original = 0;
  }

  /** Nobody wants it. */
  discard(command: Command): void {
    if (command.object != 0) objectOf<HeapObject>(command.object).free();
    this.commands.release(command);
  }

  /** A block request is ready to be polled. */
  @inline finish(request: BlockRequest): void {
    this.done.put(request, this.readied++ & (BLOCKS - 1));
  }

  @inline get hasDone(): bool {
    return this.polled != this.readied;
  }

  /** The next block request that is done. */
  @inline takeDone(): BlockRequest {
    this.taken--;
    return this.done.take(this.polled++ & (BLOCKS - 1));
  }

  /** Everything in the backlog fails. */
  failBacklog(code: u32): void {
    for (let command = this.backlog.shift(); command !== null; command = this.backlog.shift())
      this.conclude(command, command.object, code, 0);
  }
}
