/**
 * Fault points: places where the driver traps when it was told to.
 *
 * Invariant: unarmed, passing one costs a load and a branch and changes nothing.
 */
import { FaultInjectionArmResult, FaultInjectionServer } from "idl/fault-injection";

export class FaultPoints extends FaultInjectionServer {
  /** Points to pass before the trap; 0: none comes. */
  private left: u32 = 0;

  arm(after: u32): FaultInjectionArmResult {
    this.left = after;
    return FaultInjectionArmResult.ok();
  }

  /** Whether a trap is to come: then blocks are copied in two halves, so that it can come between them. */
  @inline get armed(): bool {
    return this.left != 0;
  }

  @inline pass(): void {
    // The division traps, as any bug would.
    if (this.left != 0 && --this.left == 0) this.left = 1 / this.left;
  }
}
