/**
 * One thread's share of a hostile run.
 */
import { parentPort, workerData } from "node:worker_threads";
import { HostileFailure, type HostileOptions, runHostile } from "./generate.ts";

try {
  parentPort!.postMessage(await runHostile(workerData as HostileOptions), []);
} catch (error) {
  if (!(error instanceof HostileFailure)) throw error;
  parentPort!.postMessage({ failure: error.message }, []);
}
