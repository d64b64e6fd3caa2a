/**
 * The native shim as TypeScript sees it, and how it is loaded.
 *
 * Invariant: the shapes here are those of drivers/vfio/native/src; everything that a number can say wrongly (an offset,
 * a size, a region) is checked there. Errors are `Error`s whose message begins with the name of an errno.
 */
import { createRequire } from "node:module";

/** Memory of a device or a peer. One buffer can be made of it. */
export interface NativeMapping {
  buffer(): ArrayBuffer;
  /** Detaches the buffer, so that all its views are empty, and unmaps. */
  close(buffer: ArrayBuffer): void;
  load32(offset: number): number;
  store32(offset: number, value: number): void;
}

/** A memory file or an eventfd. */
export interface NativeDescriptor {
  map(offset: number, bytes: number, write: boolean): NativeMapping;
  /** Bytes. */
  size(): number;
  /** The same for each descriptor of one file. */
  identity(): string;
  /** Adds one to an eventfd. */
  signal(): void;
  nonblocking(): void;
  close(): void;
}

/** Vectors that wake the event loop. */
export interface NativeInterrupts {
  /** Bits of the vectors 32 * word … that fired; word 0 first. */
  take(word: number): number;
  close(): void;
}

export interface NativeRegion {
  readonly bytes: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Parts that may be mapped. */
  readonly areas: readonly { readonly offset: number; readonly bytes: number }[];
}

/** A device bound to vfio-pci. */
export interface NativeVfioDevice {
  /** BARs 0–5, ROM, config space. */
  regions(): NativeRegion[];
  /** Vectors of INTx, MSI, MSI-X, error, request. */
  irqs(): number[];
  read(region: number, offset: number, width: number): number;
  write(region: number, offset: number, width: number, value: number): void;
  map(region: number, offset: number, bytes: number): NativeMapping;
  dmaMap(view: Uint8Array, iova: number): void;
  dmaUnmap(iova: number, bytes: number): void;
  enableIrqs(kind: number, interrupts: NativeInterrupts): void;
  disableIrqs(kind: number): void;
  /** Rejects with ENOTTY where the function has no reset. */
  reset(): Promise<void>;
  /** What became of it, for those who cannot wait: 0 done, 1 under way, 2 failed. */
  resetState(): number;
  close(): void;
}

/** One end of a connection over a UNIX socket. After an error it is of no more use. */
export interface NativeChannel {
  /** Sends a descriptor with the next message; the caller keeps its own. */
  attach(descriptor: NativeDescriptor): void;
  attachVectors(interrupts: NativeInterrupts, first: number, count: number): void;
  send(from: Uint8Array, length: number): void;
  /** Waits up to `millis` for a message. @returns its size; 0: the peer closed; -1: nothing came */
  receive(into: Uint8Array, millis: number): number;
  /** What came with the last message. */
  takeDescriptors(): NativeDescriptor[];
  close(): void;
}

export interface NativeListener {
  /** @returns null when nobody came within `millis` */
  accept(millis: number): NativeChannel | null;
  /** Removes the socket. */
  close(): void;
}

/** A TAP interface: frames from and to the machine's network. */
export interface NativeTap {
  readonly name: string;
  /** Frames into places of `stride` bytes. @returns how many: fewer than places when all were read */
  read(into: Uint8Array, stride: number, lengths: Uint32Array): number;
  /** @returns how many were taken: fewer when the system's queue is full */
  write(from: Uint8Array, stride: number, lengths: Uint32Array, count: number): number;
  close(): void;
}

export interface Native {
  readonly Tap: new (name: string, readable: () => void) => NativeTap;
  /** Opens a file that exists, to be shared as memory. */
  readonly Descriptor: { open(path: string): NativeDescriptor };
  readonly Channel: { connect(path: string): NativeChannel };
  readonly Listener: { bind(path: string): NativeListener };
  readonly VfioDevice: new (sysfs: string) => NativeVfioDevice;
  readonly Interrupts: new (count: number, fired: () => void) => NativeInterrupts;
  /** Puts a memory file below a view, in 2 MiB pages or ordinary ones. The bytes stay. */
  back(view: Uint8Array, huge: boolean): NativeDescriptor;
  /** Bytes from the view's start to the next 2 MiB boundary. */
  hugeOffset(view: Uint8Array): number;
  adviseHuge(view: Uint8Array): void;
}

/**
 * Loads the shim.
 * @param file absolute path, from `buildNative` (tools/native/build.ts).
 * @throws Error of the dynamic linker.
 */
export function loadNative(file: string): Native {
  return createRequire(import.meta.url)(file) as Native;
}

/** Name of the errno that an error of the shim begins with, or "". */
export function errnoOf(error: unknown): string {
  return /^E[A-Z0-9]+(?=:)/.exec((error as Error).message ?? "")?.[0] ?? "";
}
