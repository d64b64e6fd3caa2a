/**
 * What the kernel needs of a device: the back end behind which silicon, another process, or a model stands.
 *
 * Owns the contract and no code. Back ends are made by the host program and injected; a wrapper (tracing, faults) is a
 * back end around another one. Invariant that a back end keeps: the device reaches no memory but the windows that `map`
 * was given, and none at all before `start` and after `quiesce`.
 */

/** Configuration space registers that say what a device is (PCI Local Bus 3.0, 6.2.1 and 6.2.4). */
export interface PciIdentity {
  /** Offsets 00h and 02h. */
  readonly vendor: number;
  readonly device: number;
  /** Offset 09h, 24 bits: base class, subclass, programming interface; 0x010802 is an NVM Express controller. */
  readonly classCode: number;
  /** Offset 08h. */
  readonly revision: number;
  /** Offsets 2Ch and 2Eh. */
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

/** A part of the exchange heap that a device may reach. An address on the bus is the address in the heap. */
export interface DmaWindow {
  /** First address and length in bytes, multiples of 64 KiB. */
  readonly iova: number;
  readonly bytes: number;
}

/** Something that the device did by itself: it vanished, or it was refused an access to memory. */
export interface DeviceEvent {
  readonly kind: "gone" | "dma-fault";
  /** For people: what happened, with the address if there is one. */
  readonly text: string;
}

/** Width of an access to configuration space, bytes. */
export type ConfigWidth = 1 | 2 | 4;

export interface DeviceBackend {
  /** "model:nvme", "vfio:0000:00:04.0", "vfio-user:PATH": what people see. */
  readonly name: string;
  /** Whether what it does is real: data on a device that is not the system's own. See `writable` in a manifest. */
  readonly real: boolean;
  readonly identity: PciIdentity;
  /** Index: number of the BAR; bytes 0: there is none. */
  readonly bars: readonly { readonly bytes: number }[];
  /**
   * Configuration space.
   * @param offset bytes, a multiple of `width`, below 4096
   * @returns unsigned; all ones where there is nothing
   */
  configRead(offset: number, width: ConfigWidth): number;
  configWrite(offset: number, width: ConfigWidth, value: number): void;
  /**
   * One access of 32 bits, little-endian, in program order. Allocates nothing.
   * @param offset bytes within the BAR, a multiple of 4; the kernel has checked it
   * @returns any 32 bits, signed or unsigned; all ones when the device is gone
   */
  read32(bar: number, offset: number): number;
  /** All stores to memory that came before are visible to the device when it sees this one. */
  write32(bar: number, offset: number, value: number): void;
  /**
   * The only memory that the device may ever reach. Called once, before `start`.
   * @param memory the exchange heap
   */
  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void | Promise<void>;
  /**
   * Enables vectors 0 … n - 1; 0 disables all. May be called again, also after `quiesce`.
   * @param fired called in the kernel's thread, from the host's loop
   * @returns how many are enabled: fewer when the device has fewer
   */
  interrupts(vectors: number, fired: (vector: number) => void): number;
  /** Memory decoding and bus mastering on. Also after a `quiesce`. */
  start(): void;
  /**
   * Bus mastering off (before this returns, where the back end can), function reset, interrupts off. Resolves when no
   * access of the device to memory can come any more; rejects when that cannot be promised: then the windows are never
   * used again. A back end that can returns nothing, and the device is silent then: so a driver can be restarted within
   * a plain call, during which no promise resolves.
   */
  quiesce(): void | Promise<void>;
  /**
   * Whether what `quiesce` promised last has come true, without waiting: asked within a plain call, during which no
   * promise resolves. A back end whose promises nobody else keeps does not have it.
   */
  quiesced?(): boolean;
  /** The kernel's ear; called from the host's loop. */
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  /** After `quiesce`. */
  close(): Promise<void>;
}
