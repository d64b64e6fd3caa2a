/**
 * The commands that make an enabled controller usable (NVM Express 1.4, section 7.6.1): who are you, how many queues,
 * here they are.
 *
 * One command at a time, one step a command. Invariant: the command and the page are made once; a step that fails, or
 * an answer that cannot be true, ends the start.
 */
import { Owned } from "heap/owned";
import { handleOf, objectOf } from "os/dma";
import { NvmeMode } from "idl/nvme";
import { DmaBatch } from "idl/pci";
import { Command, Kind } from "./command";
import { Driver } from "./driver";
import * as op from "./opcodes";
import { SUCCESS } from "./status";

/** The largest namespace identifier for which the device layer lets commands through. */
const MAX_NAMESPACE: u32 = 1023;
/** Steps; the queues' follow, two for each pair. */
const IDENTIFY_CONTROLLER: i32 = 0;
const ACTIVE_NAMESPACES: i32 = 1;
const IDENTIFY_NAMESPACE: i32 = 2;
const NUMBER_OF_QUEUES: i32 = 3;
const EVENT_CONFIGURATION: i32 = 4;
const FIRST_QUEUE: i32 = 5;

export class Setup {
  /** Queue pairs that there will be. */
  queues: i32 = 0;
  failed: bool = false;
  private step: i32 = 0;
  private sent: bool = false;
  private command: Command | null = null;
  private page: Owned<DmaBatch> = new Owned<DmaBatch>();

  start(): void {
    this.step = IDENTIFY_CONTROLLER;
    this.sent = false;
    this.failed = false;
  }

  /** @returns whether it is over, well or `failed` */
  advance(driver: Driver): bool {
    if (this.sent) {
      const command = this.command!;
      if (!command.done) return false;
      this.sent = false;
      this.takePage(command);
      this.failed = !this.took(driver, command);
      this.step++;
    }
    if (this.failed) return true;
    if (this.step >= FIRST_QUEUE + 2 * this.queues && this.step > EVENT_CONFIGURATION) return true;
    this.failed = !this.send(driver);
    this.sent = !this.failed;
    return this.failed;
  }

  // ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private send(driver: Driver): bool {
    const command = this.prepare(driver);
    if (command === null) return false;
    switch (this.step) {
      case IDENTIFY_CONTROLLER:
        return this.identify(driver, command, op.CNS_CONTROLLER, 0);
      case ACTIVE_NAMESPACES:
        return this.identify(driver, command, op.CNS_ACTIVE_NAMESPACES, 0);
      case IDENTIFY_NAMESPACE:
        return this.identify(driver, command, op.CNS_NAMESPACE, driver.namespace.id);
      case NUMBER_OF_QUEUES: {
        const wanted = <u64>(driver.wantedQueues - 1);
        return this.setFeature(driver, command, op.FEATURE_NUMBER_OF_QUEUES, wanted | (wanted << op.NCQR_SHIFT));
      }
      case EVENT_CONFIGURATION: {
        const events = <u64>(op.EVENTS_SMART | op.EVENTS_NAMESPACE);
        return this.setFeature(driver, command, op.FEATURE_ASYNCHRONOUS_EVENT_CONFIGURATION, events);
      }
      default:
        return this.makeQueue(driver, command);
    }
  }

  /** The command, without anything in it; null when there is no room. */
  private prepare(driver: Driver): Command | null {
    let command = this.command;
    // One that a reset did not bring back is given up, and its page with it.
    if (command !== null && command.queue !== null) {
      command.kind = Kind.Abandoned;
      command = null;
    }
    if (command === null) command = driver.commands.take(Kind.Setup);
    // A reset may have ended the last one.
    else this.takePage(command);
    this.command = command;
    if (command === null) return null;
    command.done = false;
    command.attempts = 0;
    command.nsid = 0;
    command.cdw12 = 0;
    return command;
  }

  private takePage(command: Command): void {
    if (command.object != 0) this.page.put(objectOf<DmaBatch>(command.object));
    command.object = 0;
  }

  /** 5.15 Identify. */
  private identify(driver: Driver, command: Command, cns: u32, nsid: u32): bool {
    const page = this.page.isEmpty ? DmaBatch.tryCreate() : this.page.take();
    if (page.isNull) return false;
    command.opcode = op.IDENTIFY;
    command.object = handleOf(page);
    command.inbound = true;
    command.bytes = DmaBatch.bytesLength;
    command.nsid = nsid;
    command.cdw10 = <u64>cns;
    return driver.issueAdmin(command);
  }

  /** 5.21 Set Features. */
  private setFeature(driver: Driver, command: Command, feature: u32, value: u64): bool {
    command.opcode = op.SET_FEATURES;
    command.bytes = 0;
    command.cdw10 = <u64>feature | (value << 32);
    return driver.issueAdmin(command);
  }

  /** 5.3 Create I/O Completion Queue, then 5.4 Create I/O Submission Queue. */
  private makeQueue(driver: Driver, command: Command): bool {
    const id = <u32>(this.step - FIRST_QUEUE) / 2 + 1;
    const entries = driver.ioEntries;
    const size = id | ((entries - 1) << op.QSIZE_SHIFT);
    command.bytes = 0;
    if (((this.step - FIRST_QUEUE) & 1) == 0) {
      if (!driver.device.createQueue(id, entries, driver.controller.transfer).ok) return false;
      driver.queues[id].reset(entries);
      // Vector 0 is the admin queue's, unless there is one only.
      const vector = driver.vectors > 1 ? ((id - 1) % (driver.vectors - 1)) + 1 : 0;
      const interrupts: u32 = driver.vectors > 0 ? op.IEN | (vector << op.IV_SHIFT) : 0;
      command.opcode = op.CREATE_IO_COMPLETION_QUEUE;
      command.cdw10 = <u64>size | ((<u64>(interrupts | op.PC)) << 32);
    } else {
      command.opcode = op.CREATE_IO_SUBMISSION_QUEUE;
      command.cdw10 = <u64>size | ((<u64>((id << op.CQID_SHIFT) | op.PC)) << 32);
    }
    return driver.issueAdmin(command);
  }

  // ── hearing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes the answer over. @returns false when the start cannot go on */
  private took(driver: Driver, command: Command): bool {
    const fine = command.code == SUCCESS;
    switch (this.step) {
      case IDENTIFY_CONTROLLER:
        return fine && this.believe(driver, driver.controller.read(this.page.borrowed));
      case ACTIVE_NAMESPACES: {
        // A list in order, 0 behind the last one. What does not know the list has namespace 1.
        const first = fine ? this.page.borrowed.bytesLoad<u32>(0) : 1;
        driver.namespace.id = first;
        if (first > MAX_NAMESPACE && first != ~0) return this.believe(driver, "a namespace above 1023");
        return this.believe(driver, first == 0 || first == ~0 ? "no namespace" : "");
      }
      case IDENTIFY_NAMESPACE:
        return fine && this.believe(driver, driver.namespace.read(this.page.borrowed));
      case NUMBER_OF_QUEUES: {
        const submission = (command.result & 0xffff) + 1;
        const completion = (command.result >> op.NCQR_SHIFT) + 1;
        this.queues = fine ? <i32>min<u32>(min(submission, completion), driver.wantedQueues) : 1;
        this.enableInterrupts(driver);
        return true;
      }
      // Events are optional, and so is what they are about.
      case EVENT_CONFIGURATION:
        return true;
      default:
        return fine;
    }
  }

  /** @param problem what cannot be in an answer; empty: nothing */
  private believe(driver: Driver, problem: string): bool {
    if (problem.length == 0) return true;
    driver.lies++;
    driver.problem = problem;
    return false;
  }

  private enableInterrupts(driver: Driver): void {
    const wanted = driver.mode == NvmeMode.Interrupts ? <u32>this.queues + 1 : 0;
    const answer = driver.device.interrupts(wanted);
    driver.vectors = answer.ok ? min(answer.value, wanted) : 0;
  }
}
