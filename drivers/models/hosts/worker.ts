/**
 * A model in a thread of its own, as the kernel sees it: posted writes, reads answered from a shared page.
 *
 * Invariant: after `quiesce` the thread is done with the reset, or is gone; a thread that fails, or answers no more, is
 * a device that is gone.
 */
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import { checkFault, describeModel, type ModelOptions } from "../create.ts";
import { ModelFront } from "./front.ts";
import { Mailbox, Post } from "./mailbox.ts";
import type { ModelNews, ModelThreadData } from "./worker-thread.ts";

/** A model does everything within milliseconds, but the machine may be busy, and its file slow. */
const PATIENCE_MS = 10_000;
/** A reset is waited for so long with everything else standing still; then from the host's loop. */
const QUIESCE_MS = 1000;
const LOOK_MS = 5;

export class WorkerBackend extends ModelFront {
  readonly #model: string;
  readonly #options: ModelOptions;
  readonly #mailbox = new Mailbox();
  readonly #page: Int32Array<SharedArrayBuffer>;
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  #faults: MessagePort | undefined;
  #closing = false;

  /** @throws Error that names the option that cannot be */
  constructor(model: string, options: ModelOptions) {
    const about = describeModel(model, options);
    super(about);
    this.#model = model;
    this.#options = options;
    this.#page = new Int32Array(new SharedArrayBuffer(about.registerWords * 4));
  }

  /** @throws Error when the model cannot be made: its file, or memory */
  async map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    this.#faults = port1;
    port1.unref();
    const data: ModelThreadData = {
      samaraModel: this.#model,
      options: this.#options,
      mailbox: this.#mailbox.buffer,
      page: this.#page.buffer,
      memory,
      windows,
      faults: port2,
    };
    const worker = new Worker(new URL("./worker-thread.ts", import.meta.url), {
      workerData: data,
      transferList: [port2],
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    await this.#begun(worker);
    worker.on("message", (news: ModelNews) => this.#hear(news));
    worker.on("error", (error) => this.#ended(`its model failed: ${(error as Error).message}`));
    worker.once("exit", () => this.#ended("its model ended"));
    worker.unref();
  }

  #begun(worker: Worker): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (text: string): void => reject(new Error(`${this.name}: ${text}`));
    worker.once("error", (error) => fail((error as Error).message));
    worker.once("exit", () => fail("its thread ended"));
    worker.once("message", (news: ModelNews) => {
      if (news.kind === "ready") resolve();
      else fail("text" in news ? news.text : news.kind);
    });
    return promise;
  }

  #hear(news: ModelNews): void {
    if (news.kind === "vectors") this.#mailbox.takeVectors((vector) => this.msix.raise(vector));
    else if (news.kind === "gone") this.vanished(news.text);
    else if (news.kind === "dma-fault") this.faulted(news.text);
    else if (news.kind === "failed") this.#ended(`its model failed: ${news.text}`);
  }

  /** Nothing of the thread's runs any more. */
  #ended(text: string): void {
    if (!this.#closing) this.vanished(text);
  }

  /** The thread does not keep up at all: it is ended, so that nobody waits for it again. */
  #givenUp(): void {
    this.vanished(`its model does not answer`);
    void this.#worker?.terminate();
  }

  #post(kind: number, bar: number, offset: number, value: number): void {
    if (!this.#mailbox.put(kind, bar, offset, value, PATIENCE_MS)) this.#givenUp();
  }

  protected readRegister(bar: number, offset: number): number {
    // A read pushes the writes before it to the device.
    if (!this.#mailbox.drain(PATIENCE_MS)) {
      this.#givenUp();
      return -1;
    }
    return bar === 0 && offset < this.#page.byteLength ? Atomics.load(this.#page, offset >> 2) : 0;
  }

  protected writeRegister(bar: number, offset: number, value: number): void {
    this.#post(Post.write, bar, offset, value);
  }

  protected masteringChanged(on: boolean): void {
    this.#mailbox.mastering = on;
  }

  protected functionReset(): void {
    this.#post(Post.functionReset, 0, 0, 0);
  }

  /**
   * Done when this returns, as what was put before the reset is; or later, when the model is in the middle of something
   * long, as a slow file. Only a thread that does not answer at all is ended.
   */
  quiesce(): void | Promise<void> {
    this.stop();
    const worker = this.#worker;
    if (worker === undefined || worker.threadId < 0) return undefined;
    this.functionReset();
    if (!this.#mailbox.drain(QUIESCE_MS)) return this.#silentLater();
    this.#mailbox.takeVectors(() => {});
    return undefined;
  }

  async #silentLater(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!this.#mailbox.drain(0)) {
      if (performance.now() > end || this.gone) {
        this.#givenUp();
        return this.#exited;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.#mailbox.takeVectors(() => {});
  }

  inject(fault: string): void {
    checkFault(this.#model, fault);
    if (this.#faults === undefined || this.gone) throw new Error(`${this.name}: there is no device that could fail`);
    this.#faults.postMessage(fault, []);
    this.#post(Post.fault, 0, 0, 0);
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined || this.#closing) return this.#exited;
    this.#closing = true;
    this.#mailbox.mastering = false;
    worker.ref();
    this.#post(Post.stop, 0, 0, 0);
    const timer = setTimeout(() => void worker.terminate(), PATIENCE_MS);
    await this.#exited;
    clearTimeout(timer);
    this.#faults?.close();
  }
}
