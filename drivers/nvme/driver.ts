/**
 * The driver's life: brings the controller up, keeps it up, and gives it up when nothing helps.
 *
 * A state machine that `advance` moves on; it is called by `step`, and by calls that cannot wait otherwise. Nothing
 * blocks: each phase looks at a register or at a command, and at the clock. What does not answer in time is aborted,
 * then the controller is reset (CC.EN), then the function, then the device is given up. Invariants: commands are sent
 * in phase Ready only; commands that a reset ended are sent again, unless the device was given up; whoever waits gets
 * an answer.
 */
import { Fault } from "os/rpc";
import { Event, now } from "os/thread";
import { NvmeMode } from "idl/nvme";
import { PciDevice, PciError, PciSlot } from "idl/pci";
import { Command, Kind } from "./command";
import { Events } from "./events";
import { Controller, Namespace } from "./identify";
import * as reg from "./registers";
import { Setup } from "./setup";
import { VERDICT_GONE, VERDICT_NOT_READY } from "./status";
import { MAX_QUEUES, Transport } from "./transport";
import { Watch } from "./watch";

export enum Phase {
  /** Asks the bus for the device, then the device to be its driver. */
  Claim,
  Open,
  /** CC.EN is 0, CSTS.RDY not yet. */
  Disable,
  /** CC.EN is 1, CSTS.RDY not yet. */
  Enable,
  /** Identify, features, queues. */
  Setup,
  Ready,
  /** The function is being reset. */
  FunctionReset,
  /** CC.SHN is set, CSTS.SHST not yet. */
  ShutDown,
  Stopped,
  Failed,
}

export const ALL_ONES: u32 = ~0;
const ADMIN_ENTRIES: u32 = 32;
/** Bytes of the largest data of an admin command. */
const ADMIN_TRANSFER: u32 = 4096;
/** How long the bus may take to find the device. */
const CLAIM_MS: f64 = 5000;
const FUNCTION_RESET_MS: f64 = 5000;
const SHUTDOWN_MS: f64 = 2000;
/** A plain call waits this long at most. */
export const PLAIN_MS: f64 = 5000;
/** Looks for completions between two looks at the device. */
const SPINS: u32 = 64;
/** Failures in a row, without a command that succeeded, after which the device is given up. */
const TROUBLES: i32 = 6;

export class Driver extends Transport {
  phase: Phase = Phase.Claim;
  readonly controller: Controller = new Controller();
  readonly namespace: Namespace = new Namespace();
  /** What `configure` asked for. */
  wantedQueues: i32 = 2;
  entries: u32 = 256;
  mode: NvmeMode = NvmeMode.Interrupts;
  timeout: f64 = 1000;
  /** Interrupt vectors that are enabled. */
  vectors: u32 = 0;
  private readonly setup: Setup = new Setup();
  private readonly announced: Events = new Events();
  private deadline: f64 = 0;
  private patience: f64 = reg.CAP_TO_UNIT_MS;
  private readonly watch: Watch = new Watch();
  /** Entries that a queue may have, from CAP.MQES. */
  private most: i32 = 2;
  /** What was wrong with the device's answers; empty: nothing. */
  problem: string = "";
  /** The namespace's form is known: requests can be taken, also while the controller is being reset. */
  known: bool = false;
  /** Size of a logical block, as a power of two, when it was ready last. */
  private readyShift: u32 = 0;
  /** The namespace has changed: it is looked at again. */
  stale: bool = false;
  /** The device layer refuses to work for us: seen at the next look. */
  lost: bool = false;
  /** Of what was tried to bring it up: 0 nothing, 1 a reset of the controller, 2 one of the function. */
  private level: i32 = 0;
  /** Threads that wait for a command, and what those wait for that want a ready controller. */
  waiters: i32 = 0;
  private gate: Event = Event.create();
  timeouts: u32 = 0;
  aborts: u32 = 0;
  resets: u32 = 0;
  functionResets: u32 = 0;
  events: u32 = 0;
  interrupts: u32 = 0;

  constructor(private slot: PciSlot) {
    super();
    this.deadline = now() + CLAIM_MS;
  }

  get hopeful(): bool {
    return this.phase != Phase.Failed && this.phase != Phase.Stopped && this.phase != Phase.ShutDown;
  }

