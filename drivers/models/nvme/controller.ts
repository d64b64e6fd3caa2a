/**
 * The controller: registers, its life from CC.EN to shutdown, queues and their doorbells (NVMe 1.4, 3.1, 7.3, 7.6).
 *
 * Invariant: commands are fetched and completed only while CSTS.RDY = 1, CFS = 0 and no shutdown is under way; after a
 * reset nothing of the former life completes. A step carries out at most `BURST` commands of each queue, and
 * stops when they have moved `BURST_BYTES`.
 */
import type { ModelHost, RegisterPage } from "../model.ts";
import { Random } from "../random.ts";
import { admin } from "./admin.ts";
import { AsyncEvents, INVALID_DOORBELL_VALUE, WRITE_TO_INVALID_DOORBELL, type AsyncEvent } from "./events.ts";
import { Faults, type HangUntil, type NvmeFault } from "./faults.ts";
import { Features } from "./features.ts";
import { io, transferBytes, writes } from "./io.ts";
import { ErrorLog, Health } from "./logs.ts";
import { vectorsOf, type NvmeOptions } from "./options.ts";
import { Pending, Timing } from "./pending.ts";
import { PAGE, PrpWalk, address } from "./prp.ts";
import { Command, CompletionQueue, SubmissionQueue } from "./queues.ts";
import * as spec from "./spec.ts";
import { CSTS_CFS, CSTS_RDY, DOORBELLS, MORE, Register } from "./spec.ts";
import { Store } from "./store.ts";

/** What a command that completes later, or never, gives instead of a status. */
export const NO_COMPLETION = -1;
const BURST = 64;
/** And so many bytes, of which one command can be more than its share. */
const BURST_BYTES = 8 << 20;
/** Commands that are fetched and not complete, at most. */
const MAX_UNDER_WAY = 4096;
const CC_WRITABLE = 0x00ff_fff1;
/** CAP.TO is in units of 500 ms; who waits for CSTS.RDY gets so many more than it should take. */
const TIMEOUT_UNIT_MS = 500;
const TIMEOUT_MARGIN = 2;
const CAP_CQR = 1 << 16;
const CAP_TO_SHIFT = 24;
/** In the high word: the NVM command set. */
const CAP_CSS_NVM = 1 << 5;
const SHIFT_IOSQES = 6;
const SHIFT_IOCQES = 4;

export class Controller {
  readonly host: ModelHost;
  readonly options: NvmeOptions;
  readonly vectors: number;
  readonly store: Store;
  readonly features: Features;
  readonly events = new AsyncEvents();
  readonly errors = new ErrorLog();
  readonly health = new Health();
  readonly faults = new Faults();
  readonly pending = new Pending();
  readonly walk = new PrpWalk();
  /** Bytes that this step has moved. */
  moved = 0;
  /** By id; 0 are the admin queues. */
  readonly sqs: (SubmissionQueue | null)[];
  readonly cqs: (CompletionQueue | null)[];
  readonly #page: RegisterPage;
  readonly #timing: Timing;
  readonly #started: number;
  readonly #current: Command;
  /** Those of `sqs` and `cqs` that there are. */
  #submission: SubmissionQueue[] = [];
  #completion: CompletionQueue[] = [];
  #readyAt = Number.POSITIVE_INFINITY;
  #running = false;
  #shutDown = false;
  #hung: HangUntil | null = null;
  #removed = false;

  /** @throws Error when the store cannot be had */
  constructor(host: ModelHost, options: NvmeOptions, page: RegisterPage) {
    this.host = host;
    this.options = options;
    this.vectors = vectorsOf(options);
    this.store = new Store(options);
    this.features = new Features(options.queues, options.writeCache);
    this.sqs = Array.from({ length: options.queues + 1 }, () => null);
    this.cqs = Array.from({ length: options.queues + 1 }, () => null);
    this.#page = page;
    this.#timing = new Timing(options);
    this.#started = host.now();
    const none = new CompletionQueue(host.dma, 0, 0, 2, 0, false);
    this.#current = new Command(new SubmissionQueue(host.dma, 0, 0, 2, none));
    this.#firstRegisters();
  }

  get uptimeMs(): number {
    return this.host.now() - this.#started;
  }

