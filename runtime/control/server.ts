/**
 * The control socket: lets programs of the same user see and steer a running system. One request a line,
 * `{"id", "command", …}`, one answer a line, `{"id", "ok": true, "value"}` or `{"id", "ok": false, "error"}`.
 *
 * Invariants: whatever a client sends, or fails to read, costs bounded memory and no more than its own connection; a
 * socket file that a killed system left is replaced, that of a running one never.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { lineReader } from "./lines.ts";
import { alone, answers, ControlError, socketPath } from "./socket.ts";

const MAX_REQUEST = 64 * 1024;
/** Answers that a client has not read: one that lets more pile up is cut off. */
const MAX_UNREAD = 8 << 20;
const MAX_CLIENTS = 64;
/** Requests of one client that wait; no more is read from it meanwhile. */
const MAX_WAITING = 16;

/** Arguments of a request, as JSON gave them. */
export type Arguments = Readonly<Record<string, unknown>>;
/** @param system name that the server listens under */
export type Handler = (args: Arguments, system: string) => unknown;

export class ControlServer {
  readonly name: string;
  readonly path: string;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(name: string, path: string, handlers: ReadonlyMap<string, Handler>) {
    this.name = name;
    this.path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#clients.add(socket);
      socket.on("close", () => this.#clients.delete(socket));
      serve(socket, (line) => answer(line, handlers, name));
    });
    this.#server.maxConnections = MAX_CLIENTS;
  }

  /**
   * Listens as `name` in a folder.
   * @throws ControlError when the name cannot be one, or a running system has it
   */
  static async listen(dir: string, name: string, handlers: ReadonlyMap<string, Handler>): Promise<ControlServer> {
    const path = socketPath(dir, name);
    const server = new ControlServer(name, path, handlers);
    // Two systems that begin at once may find the same left-over file: one after the other looks at it.
    await alone(path, async () => {
      if (await server.#bind()) return;
      if (await answers(path))
        throw new ControlError(`a system named ${name} is running already; give this one another name`);
      rmSync(path, { force: true });
      if (!(await server.#bind())) throw new ControlError(`another program listens at ${path}`);
    });
    return server;
  }

  /** The same under the first free one of `name`, `name-2`, … */
  static async listenFree(dir: string, name: string, handlers: ReadonlyMap<string, Handler>): Promise<ControlServer> {
    for (let n = 1; ; n++) {
      try {
        return await ControlServer.listen(dir, n === 1 ? name : `${name}-${n}`, handlers);
      } catch (error) {
        if (!(error instanceof ControlError) || n >= 99) throw error;
      }
    }
  }

  /** Ends every connection and removes the socket file. */
  async close(): Promise<void> {
    for (const socket of this.#clients) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** @returns false when there is a file in its place */
  #bind(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        if (error.code === "EADDRINUSE") resolve(false);
        else reject(new ControlError(`cannot listen at ${this.path}: ${error.message}`));
      };
      this.#server.once("error", failed);
      // The file is made within `listen`, with these rights from the first moment.
      const mask = process.umask(0o177);
      this.#server.listen(this.path, () => {
        this.#server.off("error", failed);
        this.#server.on("error", () => {});
        chmodSync(this.path, 0o600);
        resolve(true);
      });
      process.umask(mask);
    });
  }
}

function serve(socket: Socket, respond: (line: string) => Promise<object>): void {
  const send = (value: object): void => {
    if (socket.writableLength > MAX_UNREAD) return void socket.destroy();
    if (socket.writable) socket.write(`${JSON.stringify(value)}\n`);
  };
  // One after another, in the order of the requests.
  let turn: Promise<void> = Promise.resolve();
  let waiting = 0;
  const request = (text: string): void => {
    waiting++;
    if (waiting > MAX_WAITING) socket.pause();
    turn = turn.then(async () => {
      // A chunk may hold thousands of requests: others have their turn between two.
      await new Promise(setImmediate);
      send(await respond(text));
      waiting--;
      if (waiting === 0) socket.resume();
    });
  };
  const tooLong = (): void => {
    socket.end(`${JSON.stringify(refused(null, `a request has at most ${MAX_REQUEST} bytes`))}\n`);
    // What else it sends is thrown away, so that the answer reaches it; if it never ends, the connection does.
    setTimeout(() => socket.destroy(), 1000).unref();
  };
  socket.on("data", lineReader(MAX_REQUEST, request, tooLong));
  // Who has sent all that it wants may still read the answers.
  socket.on("end", () => void turn.then(() => socket.end()));
  // A client that is gone is no harm to anybody.
  socket.on("error", () => socket.destroy());
}

const refused = (id: unknown, error: string) => ({ id, ok: false, error });

async function answer(text: string, handlers: ReadonlyMap<string, Handler>, system: string): Promise<object> {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch (error) {
    return refused(null, `not JSON: ${(error as Error).message}`);
  }
  if (typeof request !== "object" || request === null || Array.isArray(request))
    return refused(null, 'a request is an object: {"id", "command", …}');
  const { id = null, command, ...args } = request as Record<string, unknown>;
  const handler = typeof command === "string" ? handlers.get(command) : undefined;
  if (handler === undefined)
    return refused(id, `unknown command ${JSON.stringify(command)}; there are ${[...handlers.keys()].join(", ")}`);
  try {
    return { id, ok: true, value: (await handler(args, system)) ?? null };
  } catch (error) {
    return refused(id, (error as Error).message);
  }
}
