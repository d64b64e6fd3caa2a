/**
 * The server's side of one vfio-user connection: a message in, what it does to the device, the reply out.
 *
 * Source: QEMU, docs/interop/vfio-user.rst. Invariants: a message is acted on only when its size, its fields and its
 * descriptors fit together, else it is answered with an errno and has done nothing; what breaks the protocol ends the
 * connection; each descriptor that came is kept or closed.
 */
import type { NativeChannel, NativeDescriptor } from "./native.ts";
import type { ServedDevice } from "./served.ts";
import * as wire from "./wire.ts";
import { Command, Errno, Message, ProtocolError, Size } from "./wire.ts";
import { MOST_WINDOWS } from "./windows.ts";

/** Page size of DMA_MAP. */
const PAGE = 4096;
/** Words of a refused message that are shown. */
const NOTED_WORDS = 8;
const ACTIONS = (1 << 3) | (1 << 4) | wire.VFIO_IRQ_SET_ACTION_TRIGGER;
const DATA = wire.VFIO_IRQ_SET_DATA_NONE | (1 << 1) | wire.VFIO_IRQ_SET_DATA_EVENTFD;
const EVENTFD_TRIGGER = wire.VFIO_IRQ_SET_DATA_EVENTFD | wire.VFIO_IRQ_SET_ACTION_TRIGGER;
const NONE_TRIGGER = wire.VFIO_IRQ_SET_DATA_NONE | wire.VFIO_IRQ_SET_ACTION_TRIGGER;
const DMA_FLAGS = wire.VFIO_DMA_MAP_FLAG_READ | wire.VFIO_DMA_MAP_FLAG_WRITE;

/** Bytes of the reply's payload, or an errno as a negative number. */
type Answer = number;

export class Connection {
  readonly #device: ServedDevice;
  readonly #channel: NativeChannel;
  readonly #note: (text: string) => void;
  readonly #in = new Message();
  readonly #out = new Message();
  #size = 0;
  #descriptors: NativeDescriptor[] = [];
  #versionDone = false;

  /** @param note gets a line for each message that was refused */
  constructor(device: ServedDevice, channel: NativeChannel, note: (text: string) => void) {
    this.#device = device;
    this.#channel = channel;
    this.#note = note;
  }

  /**
   * Waits up to `millis` for a message and answers it.
   * @returns "closed" when the client is gone
   * @throws Error when the client breaks the protocol; the connection is of no more use
   */
  serve(millis: number): "handled" | "nothing" | "closed" {
    const size = this.#channel.receive(this.#in.bytes, millis);
    if (size < 0) return "nothing";
    if (size === 0) return "closed";
    this.#size = size - wire.HEADER;
    this.#descriptors = this.#channel.takeDescriptors();
    try {
      this.#handle();
    } finally {
      for (const descriptor of this.#descriptors) descriptor.close();
    }
    return "handled";
  }

  #handle(): void {
    const { id, command, flags } = this.#in;
    if ((flags & wire.TYPE) !== 0) throw new ProtocolError("a reply, though nothing was asked");
    if (!this.#versionDone && command !== Command.VERSION)
      throw new ProtocolError(`command ${command} before the version was agreed on`);
    const answer = this.#dispatch(command);
    if (answer < 0) this.#refused(command, -answer);
    if ((flags & wire.NO_REPLY) !== 0) return;
    const length = wire.HEADER + Math.max(answer, 0);
    if (answer < 0) this.#out.header(id, command, length, wire.REPLY | wire.ERROR, -answer);
    else this.#out.header(id, command, length, wire.REPLY);
    this.#channel.send(this.#out.bytes, length);
  }

  /** Says so, with the payload's first words: what was asked. */
  #refused(command: number, errno: number): void {
    const words = Math.min(NOTED_WORDS, this.#size >>> 2);
    const text = Array.from({ length: words }, (_, i) => this.#in.u32(4 * i).toString(16)).join(" ");
    this.#note(`command ${command} refused: errno ${errno}; it said ${text}`);
  }

  #dispatch(command: number): Answer {
    switch (command) {
      case Command.VERSION:
        return this.#version();
      case Command.DMA_MAP:
        return this.#dmaMap();
      case Command.DMA_UNMAP:
        return this.#dmaUnmap();
      case Command.DEVICE_GET_INFO:
        return this.#deviceInfo();
      case Command.DEVICE_GET_REGION_INFO:
        return this.#regionInfo();
      case Command.DEVICE_GET_IRQ_INFO:
        return this.#irqInfo();
      case Command.DEVICE_SET_IRQS:
        return this.#setIrqs();
      case Command.REGION_READ:
        return this.#regionRead();
      case Command.REGION_WRITE:
        return this.#regionWrite();
      case Command.DEVICE_RESET:
        this.#device.reset();
        return 0;
      default:
        return -Errno.EOPNOTSUPP;
    }
  }

  /** Whether the payload has `bytes`, and its first field, the size that the reply may have, does too. */
  #holds(bytes: number): boolean {
    return this.#size >= bytes && this.#in.u32(0) >= bytes;
  }

