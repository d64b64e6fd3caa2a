/**
 * A device model that this machine serves over vfio-user (`samara serve`), for QEMU or for our own client.
 *
 * Invariant: `stop` has ended the server and says how it ended.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { ROOT } from "../../tools/lib/paths.ts";

const START_MS = 180_000;

export class ServedModel {
  readonly socket: string;
  readonly #server: ChildProcess;
  #said = "";

  private constructor(socket: string, options: readonly string[]) {
    this.socket = socket;
    const args = ["tools/samara.ts", "serve", "nvme", socket, ...options];
    this.#server = spawn(process.execPath, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.#server.stdout!, this.#server.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
  }

  /** @param options of the model, `KEY=VALUE`. Builds the native library first, where it is stale. */
  static async start(socket: string, options: readonly string[]): Promise<ServedModel> {
    const model = new ServedModel(socket, options);
    for (const end = Date.now() + START_MS; !model.#said.includes("serving nvme at");) {
      if (model.#server.exitCode !== null || Date.now() > end) throw new Error(`samara serve:\n${model.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return model;
  }

  /** All that it has printed. */
  get said(): string {
    return this.#said;
  }

  /** Makes a fault happen, such as `error:opcode=2,status=0x281`. */
  inject(fault: string): void {
    this.#server.stdin!.write(`${fault}\n`);
  }

  /** @returns its exit code, null after a signal that it does not hear. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      const exited = once(this.#server, "exit");
      this.#server.kill(signal);
      await exited;
    }
    return this.#server.exitCode;
  }
}
