/**
 * Shadows: a domain in front of another with the same interface, whose clients see a delay where that one crashes.
 *
 * Owns the decision whether a failed call is made again: the domain behind is restarted through its `Lifecycle`
 * capability, at most `limit` times in a row. A shadow makes the call, asks `recover`, and makes it again:
 *
 *     let answer = echo.add(value);
 *     while (backing.recover(answer.fault)) answer = echo.add(value);
 *
 * Invariant: nothing here allocates, and a call that met no fault costs one store more.
 */
import { Fault } from "os/rpc";
import { Lifecycle, LifecycleError } from "idl/lifecycle";

/** Restarts in a row, without an answer between them, before the error goes to the client. */
export const RESTARTS: i32 = 8;

/** The domain behind a shadow. Extend it to give a new life what it must know: `replay`. */
export class Backing {
  /** Restarts in a row before it is given up; after these each failed call brings one more attempt. */
  limit: i32 = RESTARTS;
  private inARow: i32 = 0;
  /** How often it was restarted by this shadow. */
  restarts: u32 = 0;

  /** @param life the right to restart it: `Lifecycle.use(…)`, granted in the manifest as `supervisor.NAME` */
  constructor(private life: Lifecycle) {}

  /**
   * Called after each restart, before anything else reaches the new life: makes the calls that it needs, if any.
   * @returns the fault that one of them met: then the domain is restarted once more
   */
  replay(): Fault {
    return Fault.None;
  }

  /**
   * Whether to make the call again, with what was moved made anew if the fault is `Crashed`. False when it was
   * answered, when the fault is none that a restart mends, and when restarts did not help.
   */
  @inline recover(fault: Fault): bool {
    if (fault == Fault.None) {
      this.inARow = 0;
      return false;
    }
    return (fault == Fault.Dead || fault == Fault.Crashed) && this.restart();
  }

  /** Ends it, if it lives, and begins its next life: also for one that answers, but wrongly. False: it is given up. */
  restart(): bool {
    while (this.inARow < this.limit) {
      this.inARow++;
      const answer = this.life.restart();
      if (answer.ok) {
        this.restarts++;
        if (this.replay() == Fault.None) return true;
      } else if (!answer.isError || answer.error != LifecycleError.Died) break;
    }
    this.inARow = this.limit - 1;
    return false;
  }
}
