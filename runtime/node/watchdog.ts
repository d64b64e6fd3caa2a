/**
 * The watchdog thread: asks the running domain for a tick, about once per PERIOD_MS, while any domain runs.
 *
 * It only ever writes CORE_EPOCH and the trace's time samples; whose time is up is the kernel's decision, made on the
 * kernel's own thread. Invariant: a domain that never returns is asked within a period, whatever it does,
 * because every loop and function looks.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { samplePair, samplesWord } from "../../kernel/trace/trace.ts";
import {
  CORE_DEPTH,
  CORE_EPOCH,
  CORE_SEQUENCE,
  EPOCH_AGE_SHIFT,
  EPOCH_DEPTH_MASK,
  SAMPLE_PERIODS_MS,
} from "../../shared-heap/layout.ts";

const PERIOD_MS = 1;
/**
 * When nothing happens it looks less often, and after so many looks still less, so that idle systems cost nothing; a
 * call may begin unseen for so long.
 */
const IDLE_MS = 4;
const IDLE_LOOKS = 32;
const LONG_IDLE_MS = 16;

interface WatchdogData {
  readonly ledger: SharedArrayBuffer;
  /** One word, set and notified to end the thread. */
  readonly stop: SharedArrayBuffer;
  /** When the system booted, in milliseconds since 1970: threads have clocks of their own. */
  readonly boot: number;
}

export class Watchdog {
  readonly #worker: Worker;
  readonly #stop = new SharedArrayBuffer(4);
  /** Settled once the thread looks; it takes tens of milliseconds to begin, in which nobody would be stopped. */
  readonly ready: Promise<void>;

  /**
   * @param ledger memory 2
   * @param uptimeMs the trace's clock now
   */
  constructor(ledger: SharedArrayBuffer, uptimeMs: number) {
    const boot = performance.timeOrigin + performance.now() - uptimeMs;
    const data: WatchdogData = { ledger, stop: this.#stop, boot };
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: data,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.ready = new Promise((resolve) => {
      this.#worker.once("message", () => {
        this.#worker.unref();
        resolve();
      });
      this.#worker.once("exit", resolve);
    });
  }

  async stop(): Promise<void> {
    const word = new Int32Array(this.#stop);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
    await this.#worker.terminate();
  }
}

function watch({ ledger, stop, boot }: WatchdogData): void {
  const words = new Int32Array(ledger);
  const stopWord = new Int32Array(stop);
  let [sequence, askedMs, idle] = [0, 0, 0];
  while (Atomics.load(stopWord, 0) === 0) {
    const ms = performance.timeOrigin + performance.now() - boot;
    const depth = Atomics.load(words, CORE_DEPTH >> 2);
    if (depth !== 0) {
      if (Atomics.load(words, CORE_EPOCH >> 2) === 0) askedMs = ms;
      ask(words, depth, ms - askedMs);
    }
    const now = Atomics.load(words, CORE_SEQUENCE >> 2);
    const busy = depth !== 0 || now !== sequence;
    if (now !== sequence) sample(words, now, ms);
    sequence = now;
    idle = busy ? 0 : idle + 1;
    Atomics.wait(stopWord, 0, 0, busy ? PERIOD_MS : idle < IDLE_LOOKS ? IDLE_MS : LONG_IDLE_MS);
  }
}

/** Asks, from the depth at which the code is now. A tick at this very moment may take it for its own. */
function ask(words: Int32Array, depth: number, ms: number): void {
  const waited = Math.min(ms, -1 >>> EPOCH_AGE_SHIFT);
  Atomics.store(words, CORE_EPOCH >> 2, (waited << EPOCH_AGE_SHIFT) | (depth & EPOCH_DEPTH_MASK));
}

/** Notes which number the trace is at, and when. */
function sample(words: Int32Array, sequence: number, ms: number): void {
  SAMPLE_PERIODS_MS.forEach((period, level) => {
    const base = samplesWord(level);
    const count = words[base]! >>> 0;
    const last = words[samplePair(base, count) + 1]! >>> 0;
    if (ms - last < period) return;
    const at = samplePair(base, count + 1);
    words[at] = sequence;
    words[at + 1] = ms;
    Atomics.store(words, base, count + 1);
  });
}

if (!isMainThread && parentPort !== null && isWatchdogData(workerData)) {
  parentPort.postMessage("ready", []);
  watch(workerData);
}

function isWatchdogData(data: unknown): data is WatchdogData {
  return typeof data === "object" && data !== null && "ledger" in data && "stop" in data;
}
