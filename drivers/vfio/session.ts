/**
 * The client's side of one vfio-user connection: a request out, its reply in.
 *
 * Source: QEMU, docs/interop/vfio-user.rst. Invariants: a request has a reply of the right id, command and size within
 * `patience`, or the server counts as gone, for ever; what a server says is looked at before it is used; nothing is
 * allocated for a request.
 */
import type { Native, NativeChannel, NativeDescriptor, NativeInterrupts } from "./native.ts";
import * as wire from "./wire.ts";
import { Command, Errno, Message, ProtocolError, Size } from "./wire.ts";

/** How many requests of the server's own are refused while one of ours waits. */
const MOST_ASIDES = 64;
/** How often somebody looks whether the answer to a reset has come, milliseconds. */
const LOOK_MS = 1;

/** A server's refusal. */
export class Refused extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what} was refused by the server, errno ${errno}`);
    this.name = "Refused";
    this.errno = errno;
  }
}

/** The server closed the connection. */
class Closed extends ProtocolError {
  constructor() {
    super("the server closed the connection");
  }
}

export class Session {
  readonly out = new Message();
  readonly in = new Message();
  readonly #channel: NativeChannel;
  readonly #patience: number;
  /** Called once, when the server is gone. */
  readonly #onGone: (why: string) => void;
  #id = 0;
  /** Id of a reset whose answer has not come, or -1. */
  #resetting = -1;
  #resetErrno = 0;
  #gone = false;
  #why = "closed";
  #closedByServer = false;
  /** Most descriptors that the server takes with a message. */
  mostDescriptors = 1;
  mostData = wire.MOST_DATA;

  /**
   * Connects and agrees on a version.
   * @param patience milliseconds
   * @throws Error when nobody listens, or speaks another protocol.
   */
  constructor(native: Native, path: string, patience: number, onGone: (why: string) => void) {
    this.#channel = native.Channel.connect(path);
    this.#patience = patience;
    this.#onGone = onGone;
    try {
      this.#version();
    } catch (error) {
      this.#channel.close();
      throw error;
    }
  }

  get gone(): boolean {
    return this.#gone;
  }

  #version(): void {
    const payload = this.out.setVersion(wire.MINOR, {
      max_msg_fds: wire.MOST_DESCRIPTORS,
      max_data_xfer_size: wire.MOST_DATA,
    });
    const size = this.#exchange(Command.VERSION, payload, Size.VERSION);
    if (this.in.u16(0) !== wire.MAJOR || this.in.u16(2) > wire.MINOR)
      throw new ProtocolError(`version ${this.in.u16(0)}.${this.in.u16(2)}, ours is ${wire.MAJOR}.${wire.MINOR}`);
    const said = this.in.capabilities(wire.HEADER + size);
    this.mostDescriptors = limit(said.max_msg_fds, 1, wire.MOST_DESCRIPTORS);
    this.mostData = limit(said.max_data_xfer_size, wire.MOST_DATA, wire.MOST_DATA);
  }

  /**
   * Sends `out` with a payload of `bytes` and waits for the reply, which is in `in` then.
   * @param least bytes that the reply's payload must have
   * @returns bytes of the reply's payload
   * @throws Refused; Error when the server is gone or breaks the protocol, which is the end of the session.
   */
  request(command: number, bytes: number, least: number): number {
    if (this.#gone) throw new ProtocolError(`the server is gone: ${this.#why}`);
    try {
      return this.#exchange(command, bytes, least);
    } catch (error) {
      if (!(error instanceof Refused)) this.#end(error as Error);
      throw error;
    }
  }

  #exchange(command: number, bytes: number, least: number): number {
    const id = this.#send(command, bytes);
    const until = performance.now() + this.#patience;
    for (let asides = 0; asides < MOST_ASIDES; asides++) {
      const left = Math.max(0, Math.ceil(until - performance.now()));
      const size = this.#channel.receive(this.in.bytes, left);
      if (size < 0) throw new ProtocolError(`no answer to command ${command} within ${this.#patience} ms`);
      if (size === 0) throw new Closed();
      if (!this.#aside(size)) return this.#reply(id, command, size - wire.HEADER, least);
    }
    throw new ProtocolError("the server asks instead of answering");
  }

  #send(command: number, bytes: number): number {
    this.#id = (this.#id + 1) & 0xffff;
    this.out.header(this.#id, command, wire.HEADER + bytes, 0);
    this.#channel.send(this.out.bytes, wire.HEADER + bytes);
    return this.#id;
  }

  /** Deals with what is no answer to the present request. */
  #aside(size: number): boolean {
    const { id, command, flags } = this.in;
    if ((flags & wire.TYPE) === wire.REPLY) {
      if (id !== this.#resetting || command !== Command.DEVICE_RESET) return false;
      this.#resetting = -1;
      this.#resetErrno = (flags & wire.ERROR) === 0 ? 0 : this.in.error || Errno.EINVAL;
      return true;
    }
    // Access to memory by message: ours is mapped.
    if (size >= wire.HEADER && (flags & wire.NO_REPLY) === 0) {
      this.in.header(id, command, wire.HEADER, wire.REPLY | wire.ERROR, Errno.EOPNOTSUPP);
      this.#channel.send(this.in.bytes, wire.HEADER);
    }
    return true;
  }

  #reply(id: number, command: number, size: number, least: number): number {
    if (this.in.id !== id || this.in.command !== command)
      throw new ProtocolError(`reply ${this.in.id} to command ${this.in.command}, not ${id} to ${command}`);
    if ((this.in.flags & wire.ERROR) !== 0) throw new Refused(`command ${command}`, this.in.error);
    if (size < least) throw new ProtocolError(`command ${command}: a reply of ${size} bytes, not ${least}`);
    return size;
  }

  attach(descriptor: NativeDescriptor): void {
    this.#channel.attach(descriptor);
  }

  attachVectors(interrupts: NativeInterrupts, first: number, count: number): void {
    this.#channel.attachVectors(interrupts, first, count);
  }

  /** What came with the last reply; to be closed by whoever takes it. */
  takeDescriptors(): NativeDescriptor[] {
    return this.#channel.takeDescriptors();
  }

  /** Looks whether the server has gone or said something, without waiting. */
  look(): void {
    if (this.#gone) return;
    try {
      const size = this.#channel.receive(this.in.bytes, 0);
      if (size === 0) throw new Closed();
      if (size > 0 && !this.#aside(size)) throw new ProtocolError("a reply to nothing");
    } catch (error) {
      this.#end(error as Error);
    }
  }

  /**
   * Resets the device. Requests may be made meanwhile. Resolves also when the server has closed the connection, with
   * which go its mappings.
   * @throws Refused; Error when the server does not answer within `millis`, or was given up for another reason.
   */
  async reset(millis: number): Promise<void> {
    this.#resetErrno = 0;
    if (!this.#gone) {
      try {
        this.#resetting = this.#send(Command.DEVICE_RESET, 0);
      } catch (error) {
        this.#end(error as Error);
      }
    }
    const until = performance.now() + millis;
    for (this.look(); this.#resetting >= 0 && !this.#gone; this.look()) {
      if (performance.now() > until) this.#end(new ProtocolError(`no answer to a reset within ${millis} ms`));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    if (this.#gone && !this.#closedByServer)
      throw new ProtocolError("the server was given up, and may still have memory mapped");
    if (this.#resetErrno !== 0) throw new Refused("a reset", this.#resetErrno);
  }

  /** Whether the last reset was answered, and well, without waiting. */
  resetDone(): boolean {
    this.look();
    const over = this.#resetting < 0 && !this.#gone;
    return (over && this.#resetErrno === 0) || (this.#gone && this.#closedByServer);
  }

  #end(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#why = error.message;
    this.#closedByServer = error instanceof Closed || /^(EPIPE|ECONNRESET):/.test(error.message);
    this.#channel.close();
    this.#onGone(error.message);
  }

  close(): void {
    this.#gone = true;
    this.#channel.close();
  }
}

/** A limit that a server announces, within ours. */
function limit(said: unknown, otherwise: number, most: number): number {
  if (said === undefined) return otherwise;
  if (!Number.isSafeInteger(said) || (said as number) < 1)
    throw new ProtocolError(`a capability is ${JSON.stringify(said)}`);
  return Math.min(said as number, most);
}
