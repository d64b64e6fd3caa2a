/**
 * The `Nvme` interface: transfers that wait, logs, and what people want to know of a controller.
 *
 * Each transfer is a thread of this domain while it waits. Invariant: a thread that ends gives its command back; one
 * that is ended while the device has its object leaves the object to the command.
 */
import { Owned } from "heap/owned";
import { handleOf, lookAt, objectOf } from "os/dma";
import { Fault } from "os/rpc";
import { Event } from "os/thread";
import {
  NvmeCompareResult,
  NvmeConfigureResult,
  NvmeControllerResult,
  NvmeCountersResult,
  NvmeDeallocateResult,
  NvmeError,
  NvmeErrorEntryResult,
  NvmeFlushResult,
  NvmeMode,
  NvmeNamespaceResult,
  NvmeReadResult,
  NvmeServer,
  NvmeShutdownResult,
  NvmeSmartResult,
  NvmeState,
  NvmeStateResult,
  NvmeTransfer,
  NvmeWriteResult,
  NvmeWriteZeroesResult,
} from "idl/nvme";
import { DmaBatch } from "idl/pci";
import { Command, Kind } from "./command";
import { Driver, Phase } from "./driver";
import * as log from "./log";
import * as op from "./opcodes";
import { MAX_ENTRIES } from "./queue";
import { errorOf, SUCCESS } from "./status";
import { MAX_QUEUES } from "./transport";

/** No error: what is not a member of `NvmeError`. */
const FINE: i32 = -1;
const MIN_TIMEOUT_MS: u32 = 10;
const MAX_TIMEOUT_MS: u32 = 600_000;
/** Number of Logical Blocks has 16 bits, 0's based. */
const MOST_ZEROES: u32 = 65_536;

export class Service extends NvmeServer {
  constructor(private driver: Driver) {
    super();
  }

