/**
 * Time-outs: what has been under way for too long, and a controller that has stopped by itself.
 *
 * A command is stamped when a look finds it under way, so nothing is measured on the hot path, and a pause of the whole
 * system is no time-out. Invariant: a command that is out of time is aborted once; one that does not come back then
 * costs the controller a reset.
 */
import { Command, COMMANDS, Kind } from "./command";
import { ALL_ONES, Driver } from "./driver";
import { ABORT } from "./opcodes";
import { CSTS, CSTS_CFS } from "./registers";

/** Time between two looks. */
const LOOK_MS: f64 = 1;
/** What a command has left, of its time, when it has been aborted. */
const GRACE: f64 = 0.25;

export class Watch {
  private looked: f64 = 0;

  /** @returns false when the controller must be reset */
  look(driver: Driver, time: f64): bool {
    if (time - this.looked < LOOK_MS && !driver.lost) return true;
    this.looked = time;
    const csts = driver.read(CSTS);
    // A namespace that has changed is looked at again by a new start.
    if (driver.lost || driver.stale || csts == ALL_ONES || (csts & CSTS_CFS) != 0) {
      driver.lost = driver.stale = false;
      return false;
    }
    for (let i = 0; i < COMMANDS; i++) {
      const command = driver.commands.all[i];
      if (command.kind == Kind.Free || command.queue === null || command.kind == Kind.Event) continue;
      if (command.since == 0) command.since = time;
      else if (time - command.since > driver.timeout && !this.late(driver, command, time)) return false;
    }
    return true;
  }

  /** A command is out of time. @returns whether to go on with the others */
  private late(driver: Driver, command: Command, time: f64): bool {
    driver.timeouts++;
    const mayAbort = !command.aborting && command.kind != Kind.Setup && command.kind != Kind.Abort;
    if (!mayAbort || !this.abort(driver, command)) return false;
    command.aborting = true;
    command.since = time - driver.timeout * (1 - GRACE);
    return true;
  }

  /** 5.1 Abort. */
  private abort(driver: Driver, command: Command): bool {
    const abort = driver.commands.take(Kind.Abort);
    if (abort === null) return false;
    abort.opcode = ABORT;
    abort.nsid = 0;
    abort.bytes = 0;
    abort.cdw10 = <u64>(command.queue!.id | ((<u32>command.cid) << 16));
    abort.cdw12 = 0;
    if (driver.issueAdmin(abort)) {
      driver.aborts++;
      return true;
    }
    driver.commands.release(abort);
    return false;
  }
}