  get nextEvent(): number {
    if (this.#removed) return Number.POSITIVE_INFINITY;
    return Math.min(this.#hung === null ? this.#readyAt : Number.POSITIVE_INFINITY, this.pending.next);
  }

  register(offset: number): number {
    return this.#page[offset >> 2]!;
  }

  #set(offset: number, value: number): void {
    Atomics.store(this.#page, offset >> 2, value);
  }

  #firstRegisters(): void {
    this.#page.fill(0);
    const timeout = Math.ceil(this.options.readyMs / TIMEOUT_UNIT_MS) + TIMEOUT_MARGIN;
    this.#set(Register.CAP, (this.options.entries - 1) | CAP_CQR | (timeout << CAP_TO_SHIFT));
    this.#set(Register.CAP + 4, CAP_CSS_NVM);
    this.#set(Register.VS, spec.VERSION_1_4);
  }

  write(offset: number, value: number): void {
    if (this.#removed) return;
    if (offset >= DOORBELLS) return this.#doorbell((offset - DOORBELLS) >> 2, value & 0xffff);
    const mask = this.register(Register.INTMS);
    switch (offset) {
      case Register.INTMS:
        return this.#setMask(mask | value);
      case Register.INTMC:
        return this.#setMask(mask & ~value);
      case Register.CC:
        return this.#configure(value & CC_WRITABLE);
      case Register.AQA:
        return this.#set(offset, value & 0x0fff_0fff);
      case Register.ASQ:
      case Register.ACQ:
        return this.#set(offset, value & ~(PAGE - 1));
      case Register.ASQ + 4:
      case Register.ACQ + 4:
        return this.#set(offset, value);
      default: // read only, or none
    }
  }

  /** 3.1.3: of no effect with MSI-X, which this controller has alone. */
  #setMask(mask: number): void {
    this.#set(Register.INTMS, mask);
    this.#set(Register.INTMC, mask);
  }

  /** 3.1.5. */
  #configure(cc: number): void {
    const before = this.register(Register.CC);
    this.#set(Register.CC, cc);
    if (this.#hung === "never" || this.#hung === "function-reset") return;
    const turned = (before ^ cc) & spec.CC_EN;
    if (turned !== 0 && (cc & spec.CC_EN) !== 0) this.#enable(cc);
    if (turned !== 0 && (cc & spec.CC_EN) === 0) this.#disable();
    const shn = (cc >>> spec.CC_SHN_SHIFT) & 3;
    const shnBefore = (before >>> spec.CC_SHN_SHIFT) & 3;
    if (shn !== 0 && shnBefore === 0) this.#beginShutdown();
    if (shn === 0 && shnBefore !== 0 && this.#shutDown) this.#status(spec.CSTS_SHST_MASK, 0);
  }

  #status(clear: number, set: number): void {
    this.#set(Register.CSTS, (this.register(Register.CSTS) & ~clear) | set);
  }

  #enable(cc: number): void {
    this.#status(spec.CSTS_SHST_MASK, 0);
    this.#shutDown = false;
    const aqa = this.register(Register.AQA);
    const settings = ((cc >>> spec.CC_CSS_SHIFT) & 7) | ((cc >>> spec.CC_MPS_SHIFT) & 15);
    const arbitration = (cc >>> spec.CC_AMS_SHIFT) & 7;
    // Undefined to the specification: command sets, page sizes, arbitration it has not, a queue of one entry.
    if (settings !== 0 || arbitration !== 0 || (aqa & 0xfff) === 0 || aqa >>> 16 === 0) return this.fatal();
    this.#readyAt = this.host.now() + this.options.readyMs;
  }

