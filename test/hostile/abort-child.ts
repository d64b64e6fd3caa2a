/**
 * Tries one thing that could abort the process; run as a child process by abort.test.ts.
 *
 * Prints `contained: …` and ends with status 0 when the process has outlived it.
 */
import { TRIALS } from "./abort-trials.ts";

console.log(`contained: ${TRIALS[process.argv[2]!]!()}`);
