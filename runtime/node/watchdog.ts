/**
 * The watchdog thread: asks the running domain for a tick, about once per PERIOD_MS, while any domain runs.
 *
 * It only ever writes CORE_EPOCH; whose time is up is the kernel's decision, made on the kernel's own thread.
 * Invariant:
 * a domain that never returns is asked within a period, whatever it does, because every loop and function looks.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { CORE_DEPTH, CORE_EPOCH } from "../../shared-heap/layout.ts";

const PERIOD_MS = 1;
/** With an empty stack the thread looks less often: idle systems should cost nothing. */
const IDLE_MS = 20;

interface WatchdogData {
  readonly ledger: SharedArrayBuffer;
  /** One word, set and notified to end the thread. */
  readonly stop: SharedArrayBuffer;
}

export class Watchdog {
  readonly #worker: Worker;
  readonly #stop = new SharedArrayBuffer(4);

  /** @param ledger memory 2 */
  constructor(ledger: SharedArrayBuffer) {
    const data: WatchdogData = { ledger, stop: this.#stop };
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: data,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#worker.unref();
  }

  async stop(): Promise<void> {
    const word = new Int32Array(this.#stop);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
    await this.#worker.terminate();
  }
}

function watch({ ledger, stop }: WatchdogData): void {
  const words = new Int32Array(ledger);
  const stopWord = new Int32Array(stop);
  while (Atomics.load(stopWord, 0) === 0) {
    const busy = Atomics.load(words, CORE_DEPTH >> 2) !== 0;
    if (busy) Atomics.store(words, CORE_EPOCH >> 2, 1);
    Atomics.wait(stopWord, 0, 0, busy ? PERIOD_MS : IDLE_MS);
  }
}

if (!isMainThread && parentPort !== null && isWatchdogData(workerData)) watch(workerData);

function isWatchdogData(data: unknown): data is WatchdogData {
  return typeof data === "object" && data !== null && "ledger" in data && "stop" in data;
}