  // ── data ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  read(transfer: NvmeTransfer): NvmeReadResult {
    const error = this.transfer(transfer, op.READ);
    return error == FINE ? NvmeReadResult.ok(this.answer.take()) : NvmeReadResult.err(<NvmeError>error);
  }

  write(transfer: NvmeTransfer): NvmeWriteResult {
    const error = this.transfer(transfer, op.WRITE);
    return error == FINE ? NvmeWriteResult.ok(this.answer.take()) : NvmeWriteResult.err(<NvmeError>error);
  }

  compare(transfer: NvmeTransfer): NvmeCompareResult {
    const error = this.transfer(transfer, op.COMPARE);
    return error == FINE ? NvmeCompareResult.ok(this.answer.take()) : NvmeCompareResult.err(<NvmeError>error);
  }

  flush(): NvmeFlushResult {
    const error = this.range(op.FLUSH, 0, 0, 0);
    return error == FINE ? NvmeFlushResult.ok() : NvmeFlushResult.err(<NvmeError>error);
  }

  writeZeroes(lba: u64, blocks: u32, deallocate: bool): NvmeWriteZeroesResult {
    const error = this.range(op.WRITE_ZEROES, lba, blocks, deallocate ? op.DEAC : 0);
    return error == FINE ? NvmeWriteZeroesResult.ok() : NvmeWriteZeroesResult.err(<NvmeError>error);
  }

  deallocate(lba: u64, blocks: u32): NvmeDeallocateResult {
    const error = this.manage(lba, blocks);
    return error == FINE ? NvmeDeallocateResult.ok() : NvmeDeallocateResult.err(<NvmeError>error);
  }

  /** What `transfer` brought: read at once, before another thread runs. */
  private answer: Owned<NvmeTransfer> = new Owned<NvmeTransfer>();

  /** 6.6 Compare, 6.9 Read, 6.15 Write. On an error the transfer is gone. */
  private transfer(transfer: NvmeTransfer, opcode: u32): i32 {
    const driver = this.driver;
    const length = transfer.length;
    let error = this.ready();
    if (error == FINE) error = this.refusal(transfer, opcode);
    const command = error == FINE ? driver.commands.take(Kind.Waited) : null;
    if (command === null) {
      transfer.free();
      return error == FINE ? NvmeError.Exhausted : error;
    }
    command.opcode = opcode;
    command.nsid = driver.namespace.id;
    command.bytes = length;
    command.inbound = opcode == op.READ;
    command.cdw10 = transfer.lba;
    command.cdw12 = <u64>((length >> driver.namespace.shift) - 1) | (transfer.fua ? <u64>op.FUA : 0);
    command.object = handleOf(transfer);
    error = this.wait(command, false);
    if (error != FINE) {
      driver.abandon(command);
      return error;
    }
    this.answer.put(objectOf<NvmeTransfer>(command.object));
    driver.commands.release(command);
    return FINE;
  }

  /** What is wrong with a transfer that the controller need not be asked. */
  private refusal(transfer: NvmeTransfer, opcode: u32): i32 {
    const controller = this.driver.controller;
    const namespace = this.driver.namespace;
    const length = transfer.length;
    if (length == 0 || (length & ((1 << namespace.shift) - 1)) != 0) return NvmeError.Invalid;
    if (length > controller.transfer) return NvmeError.TooLarge;
    if (opcode == op.COMPARE && !controller.compares) return NvmeError.Unsupported;
    return this.outside(transfer.lba, length >> namespace.shift);
  }

  private outside(lba: u64, blocks: u32): i32 {
    const size = this.driver.namespace.size;
    return lba > size || <u64>blocks > size - lba ? NvmeError.OutOfRange : FINE;
  }

  /** 6.8 Flush, 6.16 Write Zeroes. */
  private range(opcode: u32, lba: u64, blocks: u32, flags: u32): i32 {
    const driver = this.driver;
    const error = this.ready();
    if (error != FINE) return error;
    const zeroes = opcode == op.WRITE_ZEROES;
    if (zeroes && !driver.controller.writesZeroes) return NvmeError.Unsupported;
    if (zeroes && (blocks == 0 || blocks > MOST_ZEROES)) return NvmeError.Invalid;
    if (this.outside(lba, blocks) != FINE) return NvmeError.OutOfRange;
    const command = driver.commands.take(Kind.Waited);
    if (command === null) return NvmeError.Exhausted;
    command.opcode = opcode;
    command.nsid = driver.namespace.id;
    command.bytes = 0;
    command.cdw10 = lba;
    command.cdw12 = zeroes ? <u64>(blocks - 1) | <u64>flags : 0;
    return this.finish(command, false);
  }

  /** 6.7 Dataset Management with one range. */
  private manage(lba: u64, blocks: u32): i32 {
    const driver = this.driver;
    const error = this.ready();
    if (error != FINE) return error;
    if (!driver.controller.manages) return NvmeError.Unsupported;
    if (blocks == 0) return NvmeError.Invalid;
    if (this.outside(lba, blocks) != FINE) return NvmeError.OutOfRange;
    const command = this.withPage(op.DATASET_MANAGEMENT, driver.namespace.id, op.RANGE_BYTES, false);
    if (command === null) return NvmeError.Exhausted;
    const page = lookAt<DmaBatch>(command.object);
    page.bytesStore<u64>(0, (<u64>blocks) << 32);
    page.bytesStore<u64>(8, lba);
    // Number of Ranges is 0's based.
    command.cdw10 = (<u64>op.AD) << 32;
    return this.finish(command, false);
  }

  // ── logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  smart(): NvmeSmartResult {
    const command = this.logPage(op.LOG_SMART, log.SMART_BYTES);
    if (command === null) return NvmeSmartResult.err(<NvmeError>this.logError);
    const page = lookAt<DmaBatch>(command.object);
    const answer = NvmeSmartResult.ok(
      page.bytesGet(log.SMART_CRITICAL_WARNING),
      <u16>log.temperature(page),
      page.bytesGet(log.SMART_AVAILABLE_SPARE),
      page.bytesGet(log.SMART_PERCENTAGE_USED),
      log.counter(page, log.SMART_POWER_CYCLES),
      log.counter(page, log.SMART_UNSAFE_SHUTDOWNS),
      log.counter(page, log.SMART_MEDIA_ERRORS),
      log.counter(page, log.SMART_ERROR_ENTRIES),
    );
    this.driver.abandon(command);
    return answer;
  }

  errorEntry(index: u32): NvmeErrorEntryResult {
    const entries = min(this.driver.controller.errorEntries, log.ERROR_ENTRIES);
    if (this.driver.isReady && index >= entries) return NvmeErrorEntryResult.err(NvmeError.Invalid);
    const command = this.logPage(op.LOG_ERROR_INFORMATION, entries * log.ERROR_ENTRY);
    if (command === null) return NvmeErrorEntryResult.err(<NvmeError>this.logError);
    const page = lookAt<DmaBatch>(command.object);
    const at = min(index, entries - 1) * log.ERROR_ENTRY;
    const answer = NvmeErrorEntryResult.ok(
      page.bytesLoad<u64>(at + log.ERROR_COUNT),
      page.bytesLoad<u16>(at + log.ERROR_SQID),
      page.bytesLoad<u16>(at + log.ERROR_CID),
      // Above the phase tag.
      page.bytesLoad<u16>(at + log.ERROR_STATUS) >> 1,
      page.bytesLoad<u64>(at + log.ERROR_LBA),
      page.bytesLoad<u32>(at + log.ERROR_NSID),
    );
    this.driver.abandon(command);
    return answer;
  }

  private logError: i32 = FINE;

  /** 5.14 Get Log Page. @returns a command with the page, or null: see `logError` */
  private logPage(page: u32, bytes: u32): Command | null {
    this.logError = this.ready();
    if (this.logError != FINE) return null;
    // The namespace identifier FFFFFFFFh stands for the controller.
    const command = this.withPage(op.GET_LOG_PAGE, ~0, bytes, true);
    if (command === null) {
      this.logError = NvmeError.Exhausted;
      return null;
    }
    command.cdw10 = <u64>(page | ((bytes / 4 - 1) << op.NUMDL_SHIFT));
    const error = this.wait(command, true);
    this.logError = error;
    if (error == FINE) return command;
    this.driver.abandon(command);
    return null;
  }

  // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A command with a page of its own; null when there is no room for either. */
  private withPage(opcode: u32, nsid: u32, bytes: u32, inbound: bool): Command | null {
    const page = DmaBatch.tryCreate();
    if (page.isNull) return null;
    const command = this.driver.commands.take(Kind.Waited);
    if (command === null) {
      page.free();
      return null;
    }
    command.opcode = opcode;
    command.nsid = nsid;
    command.object = handleOf(page);
    command.bytes = bytes;
    command.inbound = inbound;
    command.cdw12 = 0;
    return command;
  }

  private finish(command: Command, admin: bool): i32 {
    const error = this.wait(command, admin);
    this.driver.abandon(command);
    return error;
  }

  /** Waits until the controller is ready. */
  private ready(): i32 {
    const driver = this.driver;
    if (driver.isReady) return FINE;
    if (driver.isOver) return errorOf(driver.verdict);
    driver.wake();
    if (driver.waitReady()) return FINE;
    return driver.isOver ? errorOf(driver.verdict) : NvmeError.NotReady;
  }

  /** Sends a command and waits for its end. The caller gives it back. @returns what went wrong */
  private wait(command: Command, admin: bool): i32 {
    const driver = this.driver;
    if (command.event.isNull) command.event = Event.create();
    if (command.event.isNull) {
      command.done = true;
      return NvmeError.Exhausted;
    }
    command.event.clear();
    command.waiting = true;
    if (!admin) driver.issue(command);
    else if (!driver.issueAdmin(command)) {
      command.done = true;
      command.waiting = false;
      return NvmeError.Exhausted;
    }
    let fault = Fault.None;
    driver.waiters++;
    while (!command.done && fault == Fault.None) fault = command.event.wait();
    driver.waiters--;
    command.waiting = false;
    if (!command.done) return NvmeError.NotReady;
    return command.code == SUCCESS ? FINE : errorOf(command.code);
  }

  // ── what people want to know ─────────────────────────────────────────────────────────────────────────────────────

  controller(): NvmeControllerResult {
    if (!this.driver.known) return NvmeControllerResult.err(NvmeError.NotReady);
    const it = this.driver.controller;
    return NvmeControllerResult.ok(<u16>it.vendor, it.model.value, it.serial.value, it.firmware.value, it.transfer);
  }

  namespace(): NvmeNamespaceResult {
    if (!this.driver.known) return NvmeNamespaceResult.err(NvmeError.NotReady);
    const it = this.driver.namespace;
    return NvmeNamespaceResult.ok(it.size, 1 << it.shift, it.id, this.driver.controller.cache);
  }

  state(): NvmeStateResult {
    const driver = this.driver;
    const mode = driver.vectors > 0 ? NvmeMode.Interrupts : NvmeMode.Polling;
    return NvmeStateResult.ok(stateOf(driver.phase, driver.known), mode, driver.active, driver.inFlight);
  }

  counters(): NvmeCountersResult {
    const it = this.driver;
    return NvmeCountersResult.ok(
      it.bounced,
      it.timeouts,
      it.aborts,
      it.resets,
      it.functionResets,
      it.lies,
      it.events,
      it.interrupts,
    );
  }

  configure(queues: u32, entries: u32, mode: NvmeMode, timeoutMs: u32): NvmeConfigureResult {
    const driver = this.driver;
    const fits = queues >= 1 && queues <= <u32>MAX_QUEUES && entries >= 2 && entries <= <u32>MAX_ENTRIES;
    if (!fits || (entries & (entries - 1)) != 0 || mode > NvmeMode.Interrupts)
      return NvmeConfigureResult.err(NvmeError.Invalid);
    if (timeoutMs < MIN_TIMEOUT_MS || timeoutMs > MAX_TIMEOUT_MS) return NvmeConfigureResult.err(NvmeError.Invalid);
    if (driver.phase == Phase.Failed && !driver.allBack()) return NvmeConfigureResult.err(NvmeError.NotReady);
    driver.wantedQueues = <i32>queues;
    driver.entries = entries;
    driver.mode = mode;
    driver.timeout = <f64>timeoutMs;
    driver.restart();
    driver.wake();
    return NvmeConfigureResult.ok();
  }

  shutdown(): NvmeShutdownResult {
    const driver = this.driver;
    return driver.shutDown() ? NvmeShutdownResult.ok() : NvmeShutdownResult.err(errorOf(driver.verdict));
  }
}

function stateOf(phase: Phase, known: bool): NvmeState {
  if (phase == Phase.Claim || phase == Phase.Open) return NvmeState.Claiming;
  if (phase == Phase.Ready) return NvmeState.Ready;
  if (phase == Phase.Failed) return NvmeState.Failed;
  if (phase == Phase.ShutDown || phase == Phase.Stopped) return NvmeState.Stopped;
  return known ? NvmeState.Resetting : NvmeState.Starting;
}
