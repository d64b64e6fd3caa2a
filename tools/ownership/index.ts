/**
 * The ownership check as the build uses it: a transform of the AssemblyScript compiler.
 *
 * Invariant: it runs after the compiler has accepted the program, and changes nothing of what is compiled.
 */
import type { Program } from "./compiler.ts";
import { checkProgram, type Report } from "./check.ts";

export type { Problem, Proof, Report } from "./check.ts";
export { appendSection, SECTION } from "./section.ts";

export interface OwnershipCheck {
  /** For the compiler's `transforms`. */
  readonly transform: { afterInitialize(program: Program): void; afterCompile(): void };
  /** What was found; null when the program did not compile. */
  report(): Report | null;
  /** Milliseconds that the check took. */
  milliseconds(): number;
}

export function ownershipCheck(): OwnershipCheck {
  let program: Program | null = null;
  let report: Report | null = null;
  let took = 0;
  return {
    transform: {
      afterInitialize: (its) => void (program = its),
      afterCompile: () => {
        const started = performance.now();
        report = checkProgram(program!);
        took = performance.now() - started;
      },
    },
    report: () => report,
    milliseconds: () => took,
  };
}
