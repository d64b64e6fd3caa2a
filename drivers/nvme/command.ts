/**
 * A command: what is asked of the controller, where it is on its way, and how it ended.
 *
 * Owns the records of all commands that there can be, made once, and how each becomes a submission queue entry (NVM
 * Express 1.4, section 4.2; the device layer takes a handle for the data pointer). Invariants: a record is free, or
 * waits in the backlog, or is sent with a command identifier of one queue, or done; nothing is allocated after the
 * start.
 */
import { objectOf } from "os/dma";
import { Event } from "os/thread";
import { BlockRequest } from "idl/block-device";
import { DmaBatch } from "idl/pci";
import * as op from "./opcodes";
import { Queue } from "./queue";

/** Commands at once: those of `BlockDevice.submit`, of waiting threads, and the driver's own. */
export const COMMANDS: i32 = 288;
/** Bytes of a submission queue entry. */
const ENTRY: u32 = 64;

/** Who asked for a command, and so what happens when it is done. */
export const enum Kind {
  Free,
  /** A request of `submit`: it is polled. */
  Block,
  /** A thread, or a plain call, waits for it. */
  Waited,
  /** A step of bringing the controller up. */
  Setup,
  /** An Asynchronous Event Request. */
  Event,
  /** The log page that an event is about. */
  EventPage,
  /** An Abort for another one. */
  Abort,
  /** Nobody waits for it any more: what it has is freed. */
  Abandoned,
}

export class Command {
  kind: Kind = Kind.Free;
  opcode: u32 = 0;
  nsid: u32 = 0;
  /** Double words 10 and 11, and 12 and 13. */
  cdw10: u64 = 0;
  cdw12: u64 = 0;
  /** The object with the data, when there is one and the device does not have it. */
  object: u32 = 0;
  /** The client's object, when `object` is a bounce buffer instead of it; bytes to copy, and whether to the client. */
  original: u32 = 0;
  bytes: u32 = 0;
  inbound: bool = false;
  /** How often it was sent. */
  attempts: i32 = 0;
  /** When it was first seen to be under way, ms; 0: not yet. */
  since: f64 = 0;
  /** An Abort for it was sent. */
  aborting: bool = false;
  queue: Queue | null = null;
  cid: i32 = 0;
  done: bool = false;
  /** Status field, and double word 0 of the completion. */
  code: u32 = 0;
  result: u32 = 0;
  /** What its thread waits on; made at the first use and kept. */
  event: Event = objectOf<Event>(0);
  waiting: bool = false;
  next: Command | null = null;

  /** Whether what the medium holds changes by it: 6.9 to 6.17. */
  get changesData(): bool {
    return this.opcode == op.WRITE || this.opcode == op.WRITE_ZEROES || this.opcode == op.DATASET_MANAGEMENT;
  }

  /** Writes the submission queue entry. */
  @inline encode(batch: DmaBatch, position: i32): void {
    const at = <u32>position * ENTRY;
    batch.bytesStore<u64>(at, <u64>(this.opcode | ((<u32>this.cid) << 16)) | ((<u64>this.nsid) << 32));
    batch.bytesStore<u64>(at + 24, <u64>this.object);
    batch.bytesStore<u64>(at + 40, this.cdw10);
    batch.bytesStore<u64>(at + 48, this.cdw12);
  }
}

/** All records. */
export class Commands {
  readonly all: StaticArray<Command> = new StaticArray<Command>(COMMANDS);
  private free: Command | null = null;
  freeCount: i32 = COMMANDS;

  constructor() {
    for (let i = COMMANDS - 1; i >= 0; i--) {
      const command = new Command();
      command.next = this.free;
      this.free = command;
      this.all[i] = command;
    }
  }

  /** A record, or null when all are in use. */
  take(kind: Kind): Command | null {
    const command = this.free;
    if (command === null) return null;
    this.free = command.next;
    this.freeCount--;
    command.next = null;
    command.kind = kind;
    command.attempts = 0;
    command.since = 0;
    command.aborting = false;
    command.done = false;
    return command;
  }

  /** `object` and `original` are somebody else's again. */
  release(command: Command): void {
    command.kind = Kind.Free;
    command.queue = null;
    command.object = 0;
    command.original = 0;
    command.next = this.free;
    this.free = command;
    this.freeCount++;
  }
}

/** Commands that wait until they can be sent, in order. */
export class Backlog {
  private first: Command | null = null;
  private last: Command | null = null;

  get isEmpty(): bool {
    return this.first === null;
  }

  push(command: Command): void {
    command.queue = null;
    command.next = null;
    if (this.last === null) this.first = command;
    else this.last!.next = command;
    this.last = command;
  }

  shift(): Command | null {
    const command = this.first;
    if (command === null) return null;
    this.first = command.next;
    if (this.first === null) this.last = null;
    command.next = null;
    return command;
  }

  /** Puts one back that could not be sent. */
  unshift(command: Command): void {
    command.queue = null;
    command.next = this.first;
    this.first = command;
    if (this.last === null) this.last = command;
  }
}

/** Bytes of the data of a block request. */
export const BLOCK: u32 = BlockRequest.dataLength;