  #becomeReady(): void {
    this.#readyAt = Number.POSITIVE_INFINITY;
    const aqa = this.register(Register.AQA);
    const base = (low: number): number => address(this.register(low), this.register(low + 4));
    const { dma } = this.host;
    const cq = new CompletionQueue(dma, 0, base(Register.ACQ), (aqa >>> 16) + 1, 0, true);
    this.cqs[0] = cq;
    this.sqs[0] = new SubmissionQueue(dma, 0, base(Register.ASQ), (aqa & 0xfff) + 1, cq);
    this.queuesChanged();
    this.#status(0, CSTS_RDY);
    this.#running = true;
  }

  /** 7.3.2: a controller reset. What the cache holds stays. */
  #disable(): void {
    this.#hung = null;
    this.#readyAt = Number.POSITIVE_INFINITY;
    this.#running = false;
    this.#shutDown = false;
    for (const sq of this.#submission) sq.gone = true;
    this.sqs.fill(null);
    this.cqs.fill(null);
    this.queuesChanged();
    this.pending.drop(null);
    this.events.reset();
    this.features.reset();
    this.store.cached = this.options.writeCache;
    this.health.warning = 0;
    this.#status(-1, 0);
  }

  /** As after a function level reset, or after power came back. */
  reset(): void {
    if (this.#removed) return;
    if (this.#hung !== "never") this.#disable();
    this.#firstRegisters();
  }

  /** 7.6.2. */
  #beginShutdown(): void {
    this.#running = false;
    this.#readyAt = Number.POSITIVE_INFINITY;
    this.#shutDown = true;
    this.pending.drop(null);
    try {
      this.store.flush();
      this.#status(spec.CSTS_SHST_MASK, spec.CSTS_SHST_COMPLETE);
    } catch {
      this.health.mediaErrors++;
      this.#status(spec.CSTS_SHST_MASK, spec.CSTS_SHST_OCCURRING | CSTS_CFS);
    }
  }

  /** 9.5: the controller cannot go on. */
  fatal(): void {
    this.#running = false;
    this.#status(0, CSTS_CFS);
  }

  /** 3.1.24 and 3.1.25. */
  #doorbell(index: number, value: number): void {
    if (!this.#running || this.#hung !== null) return;
    const queue = (index & 1) === 0 ? this.sqs[index >> 1] : this.cqs[index >> 1];
    if (queue == null) return this.raise(WRITE_TO_INVALID_DOORBELL);
    if (value >= queue.size) return this.raise(INVALID_DOORBELL_VALUE);
    if (queue instanceof SubmissionQueue) {
      queue.tail = value;
      return;
    }
    const taken = (value - queue.head + queue.size) % queue.size;
    const there = (queue.tail - queue.head + queue.size) % queue.size;
    if (taken > there) return this.raise(INVALID_DOORBELL_VALUE);
    queue.head = value;
  }

  raise(event: AsyncEvent): void {
    this.events.raise(event);
  }

  queuesChanged(): void {
    this.#submission = this.sqs.filter((sq) => sq !== null);
    this.#completion = this.cqs.filter((cq) => cq !== null);
  }

  /** Whether the driver set the sizes of entries as they are. 3.1.5, IOSQES and IOCQES */
  get entrySizesSet(): boolean {
    const cc = this.register(Register.CC);
    const iosqes = (cc >>> spec.CC_IOSQES_SHIFT) & 15;
    return iosqes === SHIFT_IOSQES && ((cc >>> spec.CC_IOCQES_SHIFT) & 15) === SHIFT_IOCQES;
  }

  step(): boolean {
    if (this.#removed) return false;
    this.moved = 0;
    let did = this.#carryOut();
    if (this.#hung !== null) return did;
    if (this.#readyAt !== Number.POSITIVE_INFINITY && this.host.now() >= this.#readyAt) {
      this.#becomeReady();
      did = true;
    }
    if (!this.#running) return did;
    for (const cq of this.#completion) if (cq.waiting.length > 0) did = this.#postWaiting(cq) || did;
    for (const sq of this.#submission) if (!sq.empty) did = this.#serve(sq) || did;
    for (let event = this.events.next(); event !== undefined; event = this.events.next()) this.complete(event, 0);
    this.#interrupt();
    return did;
  }

  /** Fetches and carries out what a queue has, as far as there is room for the answers. */
  #serve(sq: SubmissionQueue): boolean {
    const command = this.#current;
    let served = 0;
    while (served < BURST && !sq.empty && !sq.cq.full && sq.cq.waiting.length === 0 && this.#running) {
      if (this.pending.size >= MAX_UNDER_WAY || this.#hung !== null || sq.gone || this.moved >= BURST_BYTES) break;
      if (!sq.fetch(command)) {
        this.fatal();
        break;
      }
      served++;
      this.#dispatch(command);
    }
    return served > 0;
  }

  #dispatch(command: Command): void {
    if (this.faults.any) {
      const fault = this.faults.take(command);
      if (fault !== undefined) return this.#suffer(command, fault);
    }
    if (this.#timing.none || command.sq.id === 0) return this.#execute(command);
    const bytes = transferBytes(command, this.store.lbaShift);
    this.#defer(command, this.#timing.due(this.host.now(), writes(command.opcode), bytes), false);
  }

  #defer(command: Command, due: number, stubborn: boolean): void {
    const later = command.copy();
    later.due = due;
    later.stubborn = stubborn;
    this.pending.add(later);
  }

  #execute(command: Command): void {
    const status = command.sq.id === 0 ? admin(this, command) : io(this, command);
    if (status !== NO_COMPLETION) this.complete(command, status);
  }

  #carryOut(): boolean {
    if (this.pending.size === 0 || (this.#hung !== null && this.pending.next === Number.POSITIVE_INFINITY))
      return false;
    const now = this.host.now();
    let did = false;
    for (let i = 0; i < BURST && this.moved < BURST_BYTES; i++) {
      const command = this.pending.take(now);
      if (command === undefined) break;
      did = true;
      if (command.stubborn || (this.#running && this.#hung === null)) this.#execute(command);
    }
    if (did) this.#interrupt();
    return did;
  }

  /** Ends a command: an entry in its completion queue now, or when there is room. */
  complete(command: Command, status: number): void {
    const { sq } = command;
    if (sq.gone && !command.stubborn) return;
    command.status = status === 0 ? 0 : this.#failed(command, status);
    if (sq.cq.full || sq.cq.waiting.length > 0) {
      if (sq.gone) return;
      const waits = command === this.#current ? command.copy() : command;
      waits.status = command.status;
      sq.cq.waiting.push(waits);
    } else this.#post(command);
  }

  #failed(command: Command, status: number): number {
    this.errors.add(command, status);
    return status | MORE;
  }

  #post(command: Command): void {
    const { sq } = command;
    const posted = sq.cq.post(command.result, sq.head, sq.id, command.cid, command.status);
    if (!posted && !sq.gone) this.fatal();
  }

  #postWaiting(cq: CompletionQueue): boolean {
    let posted = 0;
    while (!cq.full && posted < cq.waiting.length) this.#post(cq.waiting[posted++]!);
    cq.waiting.splice(0, posted);
    return posted > 0;
  }

  #interrupt(): void {
    for (const cq of this.#completion) {
      if (!cq.news) continue;
      cq.news = false;
      if (cq.interrupts) this.host.interrupt(cq.vector);
    }
  }

  // ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes a fault happen, at once or to the command that it waits for. */
  inject(fault: NvmeFault): void {
    const chosen = fault.after > 0 || fault.queue >= 0 || fault.opcode >= 0;
    if (fault.kind === "hang" && !chosen) this.#hung = fault.until;
    else if (fault.kind === "removal" && !chosen) this.#remove();
    else if (fault.kind === "power-cut" && !chosen) this.#powerCut(fault.seed);
    else this.faults.arm(fault);
  }

  #suffer(command: Command, fault: NvmeFault): void {
    switch (fault.kind) {
      case "error":
        return this.complete(command, fault.status);
      case "lost-completion":
        return void (command.sq.id === 0 ? admin(this, command) : io(this, command));
      case "late-completion":
        return this.#defer(command, this.host.now() + fault.delayMs, fault.stubborn);
      case "corrupt-completion":
        return this.#corrupt(command, fault);
      case "hang":
        this.#hung = fault.until;
        return;
      case "removal":
        return this.#remove();
      case "power-cut":
        // In the middle of this command: what it writes is torn.
        this.store.tearing = true;
        if (command.sq.id !== 0) io(this, command);
        return this.#powerCut(fault.seed);
    }
  }

  #corrupt(command: Command, fault: NvmeFault): void {
    const status = command.sq.id === 0 ? admin(this, command) : io(this, command);
    if (status === NO_COMPLETION) return;
    const { sq } = command;
    const noise = 1 + new Random(fault.seed).below(0xfffe);
    const wrong = (field: NvmeFault["field"], value: number): number =>
      fault.field === field ? (value ^ noise) & 0xffff : value;
    const bad = fault.field === "status" ? (status ^ noise) & 0x7fff : status;
    sq.cq.post(command.result, wrong("head", sq.head), wrong("sq", sq.id), wrong("cid", command.cid), bad);
  }

  #remove(): void {
    this.#removed = true;
    this.#running = false;
    this.#page.fill(-1);
    this.host.gone("it was removed");
  }

  /** Power fails and comes back: the cache is lost but for what got to the medium, and the controller is as new. */
  #powerCut(seed: number): void {
    this.store.powerCut(new Random(seed));
    if (!this.#shutDown) this.health.unsafeShutdowns++;
    this.health.powerCycles++;
    this.#hung = null;
    this.reset();
  }
}
