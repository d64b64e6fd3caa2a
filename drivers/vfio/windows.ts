/**
 * A client's memory as a served device reaches it: what was mapped with DMA_MAP, and nothing else.
 *
 * Invariant: a view lies in one window that is mapped now, with the right to the access, and bus mastering is on. Each
 * file of the client's is mapped once, whole, however many windows lie in it, and no longer than the first DMA_UNMAP
 * after which none does.
 */
import type { NativeDescriptor, NativeMapping } from "./native.ts";

interface ClientFile {
  readonly key: string;
  readonly mapping: NativeMapping;
  readonly buffer: ArrayBuffer;
  windows: number;
}

interface Window {
  readonly iova: number;
  readonly bytes: number;
  /** null: the client gave no descriptor, so that the device cannot get there. */
  readonly file: ClientFile | null;
  readonly offset: number;
  readonly readable: boolean;
  readonly writable: boolean;
}

/** Most windows at once: what we announce. Linux behind a virtual IOMMU has some thousands. */
export const MOST_WINDOWS = 65_535;

export class Windows {
  /** Changes when a view that was given may not be used any more. */
  epoch = 0;
  #busMaster = false;
  /** By address. */
  readonly #windows: Window[] = [];
  readonly #files = new Map<string, ClientFile>();

  get size(): number {
    return this.#windows.length;
  }

  set busMaster(on: boolean) {
    if (on === this.#busMaster) return;
    this.#busMaster = on;
    this.epoch++;
  }

  /** Place of the first window that ends above an address. */
  #place(iova: number): number {
    let low = 0;
    let high = this.#windows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { iova: start, bytes } = this.#windows[middle]!;
      if (start + bytes <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  overlaps(iova: number, bytes: number): boolean {
    const at = this.#windows[this.#place(iova)];
    return at !== undefined && at.iova < iova + bytes;
  }

  /**
   * Adds a window that overlaps none.
   * @param offset of the window in the file
   * @throws Error of the shim when the file cannot be mapped, or is smaller than the window
   */
  add(
    window: { iova: number; bytes: number; readable: boolean; writable: boolean },
    file: NativeDescriptor | null,
    offset: number,
  ): void {
    const from = file === null ? null : this.#use(file, offset + window.bytes);
    if (from !== null) from.windows++;
    this.#windows.splice(this.#place(window.iova), 0, { ...window, file: from, offset });
    this.epoch++;
  }

  #use(file: NativeDescriptor, needed: number): ClientFile {
    const key = file.identity();
    const known = this.#files.get(key);
    if (known !== undefined && known.buffer.byteLength >= needed) return known;
    const size = file.size();
    if (size < needed) throw new Error(`the window ends at ${needed} of a file of ${size} bytes`);
    const mapping = file.map(0, size, true);
    const made: ClientFile = { key, mapping, buffer: mapping.buffer(), windows: 0 };
    // A file that has grown: its former mapping stays for the windows that lie in it.
    this.#files.set(key, made);
    return made;
  }

  /**
   * Removes the windows that lie in a range. The protocol asks for the range of one; QEMU behind a virtual IOMMU also
   * sends ranges over many, and over none, as Linux's own vfio takes them.
   * @param bytes may be Infinity
   * @returns false, and none is removed, when the range cuts one
   */
  remove(iova: number, bytes: number): boolean {
    const first = this.#place(iova);
    let end = first;
    for (; end < this.#windows.length && this.#windows[end]!.iova < iova + bytes; end++) {
      const window = this.#windows[end]!;
      if (window.iova < iova || window.iova + window.bytes > iova + bytes) return false;
    }
    for (const { file } of this.#windows.splice(first, end - first)) this.#release(file);
    this.epoch++;
    return true;
  }

  #release(file: ClientFile | null): void {
    if (file === null || --file.windows > 0) return;
    if (this.#files.get(file.key) === file) this.#files.delete(file.key);
    file.mapping.close(file.buffer);
  }

  clear(): void {
    for (const { file } of this.#windows.splice(0)) this.#release(file);
    this.epoch++;
  }

  /** As `Dma.view` of a device model (drivers/models/model.ts). */
  view(iova: number, bytes: number, write: boolean): Uint8Array | null {
    const window = this.#windows[this.#place(iova)];
    if (!this.#busMaster || window === undefined || window.file === null) return null;
    const inside = iova - window.iova;
    if (inside < 0 || inside + bytes > window.bytes) return null;
    if (!(write ? window.writable : window.readable)) return null;
    return new Uint8Array(window.file.buffer, window.offset + inside, bytes);
  }
}
