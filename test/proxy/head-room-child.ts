/**
 * A process of its own for `stack.test.ts`: goes down until the stack ends, and prints how many levels were left when
 * the probe first failed. V8 is started with flags that choose the compiler.
 */
import { makeProbe } from "../../kernel/proxy/modules.ts";

const probe = makeProbe();
probe(0);
let failed = -1;
let deepest = 0;

function descend(level: number): void {
  deepest = level;
  if (failed < 0) {
    try {
      probe(0);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      failed = level;
    }
  }
  descend(level + 1);
}

try {
  descend(0);
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
}
process.stdout.write(`${deepest - failed}\n`);
