/**
 * A compiler that stays loaded, on a thread of its own, so that a build takes a fraction of a second and nobody waits
 * for it: domains of the same process go on running.
 *
 * Invariant: every `build` gets an answer, also when the thread ends.
 */
import { Worker } from "node:worker_threads";
import type { Model } from "#kernel/interface/model.ts";
import type { DomainBuild } from "../build/index.ts";
import { BuildError } from "../build/errors.ts";

export interface Job {
  readonly id: number;
  /** Folder name of the domain. */
  readonly domain: string;
  /** What the ownership check finds are warnings. */
  readonly warns: boolean;
}

export interface WarmBuild {
  readonly build: DomainBuild;
  /** The interfaces that it was built with. */
  readonly model: Model;
  readonly ms: number;
  /** What the ownership check found; empty when it found nothing. */
  readonly warnings: string;
}

export type Answer =
  | ({ readonly ok: true } & WarmBuild)
  | { readonly ok: false; readonly name: string; readonly message: string };

export class WarmCompiler {
  readonly #worker = new Worker(new URL("./compiler-worker.ts", import.meta.url));
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #jobs = 0;
  #ended: Error | null = null;

  constructor() {
    this.#worker.on("message", ({ id, answer }: { id: number; answer: Answer }) => {
      this.#waiting.get(id)?.resolve(answer);
      this.#waiting.delete(id);
    });
    this.#worker.on("error", (error) => this.#end(error as Error));
    this.#worker.on("exit", () => this.#end(new Error("the compiler has ended")));
  }

  /**
   * Builds one domain, quickly, when it is stale.
   * @param domain its folder's name
   * @param warns whether what the ownership check finds are warnings
   * @throws BuildError with what is wrong in the sources
   */
  async build(domain: string, warns: boolean): Promise<WarmBuild> {
    if (this.#ended !== null) throw this.#ended;
    const job: Job = { id: ++this.#jobs, domain, warns };
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.set(job.id, waiting);
    this.#worker.postMessage(job, []);
    const answer = await waiting.promise;
    if (answer.ok) return answer;
    throw new BuildError(answer.message);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
