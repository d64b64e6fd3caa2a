/**
 * Ethernet frames from and to a TAP interface of the machine, in batches.
 *
 * Source: Linux, Documentation/networking/tuntap.rst. Invariants: a batch is reused, so receiving and sending allocate
 * nothing; `readable` runs in the event loop, and again only after `receive` has answered with fewer frames than fit.
 */
import type { Native, NativeTap } from "./native.ts";

/** Places for frames. What is in them is the caller's until the next `receive`. */
export class FrameBatch {
  /** Bytes of a place: the longest frame. */
  readonly stride: number;
  readonly bytes: Uint8Array;
  readonly lengths: Uint32Array;

  /** @param stride at least the interface's MTU and 14 bytes of header, 18 with a VLAN tag */
  constructor(frames: number, stride = 2048) {
    this.stride = stride;
    this.bytes = new Uint8Array(frames * stride);
    this.lengths = new Uint32Array(frames);
  }

  /** The bytes of one frame, to be changed in place. */
  frame(index: number): Uint8Array {
    return this.bytes.subarray(index * this.stride, index * this.stride + this.lengths[index]!);
  }

  /** Puts a frame into a place. @throws RangeError when it is longer than a place */
  set(index: number, frame: Uint8Array): void {
    if (frame.length > this.stride)
      throw new RangeError(`a frame of ${frame.length} bytes, places have ${this.stride}`);
    this.bytes.set(frame, index * this.stride);
    this.lengths[index] = frame.length;
  }
}

export class Tap {
  readonly #tap: NativeTap;

  /**
   * Opens an interface, or makes it until `close`. Needs CAP_NET_ADMIN, or an interface that was made for this user.
   * @param name such as "tap0"; with "%d" the system chooses a number
   * @throws Error naming errno and interface.
   */
  constructor(native: Native, name: string, readable: () => void) {
    this.#tap = new native.Tap(name, readable);
  }

  get name(): string {
    return this.#tap.name;
  }

  /** @returns how many frames are in the batch now; fewer than fit: no more were there */
  receive(batch: FrameBatch): number {
    return this.#tap.read(batch.bytes, batch.stride, batch.lengths);
  }

  /**
   * Sends the first `count` frames.
   * @returns how many were taken; fewer: the system's queue is full
   * @throws Error naming errno and frame, such as EIO when the interface is down.
   */
  send(batch: FrameBatch, count: number): number {
    return this.#tap.write(batch.bytes, batch.stride, batch.lengths, count);
  }

  close(): void {
    this.#tap.close();
  }
}
