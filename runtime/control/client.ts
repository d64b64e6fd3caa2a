/**
 * The other end of the control socket, for commands and programs.
 *
 * Invariant: every request gets an answer or an error, also when the system ends meanwhile or says nothing.
 */
import type { Socket } from "node:net";
import { lineReader } from "./lines.ts";
import { ControlError, listRunning, open, socketPath } from "./socket.ts";

const MAX_ANSWER = 64 << 20;
/** A system that says nothing for so long is stopped, by a debugger for example. */
const PATIENCE_MS = 10_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ControlClient {
  readonly system: string;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  private constructor(system: string, socket: Socket) {
    this.system = system;
    this.#socket = socket;
    socket.on(
      "data",
      lineReader(
        MAX_ANSWER,
        (line) => this.#answer(line),
        () => socket.destroy(),
      ),
    );
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      for (const { reject, timer } of this.#waiting.values()) {
        clearTimeout(timer);
        reject(new ControlError(`the system ${system} has ended`));
      }
      this.#waiting.clear();
    });
  }

  /**
   * @param dir folder of the sockets
   * @param name of the system; none: the one that runs
   * @throws ControlError when there is no such system, or more than one to choose from
   */
  static async connect(dir: string, name?: string): Promise<ControlClient> {
    const running = await listRunning(dir);
    if (running.length === 0) throw new ControlError("no system is running; `npm start` boots one");
    if (name === undefined && running.length > 1)
      throw new ControlError(`several systems are running: ${running.join(", ")}; choose with --system NAME`);
    const wanted = name ?? running[0]!;
    const socket = await open(socketPath(dir, wanted));
    if (socket === null) throw new ControlError(`no system named ${wanted} is running; there is ${running.join(", ")}`);
    return new ControlClient(wanted, socket);
  }

  /** @throws ControlError with what the system answers, or when it has ended or says nothing */
  request<T>(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    patienceMs: number = PATIENCE_MS,
  ): Promise<T> {
    const id = this.#next++;
    return new Promise<unknown>((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new ControlError(`the system ${this.system} has ended`));
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ControlError(`the system ${this.system} has not answered for ${patienceMs} ms`));
      }, patienceMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ id, command, ...args })}\n`);
    }) as Promise<T>;
  }

  close(): void {
    this.#socket.destroy();
  }

  #answer(line: string): void {
    const { id, ok, value, error } = JSON.parse(line) as { id: number; ok: boolean; value: unknown; error: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    if (ok) waiting?.resolve(value);
    else waiting?.reject(new ControlError(error));
  }
}