  @inline get isReady(): bool {
    return this.phase == Phase.Ready;
  }

  /** Whether it stays as it is until somebody calls `configure`. */
  @inline get isOver(): bool {
    return this.phase == Phase.Failed || this.phase == Phase.Stopped;
  }

  /** What requests fail with that cannot be served. */
  get verdict(): u32 {
    return this.phase == Phase.Failed ? VERDICT_GONE : VERDICT_NOT_READY;
  }

  /** Longest time, ms, after which a request has come back, whatever the device does. */
  get longest(): f64 {
    return (2 * this.timeout + 3 * this.patience + FUNCTION_RESET_MS) * 2;
  }

  /** What `step` of the domain answers: see `runtime/guest/os/thread`. */
  step(): i32 {
    this.asleep = false;
    if (this.vectors > 0) this.countInterrupts();
    if (this.tend()) return 1;
    if (this.isOver) {
      this.asleep = true;
      return -1;
    }
    if (!this.isReady) return 0;
    if (this.vectors == 0 && this.waiters > 0) return 1;
    const admin = this.queues[0].outstanding - (this.announced.waits ? 1 : 0);
    this.asleep = this.inFlight == 0 && admin == 0 && this.backlog.isEmpty;
    return this.asleep ? -1 : 0;
  }

  private countInterrupts(): void {
    const answer = this.device.pending();
    if (answer.ok) this.interrupts += popcnt(answer.value);
  }

  // ── moving on ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Looks at what the device has done meanwhile, and does what follows.
   * @returns whether to call again at once
   */
  tend(): bool {
    const time = now();
    const phase = this.phase;
    if (phase == Phase.Setup || phase == Phase.Ready || phase == Phase.Failed) {
      if (this.queues[0].outstanding > 0) this.collect(this.queues[0]);
      this.collectAll();
    }
    let moved = this.advance(time);
    while (moved && this.advance(time)) moved = true;
    if ((this.isReady || this.phase == Phase.Setup) && !this.watch.look(this, time)) this.escalate(time);
    if (this.isReady) this.sendBacklog();
    return moved || this.phase == Phase.Setup;
  }

  private advance(time: f64): bool {
    switch (this.phase) {
      case Phase.Claim:
        return this.claim(time);
      case Phase.Open:
        return this.open(time);
      case Phase.Disable:
        return this.disabling(time);
      case Phase.Enable:
        return this.enabling(time);
      case Phase.Setup:
        return this.settingUp();
      case Phase.FunctionReset:
        return this.resetting(time);
      case Phase.ShutDown:
        return this.shuttingDown(time);
      default:
        return false;
    }
  }

  private claim(time: f64): bool {
    const answer = this.slot.claim(0);
    if (!answer.ok) {
      if (time > this.deadline || (answer.isError && answer.error == PciError.Gone)) this.giveUp();
      return false;
    }
    this.device = answer.value;
    this.phase = Phase.Open;
    return true;
  }

  private open(time: f64): bool {
    const answer = this.device.open();
    if (answer.ok) return this.begin(time);
    // A former life's device is still being reset: then it is busy, and whether that ends well, the device layer knows.
    if (!answer.isError || answer.error != PciError.Busy) this.giveUp();
    return false;
  }

  /** The device is ours, and does nothing for us: looks at CAP, and starts from CC.EN = 0. */
  private begin(time: f64): bool {
    const low = this.read(reg.CAP);
    const high = this.read(reg.CAP_HIGH);
    if (low == ALL_ONES && high == ALL_ONES) return this.escalate(time);
    const page = (high >> reg.CAP_MPSMIN_SHIFT) & reg.CAP_MPSMIN_MASK;
    if (((high >> reg.CAP_CSS_NVM_SHIFT) & 1) == 0 || page != 0) {
      // No NVM command set, or pages larger than 4 KiB.
      this.giveUp();
      return false;
    }
    const units = (low >> reg.CAP_TO_SHIFT) & reg.CAP_TO_MASK;
    this.patience = <f64>(max<u32>(units, 1) * reg.CAP_TO_UNIT_MS);
    this.most = <i32>min<u32>(low & reg.CAP_MQES_MASK, u16.MAX_VALUE) + 1;
    return this.disable(time);
  }