  #version(): Answer {
    if (this.#versionDone || this.#size < Size.VERSION) throw new ProtocolError("a version message out of place");
    if (this.#in.u16(0) !== wire.MAJOR) throw new ProtocolError(`major version ${this.#in.u16(0)}, ours is 0`);
    this.#in.capabilities(wire.HEADER + this.#size);
    this.#versionDone = true;
    return this.#out.setVersion(Math.min(this.#in.u16(2), wire.MINOR), {
      max_msg_fds: wire.MOST_DESCRIPTORS,
      max_data_xfer_size: wire.MOST_DATA,
      max_dma_maps: MOST_WINDOWS,
      pgsizes: PAGE,
    });
  }

  #dmaMap(): Answer {
    if (!this.#holds(Size.DMA_MAP)) return -Errno.EINVAL;
    const { windows } = this.#device;
    const flags = this.#in.u32(4);
    const [offset, iova, bytes] = [this.#in.u64(8), this.#in.u64(16), this.#in.u64(24)];
    const whole = [offset, iova, bytes, iova + bytes, offset + bytes].every(Number.isSafeInteger);
    if (!whole || bytes === 0 || (iova | bytes | offset) % PAGE !== 0) return -Errno.EINVAL;
    if ((flags & ~DMA_FLAGS) !== 0 || flags === 0 || this.#descriptors.length > 1) return -Errno.EINVAL;
    if (windows.overlaps(iova, bytes)) return -Errno.EEXIST;
    if (windows.size >= MOST_WINDOWS) return -Errno.ENOMEM;
    const readable = (flags & wire.VFIO_DMA_MAP_FLAG_READ) !== 0;
    const writable = (flags & wire.VFIO_DMA_MAP_FLAG_WRITE) !== 0;
    try {
      windows.add({ iova, bytes, readable, writable }, this.#descriptors[0] ?? null, offset);
    } catch (error) {
      this.#note(`DMA map of ${bytes} bytes at 0x${iova.toString(16)}: ${(error as Error).message}`);
      return -Errno.EINVAL;
    }
    return 0;
  }

  #dmaUnmap(): Answer {
    if (!this.#holds(Size.DMA_UNMAP)) return -Errno.EINVAL;
    const [flags, iova, bytes] = [this.#in.u32(4), this.#in.u64(8), this.#in.u64(16)];
    if (flags === wire.VFIO_DMA_UNMAP_FLAG_ALL && iova === 0 && bytes === 0) this.#device.windows.clear();
    else if (flags !== 0 || bytes === 0) return -Errno.EINVAL;
    // What JavaScript cannot count in lies above all windows.
    else if (!Number.isNaN(iova) && !this.#device.windows.remove(iova, Number.isNaN(bytes) ? Infinity : bytes))
      return -Errno.EINVAL;
    this.#echo(Size.DMA_UNMAP);
    return Size.DMA_UNMAP;
  }

  /** Starts the reply's payload with the request's. */
  #echo(bytes: number): void {
    this.#out.bytes.set(this.#in.bytes.subarray(wire.HEADER, wire.HEADER + bytes), wire.HEADER);
  }

  #deviceInfo(): Answer {
    if (!this.#holds(Size.DEVICE_INFO)) return -Errno.EINVAL;
    this.#out.setU32(0, Size.DEVICE_INFO);
    this.#out.setU32(4, wire.VFIO_DEVICE_FLAGS_PCI | wire.VFIO_DEVICE_FLAGS_RESET);
    this.#out.setU32(8, wire.REGIONS);
    this.#out.setU32(12, wire.IRQ_KINDS);
    return Size.DEVICE_INFO;
  }

  #regionInfo(): Answer {
    const region = this.#in.u32(8);
    if (!this.#holds(Size.REGION_INFO) || region >= wire.REGIONS) return -Errno.EINVAL;
    const bytes = this.#device.regionBytes(region);
    const flags = bytes === 0 ? 0 : wire.VFIO_REGION_INFO_FLAG_READ | wire.VFIO_REGION_INFO_FLAG_WRITE;
    this.#out.setU32(0, Size.REGION_INFO);
    this.#out.setU32(4, flags);
    this.#out.setU32(8, region);
    this.#out.setU32(12, 0);
    this.#out.setU64(16, bytes);
    this.#out.setU64(24, 0);
    return Size.REGION_INFO;
  }

  /** Only MSI-X. */
  #vectorsOf(kind: number): number {
    return kind === wire.IRQ_MSIX ? this.#device.vectors : 0;
  }

  #irqInfo(): Answer {
    const kind = this.#in.u32(8);
    if (!this.#holds(Size.IRQ_INFO) || kind >= wire.IRQ_KINDS) return -Errno.EINVAL;
    this.#out.setU32(0, Size.IRQ_INFO);
    this.#out.setU32(4, wire.VFIO_IRQ_INFO_EVENTFD);
    this.#out.setU32(8, kind);
    this.#out.setU32(12, this.#vectorsOf(kind));
    return Size.IRQ_INFO;
  }

  #setIrqs(): Answer {
    if (!this.#holds(Size.IRQ_SET)) return -Errno.EINVAL;
    const [flags, kind, start, count] = [this.#in.u32(4), this.#in.u32(8), this.#in.u32(12), this.#in.u32(16)];
    if (kind >= wire.IRQ_KINDS || start + count > this.#vectorsOf(kind)) return -Errno.EINVAL;
    if (flags === EVENTFD_TRIGGER) return this.#setEventfds(start, count);
    if (this.#descriptors.length > 0) return -Errno.EINVAL;
    if (flags === NONE_TRIGGER) {
      if (count === 0 && start === 0) this.#setEventfds(0, this.#vectorsOf(kind));
      for (let v = start; v < start + count; v++) this.#device.signal(v);
      return 0;
    }
    // Booleans and masks: vectors of MSI-X that a client masks, it masks itself.
    return -((flags & ~(ACTIONS | DATA)) === 0 ? Errno.EOPNOTSUPP : Errno.EINVAL);
  }

  /** No descriptor at all takes the vectors away. */
  #setEventfds(start: number, count: number): Answer {
    const given = this.#descriptors.length;
    if (given !== 0 && given !== count) return -Errno.EINVAL;
    for (let i = 0; i < count; i++) this.#device.setVector(start + i, this.#descriptors[i] ?? null);
    this.#descriptors = [];
    return 0;
  }

  /** Whether a region access lies in the region and in a message. */
  #inside(region: number, offset: number, count: number): boolean {
    return (
      Number.isSafeInteger(offset) && count <= wire.MOST_DATA && offset + count <= this.#device.regionBytes(region)
    );
  }

  #regionRead(): Answer {
    if (this.#size < Size.REGION_ACCESS) return -Errno.EINVAL;
    const [offset, region, count] = [this.#in.u64(0), this.#in.u32(8), this.#in.u32(12)];
    if (!this.#inside(region, offset, count)) return -Errno.EINVAL;
    const data = wire.HEADER + Size.REGION_ACCESS;
    const errno = this.#device.read(region, offset, this.#out.bytes.subarray(data, data + count));
    this.#echo(Size.REGION_ACCESS);
    return errno === 0 ? Size.REGION_ACCESS + count : -errno;
  }

  #regionWrite(): Answer {
    if (this.#size < Size.REGION_ACCESS) return -Errno.EINVAL;
    const [offset, region, count] = [this.#in.u64(0), this.#in.u32(8), this.#in.u32(12)];
    if (this.#size - Size.REGION_ACCESS !== count || !this.#inside(region, offset, count)) return -Errno.EINVAL;
    const data = wire.HEADER + Size.REGION_ACCESS;
    const errno = this.#device.write(region, offset, this.#in.bytes.subarray(data, data + count));
    this.#echo(Size.REGION_ACCESS);
    return errno === 0 ? Size.REGION_ACCESS : -errno;
  }
}
