/**
 * The thread of a model: takes what the kernel posted, steps the model, sleeps when there is nothing to do.
 *
 * Invariant: nothing of the model runs between two looks at the mailbox that is not one bounded step, so that a
 * function level reset is answered soon; after its answer the model touches no memory until bus mastering is on again.
 */
import { isMainThread, parentPort, receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import { createModel, type ModelOptions } from "../create.ts";
import type { DeviceModel } from "../model.ts";
import { HeapDma } from "./heap-dma.ts";
import { Mailbox, Post } from "./mailbox.ts";

export interface ModelThreadData {
  readonly samaraModel: string;
  readonly options: ModelOptions;
  readonly mailbox: SharedArrayBuffer;
  /** The register page. */
  readonly page: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
  readonly windows: readonly DmaWindow[];
  /** Texts of faults to inject. */
  readonly faults: MessagePort;
}

/** What the thread tells. */
export type ModelNews =
  | { readonly kind: "ready" | "vectors" }
  | { readonly kind: "failed" | "gone" | "dma-fault"; readonly text: string };

/** How long it looks for work before it sleeps, and how near an event must be to wait for it awake, milliseconds. */
const SPIN_MS = 0.02;

class ModelThread {
  readonly #mailbox: Mailbox;
  readonly #model: DeviceModel;
  readonly #faults: MessagePort;
  #stopped = false;

  constructor(data: ModelThreadData, tell: (news: ModelNews) => void) {
    const mailbox = new Mailbox(data.mailbox);
    this.#mailbox = mailbox;
    this.#faults = data.faults;
    const dma = new HeapDma(
      () => mailbox.masteringCount,
      (text) => tell({ kind: "dma-fault", text }),
    );
    dma.map(data.memory, data.windows);
    const host = {
      dma,
      interrupt: (vector: number) => {
        if (mailbox.raise(vector)) tell({ kind: "vectors" });
      },
      now: () => performance.now(),
      gone: (text: string) => tell({ kind: "gone", text }),
    };
    this.#model = createModel(data.samaraModel, data.options, host, new Int32Array(data.page));
  }

  /** @throws what the model throws; the model is closed then too */
  run(): void {
    try {
      while (!this.#stopped) {
        const took = this.#mailbox.take(this.#take);
        if (!this.#model.step() && !took && !this.#stopped) this.#idle();
      }
    } finally {
      this.#model.close();
    }
  }

  readonly #take = (kind: number, bar: number, offset: number, value: number): void => {
    if (kind === Post.write) this.#model.write32(bar, offset, value);
    else if (kind === Post.functionReset) this.#model.reset();
    else if (kind === Post.fault) {
      const fault = receiveMessageOnPort(this.#faults) as { message: string } | undefined;
      if (fault !== undefined) this.#model.inject(fault.message);
    } else this.#stopped = true;
  };

  #idle(): void {
    const { nextEvent } = this.#model;
    const end = performance.now() + SPIN_MS;
    for (let now = end - SPIN_MS; now < end; now = performance.now())
      if (!this.#mailbox.empty || now >= nextEvent) return;
    const ms = nextEvent - performance.now();
    if (ms > SPIN_MS) this.#mailbox.sleep(ms);
  }
}

function isModelData(data: unknown): data is ModelThreadData {
  return typeof data === "object" && data !== null && "samaraModel" in data;
}

if (!isMainThread && parentPort !== null && isModelData(workerData)) {
  const port = parentPort;
  const tell = (news: ModelNews): void => port.postMessage(news);
  let thread: ModelThread | undefined;
  try {
    thread = new ModelThread(workerData, tell);
    tell({ kind: "ready" });
    thread.run();
  } catch (error) {
    tell({ kind: "failed", text: (error as Error).message });
  }
  // Only messages to it would keep the thread.
  workerData.faults.close();
}