  /** Entries of the I/O queues: what was asked for, or what the controller can. */
  get ioEntries(): u32 {
    let entries = this.entries;
    while (entries > <u32>this.most && entries > 2) entries >>= 1;
    return entries;
  }

  private disable(time: f64): bool {
    this.active = 0;
    const cc = this.read(reg.CC);
    if (cc == ALL_ONES) return this.escalate(time);
    if ((cc & reg.CC_EN) != 0 && !this.write(reg.CC, cc & ~reg.CC_EN)) return this.escalate(time);
    this.phase = Phase.Disable;
    this.deadline = time + this.patience;
    return true;
  }

  private disabling(time: f64): bool {
    const csts = this.read(reg.CSTS);
    if (csts == ALL_ONES || ((csts & reg.CSTS_RDY) != 0 && time > this.deadline)) return this.escalate(time);
    if ((csts & reg.CSTS_RDY) != 0) return false;
    this.dropQueues();
    const entries = min<u32>(ADMIN_ENTRIES, <u32>this.most);
    if (!this.device.createQueue(0, entries, ADMIN_TRANSFER).ok) return this.escalate(time);
    this.queues[0].reset(entries);
    const sizes = (reg.SQES << reg.CC_IOSQES_SHIFT) | (reg.CQES << reg.CC_IOCQES_SHIFT);
    if (!this.write(reg.CC, sizes | reg.CC_EN)) return this.escalate(time);
    this.phase = Phase.Enable;
    this.deadline = time + this.patience;
    return true;
  }

  private enabling(time: f64): bool {
    const csts = this.read(reg.CSTS);
    if (csts == ALL_ONES || (csts & reg.CSTS_CFS) != 0 || time > this.deadline) return this.escalate(time);
    if ((csts & reg.CSTS_RDY) == 0) return false;
    this.phase = Phase.Setup;
    this.setup.start();
    return true;
  }

  private settingUp(): bool {
    if (!this.setup.advance(this)) return false;
    if (this.setup.failed) return this.escalate(now());
    // What waits was made for blocks of another size.
    if (this.known && this.readyShift != this.namespace.shift) this.failBacklog(VERDICT_NOT_READY);
    this.readyShift = this.namespace.shift;
    this.phase = Phase.Ready;
    this.known = true;
    this.level = 0;
    this.active = this.setup.queues;
    this.announced.request(this);
    this.gate.set();
    return true;
  }

  /** Everything that was under way comes back, and the rings go. */
  private dropQueues(): void {
    for (let i = 0; i <= MAX_QUEUES; i++) {
      const queue = this.queues[i];
      if (queue.outstanding > 0) this.collect(queue);
      if (queue.entries == 0) continue;
      this.device.destroyQueue(queue.id);
      queue.entries = 0;
    }
  }

  // ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What was tried did not help: the next stronger means. */
  escalate(time: f64): bool {
    this.active = 0;
    if (++this.troubles > TROUBLES) this.level = 2;
    this.level++;
    if (this.level == 1) {
      this.resets++;
      return this.disable(time);
    }
    if (this.level == 2 && this.device.reset().ok) {
      this.functionResets++;
      this.phase = Phase.FunctionReset;
      this.deadline = time + FUNCTION_RESET_MS;
      return true;
    }
    this.giveUp();
    return false;
  }

  private resetting(time: f64): bool {
    const answer = this.device.state();
    if (!answer.ok || answer.gone || (answer.resetting && time > this.deadline)) {
      this.giveUp();
      return false;
    }
    if (answer.resetting) return false;
    this.dropQueues();
    return this.begin(time);
  }

  /** Nothing is sent any more, and whoever waits hears it. What the device has comes back when it is silent. */
  private giveUp(): void {
    this.active = 0;
    this.phase = Phase.Failed;
    if (!this.device.isNull) {
      this.device.reset();
      for (let i = 0; i <= MAX_QUEUES; i++) if (this.queues[i].outstanding > 0) this.collect(this.queues[i]);
    }
    this.failBacklog(VERDICT_GONE);
    this.gate.set();
  }

