/**
 * Messages of the vfio-user protocol, version 0.1: their numbers, sizes and fields.
 *
 * Source: QEMU, docs/interop/vfio-user.rst; names as there and in linux/vfio.h. Invariant: nothing here trusts a peer:
 * whoever reads a message looks at its size first (`payload`), and numbers that JavaScript cannot hold are refused.
 */

export const MAJOR = 0;
export const MINOR = 1;

/** Header: message id (2), command (2), size (4), flags (4), error (4). */
export const HEADER = 16;
export const Field = { ID: 0, COMMAND: 2, SIZE: 4, FLAGS: 8, ERROR: 12 } as const;
/** Flags. */
export const TYPE = 0xf;
export const REPLY = 0x1;
export const NO_REPLY = 0x10;
export const ERROR = 0x20;

export const Command = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DEVICE_RESET: 13,
} as const;

/** Payload of each command, bytes; more may follow where a message carries data. */
export const Size = {
  VERSION: 4,
  DMA_MAP: 32,
  DMA_UNMAP: 24,
  DEVICE_INFO: 16,
  REGION_INFO: 32,
  IRQ_INFO: 16,
  IRQ_SET: 20,
  REGION_ACCESS: 16,
} as const;

/** Most bytes of one region access: what we announce, and what our buffers hold. */
export const MOST_DATA = 4096;
/** Most descriptors with one message. */
export const MOST_DESCRIPTORS = 16;
/** Size of a buffer for one message. Version data is the longest that is no region access. */
export const BUFFER = HEADER + Size.REGION_ACCESS + MOST_DATA;

export const VFIO_DEVICE_FLAGS_RESET = 1 << 0;
export const VFIO_DEVICE_FLAGS_PCI = 1 << 1;
export const VFIO_REGION_INFO_FLAG_READ = 1 << 0;
export const VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
export const VFIO_IRQ_INFO_EVENTFD = 1 << 0;
export const VFIO_IRQ_INFO_NORESIZE = 1 << 3;
export const VFIO_IRQ_SET_DATA_NONE = 1 << 0;
export const VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
export const VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;
export const VFIO_DMA_MAP_FLAG_READ = 1 << 0;
export const VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
export const VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;

/** Regions of a PCI device. */
export const REGION_CONFIG = 7;
export const REGIONS = 9;
/** Kinds of interrupts of a PCI device. */
export const IRQ_MSIX = 2;
export const IRQ_KINDS = 5;

/** Numbers of errors that are sent (asm-generic/errno-base.h). */
export const Errno = { EINVAL: 22, EEXIST: 17, ENOMEM: 12, EOPNOTSUPP: 95 } as const;

/** A buffer for one message, with its views. */
export class Message {
  readonly bytes = new Uint8Array(BUFFER);
  readonly view = new DataView(this.bytes.buffer);

  get id(): number {
    return this.view.getUint16(Field.ID, true);
  }

  get command(): number {
    return this.view.getUint16(Field.COMMAND, true);
  }

  get flags(): number {
    return this.view.getUint32(Field.FLAGS, true);
  }

  get error(): number {
    return this.view.getUint32(Field.ERROR, true);
  }

  header(id: number, command: number, size: number, flags: number, error = 0): void {
    this.view.setUint16(Field.ID, id, true);
    this.view.setUint16(Field.COMMAND, command, true);
    this.view.setUint32(Field.SIZE, size, true);
    this.view.setUint32(Field.FLAGS, flags, true);
    this.view.setUint32(Field.ERROR, error, true);
  }

  u16(offset: number): number {
    return this.view.getUint16(HEADER + offset, true);
  }

  u32(offset: number): number {
    return this.view.getUint32(HEADER + offset, true);
  }

  /** @returns NaN when it is no integer that a number holds exactly */
  u64(offset: number): number {
    const value = this.u32(offset + 4) * 2 ** 32 + this.u32(offset);
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }

  setU16(offset: number, value: number): void {
    this.view.setUint16(HEADER + offset, value, true);
  }

  setU32(offset: number, value: number): void {
    this.view.setUint32(HEADER + offset, value, true);
  }

  setU64(offset: number, value: number): void {
    this.setU32(offset, value % 2 ** 32);
    this.setU32(offset + 4, Math.floor(value / 2 ** 32));
  }

  /** Writes the text of VERSION's capabilities. @returns bytes of the payload */
  setVersion(minor: number, capabilities: object): number {
    const text = new TextEncoder().encode(`${JSON.stringify({ capabilities })}\0`);
    this.setU16(0, MAJOR);
    this.setU16(2, minor);
    this.bytes.set(text, HEADER + Size.VERSION);
    return Size.VERSION + text.length;
  }

  /**
   * Capabilities of a VERSION message of `size` bytes.
   * @throws ProtocolError when they are no JSON object
   */
  capabilities(size: number): Readonly<Record<string, unknown>> {
    const end = this.bytes.indexOf(0, HEADER + Size.VERSION);
    const text = new TextDecoder().decode(
      this.bytes.slice(HEADER + Size.VERSION, end < 0 ? size : Math.min(end, size)),
    );
    if (text === "") return {};
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      throw new ProtocolError("version data is no JSON");
    }
    const found = (parsed as { capabilities?: unknown } | null)?.capabilities ?? {};
    if (typeof found !== "object") throw new ProtocolError("version data has no object of capabilities");
    return found as Record<string, unknown>;
  }
}

/** A peer did what the protocol does not allow. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}
