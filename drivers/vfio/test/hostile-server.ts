/**
 * A server that lies: `node hostile-server.ts NATIVE SOCKET LIE`. Serves a CopyDevice, and spoils its answers.
 */
import { Connection } from "../connection.ts";
import { loadNative } from "../native.ts";
import type { NativeChannel } from "../native.ts";
import { ServedDevice } from "../served.ts";
import { Command, Field, HEADER, Message, REPLY, Size, TYPE } from "../wire.ts";
import { CopyDevice } from "./device.ts";

/** A command of the server's own. */
const DMA_READ = 11;

type Lie = (out: Message, length: number, send: (length: number) => void) => void;

/** Asks for memory by message, as a server may that was given no descriptors. */
function ask(out: Message, times: number, send: (length: number) => void): void {
  out.header(7, DMA_READ, HEADER + 16, 0);
  for (let i = 0; i < times; i++) send(HEADER + 16);
}

/** A lie that spoils the answers to one command. */
const about =
  (command: number, spoil: (out: Message, length: number) => number): Lie =>
  (out, length, send) =>
    send(out.command === command ? spoil(out, length) : length);

function sized(out: Message, length: number): number {
  out.view.setUint32(4, length, true);
  return length;
}

export const LIES = {
  silence: () => {},
  "every answer is a header": (out, _length, send) => send(sized(out, HEADER)),
  "a size of 4 GB": (out, length, send) => (out.view.setUint32(4, 0xffff_ffff, true), send(length)),
  "a size of 3": (out, length, send) => (out.view.setUint32(4, 3, true), send(length)),
  "half a header": (_out, _length, send) => (send(8), process.exit(0)),
  "the id of nobody": (out, length, send) => (out.view.setUint16(0, out.id + 1, true), send(length)),
  "another command": (out, length, send) => (out.view.setUint16(2, out.command + 1, true), send(length)),
  "everything refused": (out, _length, send) => (out.header(out.id, out.command, HEADER, 0x21, 13), send(HEADER)),
  "questions without end": (out, _length, send) => ask(out, 100, send),
  "questions before each answer": (out, length, send) => {
    const answer = out.bytes.slice();
    ask(out, 3, send);
    out.bytes.set(answer);
    send(length);
  },
  "another version": about(Command.VERSION, (out, length) => (out.setU16(0, 9), length)),
  "version data of noise": about(Command.VERSION, (out, length) => (out.bytes.fill(0x7b, HEADER + 4, length), length)),
  "capabilities of null": about(Command.VERSION, (out) =>
    sized(out, HEADER + out.setVersion(1, null as unknown as object)),
  ),
  "no descriptor at most": about(Command.VERSION, (out) => sized(out, HEADER + out.setVersion(1, { max_msg_fds: 0 }))),
  "no PCI device": about(Command.DEVICE_GET_INFO, (out, length) => (out.setU32(4, 1), length)),
  "no regions": about(Command.DEVICE_GET_INFO, (out, length) => (out.setU32(8, 0), length)),
  "a BAR without end": about(Command.DEVICE_GET_REGION_INFO, (out, length) => (out.setU32(20, 0xffff_ffff), length)),
  "half a region": about(Command.DEVICE_GET_REGION_INFO, (out) => sized(out, HEADER + Size.REGION_INFO - 8)),
  "4 G vectors": about(Command.DEVICE_GET_IRQ_INFO, (out, length) => (out.setU32(12, 0xffff_ffff), length)),
  "no vectors taken": about(
    Command.DEVICE_SET_IRQS,
    (out) => (out.header(out.id, out.command, HEADER, 0x21, 22), HEADER),
  ),
  "half a register": about(Command.REGION_READ, (out, length) => sized(out, length - 1)),
  "no memory taken": about(Command.DMA_MAP, (out) => (out.header(out.id, out.command, HEADER, 0x21, 12), HEADER)),
  "no reset": about(Command.DEVICE_RESET, (out) => (out.header(out.id, out.command, HEADER, 0x21, 0), HEADER)),
} satisfies Record<string, Lie>;

class Lying implements NativeChannel {
  readonly #channel: NativeChannel;
  readonly #lie: Lie;

  constructor(channel: NativeChannel, lie: Lie) {
    this.#channel = channel;
    this.#lie = lie;
  }

  send(from: Uint8Array, length: number): void {
    const out = new Message();
    out.bytes.set(from.subarray(0, length));
    if ((out.flags & REPLY) !== 0) this.#lie(out, length, (n) => this.#channel.send(out.bytes, n));
  }

  /** The client answers the questions of a lie; that is nothing for the server. */
  receive = (into: Uint8Array, millis: number): number => {
    for (;;) {
      const size = this.#channel.receive(into, millis);
      if (size < HEADER || (into[Field.FLAGS]! & TYPE) !== REPLY) return size;
    }
  };
  takeDescriptors = (): ReturnType<NativeChannel["takeDescriptors"]> => this.#channel.takeDescriptors();
  close = (): void => this.#channel.close();
  attach(): void {}
  attachVectors(): void {}
}

function serve(file: string, path: string, lie: Lie): void {
  const listener = loadNative(file).Listener.bind(path);
  process.send?.("ready");
  const channel = listener.accept(20_000);
  if (channel === null) return;
  const device = new ServedDevice((host) => new CopyDevice(host));
  const connection = new Connection(device, new Lying(channel, lie), () => {});
  try {
    while (connection.serve(20_000) === "handled") device.model.step();
  } catch {
    // The client did not like it.
  }
  listener.close();
}

if (import.meta.main) {
  const [file, path, lie] = process.argv.slice(2);
  serve(file!, path!, LIES[lie as keyof typeof LIES]);
  process.disconnect?.();
}