  refused(error: PciError): void {
    // During a reset it is busy, and the phase knows.
    if (error == PciError.Busy || this.phase == Phase.Failed) return;
    this.active = 0;
    this.troubles = TROUBLES;
    this.lost = true;
  }

  settled(command: Command): void {
    if (command.kind == Kind.Abort) this.commands.release(command);
    else if (command.kind != Kind.Setup) this.announced.settled(this, command);
  }

  // ── waiting, and ending ──────────────────────────────────────────────────────────────────────────────────────────

  /** I/O commands under way. */
  get inFlight(): i32 {
    let count = 0;
    for (let i = 1; i <= MAX_QUEUES; i++) count += this.queues[i].outstanding;
    return count;
  }

  /** For plain calls: whether the controller is ready, or gets ready in time. */
  awaitReady(): bool {
    const end = now() + PLAIN_MS;
    while (!this.isReady && !this.isOver && now() < end) this.tend();
    return this.isReady;
  }

  /** The same for a thread. */
  waitReady(): bool {
    let fault = Fault.None;
    while (!this.isReady && !this.isOver && fault == Fault.None) {
      this.gate.clear();
      fault = this.gate.wait(PLAIN_MS);
    }
    return this.isReady;
  }

  /**
   * Sends a command and looks for its end, for a plain call.
   * @returns false when it did not end in time: `abandon` it
   */
  run(command: Command): bool {
    const end = now() + PLAIN_MS;
    this.issue(command);
    for (let spins: u32 = 1; !command.done; spins++) {
      this.collectAll();
      if (command.done || spins % SPINS != 0) continue;
      this.tend();
      if (now() > end) return command.done;
    }
    return true;
  }

  /** Nobody waits for the command any more; what it has is freed, now or when it comes back. */
  abandon(command: Command): void {
    if (command.done) this.discard(command);
    else command.kind = Kind.Abandoned;
  }

  /** A new start with other settings, whatever the phase. A device that was given up has nothing left (`allBack`). */
  restart(): void {
    const time = now();
    this.level = 0;
    this.troubles = 0;
    this.deadline = time + CLAIM_MS;
    if (this.phase == Phase.Claim || this.phase == Phase.Open) return;
    this.active = 0;
    if (this.phase == Phase.Failed) {
      this.phase = this.device.isNull ? Phase.Claim : Phase.Open;
      if (!this.device.isNull) this.device.close();
    } else if (this.phase != Phase.FunctionReset) this.disable(time);
  }

  /** 7.6.2: sets CC.SHN and waits for CSTS.SHST. @returns false when the controller does not say that it is done */
  shutDown(): bool {
    if (!this.awaitReady()) return this.phase == Phase.Stopped;
    const end = now() + SHUTDOWN_MS;
    while (this.inFlight > 0 && this.isReady && now() < end) this.tend();
    this.active = 0;
    const cc = this.read(reg.CC) & ~(reg.CC_SHN_MASK << reg.CC_SHN_SHIFT);
    this.phase = Phase.ShutDown;
    this.deadline = now() + SHUTDOWN_MS;
    this.failBacklog(VERDICT_NOT_READY);
    if (!this.write(reg.CC, cc | (reg.CC_SHN_NORMAL << reg.CC_SHN_SHIFT))) this.giveUp();
    while (this.phase == Phase.ShutDown) this.advance(now());
    return this.phase == Phase.Stopped;
  }

  private shuttingDown(time: f64): bool {
    const csts = this.read(reg.CSTS);
    if (csts == ALL_ONES || time > this.deadline) this.giveUp();
    else if (((csts >> reg.CSTS_SHST_SHIFT) & reg.CSTS_SHST_MASK) == reg.CSTS_SHST_COMPLETE) {
      for (let i = 0; i <= MAX_QUEUES; i++) if (this.queues[i].outstanding > 0) this.collect(this.queues[i]);
      this.phase = Phase.Stopped;
    }
    return false;
  }

  /** All ones when the device is gone, or no longer ours. */
  read(register: u32): u32 {
    const answer = this.device.read32(0, register);
    return answer.ok ? answer.value : ALL_ONES;
  }

  private write(register: u32, value: u32): bool {
    return this.device.write32(0, register, value).ok;
  }
}
