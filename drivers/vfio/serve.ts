/**
 * Serves a device model over a UNIX socket, to QEMU (`-device vfio-user-pci`) or to our own client (vfio-user.ts).
 *
 * Belongs in a process or worker of its own: it waits in the socket, not in the event loop, so that an access is
 * answered in microseconds. Invariants: one client at a time; whatever a client does ends its own connection at most;
 * the event loop gets a turn every `TURN_MS`.
 */
import { lstatSync, rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { DeviceModel, ModelHost } from "../models/model.ts";
import { Connection } from "./connection.ts";
import type { Native, NativeListener } from "./native.ts";
import { ServedDevice } from "./served.ts";

/** How long the event loop waits at most: signals and timers of the process run then. */
const TURN_MS = 20;
/** Steps of the model between two looks at the socket. */
const STEPS = 16;

export interface ServeOptions {
  readonly native: Native;
  /** Of the socket, which must not exist, or be one that nobody listens on any more. */
  readonly path: string;
  readonly make: (host: ModelHost) => DeviceModel;
  /** Gets lines about clients: who came and went, what was refused. */
  readonly note?: (text: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Called once, when a client can connect. */
  readonly ready?: () => void;
}

/** Removes the socket of a server that is gone. */
function listen(native: Native, path: string): NativeListener {
  try {
    return native.Listener.bind(path);
  } catch (error) {
    if (!(error as Error).message.startsWith("EADDRINUSE") || !lstatSync(path).isSocket()) throw error;
  }
  let why = "";
  try {
    native.Channel.connect(path).close();
  } catch (error) {
    why = (error as Error).message;
  }
  if (!why.startsWith("ECONNREFUSED")) throw new Error(why || `${path}: somebody serves a device there already`);
  rmSync(path);
  return native.Listener.bind(path);
}

/** Lets a model work. @returns how long nothing has to be done, milliseconds */
function work(model: DeviceModel): number {
  for (let i = 0; i < STEPS; i++) if (!model.step()) return Math.max(0, model.nextEvent - performance.now());
  return 0;
}

/** What `work` says, as a wait that leaves the event loop its turns. Less than a millisecond is none at all. */
function wait(idle: number): number {
  return Math.min(TURN_MS, Math.floor(idle));
}

/** Serves until the client goes or breaks the protocol. */
async function serveClient(device: ServedDevice, connection: Connection, signal: AbortSignal): Promise<string> {
  let turn = performance.now();
  for (;;) {
    const idle = work(device.model);
    try {
      if (connection.serve(wait(idle)) === "closed") return "the client went";
    } catch (error) {
      return `connection ended: ${(error as Error).message}`;
    }
    if (performance.now() - turn < TURN_MS) continue;
    await setImmediate();
    if (signal.aborted) return "the server ends";
    turn = performance.now();
  }
}

/**
 * Serves until `signal`. The model keeps its state from one client to the next.
 * @throws Error naming errno and path when the socket cannot be made.
 */
export async function serveModel(options: ServeOptions): Promise<void> {
  const { native, path, signal } = options;
  const note = options.note ?? ((): void => {});
  const device = new ServedDevice(options.make);
  let listener: NativeListener | null = null;
  try {
    listener = listen(native, path);
    options.ready?.();
    while (!signal.aborted) {
      const channel = listener.accept(wait(work(device.model)));
      if (channel !== null) {
        note("a client came");
        const connection = new Connection(device, channel, note);
        note(await serveClient(device, connection, signal));
        device.release();
        channel.close();
      }
      await setImmediate();
    }
  } finally {
    listener?.close();
    device.release();
    device.model.close();
  }
}
