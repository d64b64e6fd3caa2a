/**
 * A queue pair as the driver sees it: which command identifiers are in use, and by which commands.
 *
 * The rings are the device layer's. Invariants: an identifier is below the queue's number of entries and stands for one
 * command; one command less is under way than the ring has entries, so that a full ring is told from an empty one (NVM
 * Express 1.4, section 4.1).
 */
import { Command } from "./command";

/** Most entries of a queue that the device layer makes. */
export const MAX_ENTRIES: i32 = 1024;

export class Queue {
  entries: i32 = 0;
  /** Commands under way. */
  outstanding: i32 = 0;
  private commands: StaticArray<Command | null> = new StaticArray<Command | null>(MAX_ENTRIES);
  private free: StaticArray<u16> = new StaticArray<u16>(MAX_ENTRIES);

  /** @param id 0: the admin queues */
  constructor(readonly id: u32) {}

  /** Empty, with so many entries. */
  reset(entries: i32): void {
    this.entries = entries;
    this.outstanding = 0;
    for (let i = 0; i < entries; i++) {
      this.commands[i] = null;
      this.free[i] = <u16>i;
    }
  }

  /** How many more commands can be sent. */
  @inline get room(): i32 {
    return max(0, this.entries - 1 - this.outstanding);
  }

  /** Gives a command an identifier; there is room. */
  @inline admit(command: Command): void {
    const cid = <i32>this.free[this.outstanding++];
    this.commands[cid] = command;
    command.queue = this;
    command.cid = cid;
  }

  /** The command of an identifier, which is free again; null when it stands for none. */
  @inline settle(cid: u32): Command | null {
    if (cid >= <u32>this.entries) return null;
    const command = this.commands[cid];
    if (command !== null) {
      this.commands[cid] = null;
      this.free[--this.outstanding] = <u16>cid;
    }
    return command;
  }
}
