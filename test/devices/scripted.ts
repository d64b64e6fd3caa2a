/**
 * A back end whose device is a few lines, and a driver of a few more: what the tests of wrappers need of NVM Express.
 *
 * Every command is answered at its doorbell: Identify with the command's CNS in each byte (a namespace of 512-byte blocks),
 * Read with the low byte of the block's number.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow } from "#kernel/device/backend.ts";

export const HEAP = 1 << 20;
export const WINDOW: DmaWindow = { iova: 0x10000, bytes: 0x40000 };
const BLOCK = 512;

interface Ring {
  base: number;
  entries: number;
  at: number;
}

export class ScriptedBackend implements DeviceBackend {
  readonly name = "model:scripted";
  readonly real = false;
  readonly identity = {
    vendor: 0x1b36,
    device: 0x10,
    classCode: 0x010802,
    revision: 2,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  };
  readonly bars = [{ bytes: 0x4000 }];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  /** CSTS.RDY follows CC.EN after so many reads of CSTS. */
  readyReads = 2;
  injected: string[] = [];
  readonly #registers = new Map<number, number>([
    [0x00, 0x0f0107ff],
    [0x04, 0x20],
    [0x08, 0x10400],
  ]);
  readonly #sq = new Map<number, Ring>();
  readonly #cq = new Map<number, Ring>();
  #memory = new DataView(new ArrayBuffer(0) as ArrayBufferLike);
  #fired: (vector: number) => void = () => {};
  #left = 0;

  configRead(offset: number, width: ConfigWidth): number {
    return offset === 0 && width === 4 ? 0x00101b36 : offset === 4 ? 0x0006 : 0;
  }
  configWrite(): void {}
  read32(_bar: number, offset: number): number {
    if (offset !== 0x1c) return this.#registers.get(offset) ?? 0;
    return this.#left > 0 && this.#left-- > 0 ? 0 : this.#registers.get(0x14)! & 1;
  }
  write32(_bar: number, offset: number, value: number): void {
    if (offset >= 0x1000) return this.#doorbell((offset - 0x1000) / 4, value);
    this.#registers.set(offset, value);
    if (offset !== 0x14 || (value & 1) === 0) return;
    this.#left = this.readyReads;
    const aqa = this.#registers.get(0x24)!;
    this.#sq.set(0, { base: this.#registers.get(0x28)!, entries: (aqa & 0xfff) + 1, at: 0 });
    this.#cq.set(0, { base: this.#registers.get(0x30)!, entries: ((aqa >>> 16) & 0xfff) + 1, at: 0 });
  }
  map(memory: SharedArrayBuffer): void {
    this.#memory = new DataView(memory);
  }
  interrupts(vectors: number, fired: (vector: number) => void): number {
    this.#fired = fired;
    return Math.min(vectors, 2);
  }
  start(): void {}
  async quiesce(): Promise<void> {}
  async close(): Promise<void> {}
  inject(text: string): void {
    if (text !== "hang") throw new Error(`there is no fault "${text}"; there is hang`);
    this.injected.push(text);
  }
  vanish(): void {
    this.onEvent?.({ kind: "gone", text: "pulled out" });
  }

  #doorbell(number: number, tail: number): void {
    if (number % 2 === 1) return;
    const sq = this.#sq.get(number / 2)!;
    for (; sq.at !== tail; sq.at = (sq.at + 1) % sq.entries) this.#do(number / 2, sq.base + sq.at * 64, sq.at);
  }

  #do(id: number, at: number, head: number): void {
    const memory = this.#memory;
    const [opcode, dw10, dw12] = [
      memory.getUint8(at),
      memory.getUint32(at + 40, true),
      memory.getUint16(at + 48, true),
    ];
    const ring = (): Ring => ({ base: memory.getUint32(at + 24, true), entries: (dw10 >>> 16) + 1, at: 0 });
    if (id === 0 && opcode === 5) this.#cq.set(dw10 & 0xffff, ring());
    if (id === 0 && opcode === 1) this.#sq.set(dw10 & 0xffff, ring());
    if (id === 0 && opcode === 6) {
      this.#fill(at, 4096, dw10 & 0xff);
      // LBAF 0: blocks of 512 bytes.
      if (dw10 === 0) memory.setUint8(memory.getUint32(at + 24, true) + 130, 9);
    }
    if (id > 0 && opcode === 2) this.#fill(at, (dw12 + 1) * BLOCK, dw10 & 0xff);
    const cq = this.#cq.get(id)!;
    const entry = cq.base + (cq.at % cq.entries) * 16;
    memory.setUint32(entry, 0, true);
    memory.setUint32(entry + 8, (id << 16) | head, true);
    const phase = Math.floor(cq.at++ / cq.entries) % 2 === 0 ? 1 : 0;
    memory.setUint32(entry + 12, memory.getUint16(at + 2, true) | (phase << 16), true);
    setImmediate(() => this.#fired(id));
  }

  /** Through the pages that PRP1, PRP2 or a list name. */
  #fill(at: number, bytes: number, value: number): void {
    const page = (n: number): number => {
      if (n === 0) return this.#memory.getUint32(at + 24, true);
      const second = this.#memory.getUint32(at + 32, true);
      return bytes <= 8192 ? second : this.#memory.getUint32(second + (n - 1) * 8, true);
    };
    for (let done = 0; done < bytes; done++)
      this.#memory.setUint8(page(Math.floor(done / 4096)) + (done % 4096), value);
  }
}

/** Brings a controller up, identifies, reads blocks through one I/O queue; everything polled. */
export class ScriptedDriver {
  readonly memory = new SharedArrayBuffer(HEAP);
  readonly view = new DataView(this.memory);
  readonly backend: DeviceBackend;
  readonly fired: number[] = [];
  readonly #base: number;
  readonly #tail = [0, 0];
  readonly #head = [0, 0];

  /** @param shift moves queues and buffers, which must make no difference to anybody */
  constructor(backend: DeviceBackend, shift = 0) {
    this.backend = backend;
    this.#base = WINDOW.iova + shift;
    void backend.map(this.memory, [WINDOW]);
  }

  at(page: number): number {
    return this.#base + page * 4096;
  }

  async start({ polls = Infinity }: { polls?: number } = {}): Promise<void> {
    const { backend } = this;
    backend.start();
    backend.configRead(0, 4);
    for (const register of [0x00, 0x04, 0x08]) backend.read32(0, register);
    backend.interrupts(2, (vector) => this.fired.push(vector));
    backend.write32(0, 0x24, (7 << 16) | 7);
    for (const [register, page] of [
      [0x28, 0],
      [0x30, 1],
    ] as const) {
      backend.write32(0, register, this.at(page));
      backend.write32(0, register + 4, 0);
    }
    backend.write32(0, 0x14, 0x460001);
    for (let n = 0; (backend.read32(0, 0x1c) & 1) === 0; n++) {
      if (n > polls) throw new Error("not ready");
    }
    this.command(0, 5, 1, this.at(3), (7 << 16) | 1);
    this.command(0, 1, 2, this.at(2), (7 << 16) | 1, 1 << 16);
  }

  /** Posts one command and polls for its answer. @returns its status, or -1 when none comes */
  command(
    queue: number,
    opcode: number,
    cid: number,
    prp1: number,
    dw10: number,
    dw11 = 0,
    dw12 = 0,
    prp2 = 0,
  ): number {
    const { view, backend } = this;
    const entry = this.at(queue * 2) + this.#tail[queue]! * 64;
    for (let i = 0; i < 64; i++) view.setUint8(entry + i, 0);
    view.setUint32(entry, opcode | (cid << 16), true);
    view.setUint32(entry + 4, 1, true);
    view.setUint32(entry + 24, prp1, true);
    view.setUint32(entry + 32, prp2, true);
    for (const [i, word] of [dw10, dw11, dw12].entries()) view.setUint32(entry + 40 + i * 4, word, true);
    this.#tail[queue] = (this.#tail[queue]! + 1) % 8;
    backend.write32(0, 0x1000 + queue * 8, this.#tail[queue]!);
    const head = this.#head[queue]!;
    const answer = this.at(queue * 2 + 1) + (head % 8) * 16;
    const phase = Math.floor(head / 8) % 2 === 0 ? 1 : 0;
    if (((view.getUint32(answer + 12, true) >>> 16) & 1) !== phase) return -1;
    if ((view.getUint32(answer + 12, true) & 0xffff) !== cid) return -2;
    this.#head[queue] = head + 1;
    backend.write32(0, 0x1004 + queue * 8, (head + 1) % 8);
    return view.getUint32(answer + 12, true) >>> 17;
  }

  /** Identify Namespace, then `blocks` from block `lba` on, into pages 8, 9, … through a list in page 7. */
  read(cid: number, lba: number, blocks: number): Uint8Array {
    const pages = Math.ceil((blocks * BLOCK) / 4096);
    for (let n = 1; n < pages; n++) this.view.setBigUint64(this.at(7) + (n - 1) * 8, BigInt(this.at(8 + n)), true);
    const second = pages === 1 ? 0 : pages === 2 ? this.at(9) : this.at(7);
    const status = this.command(1, 2, cid, this.at(8), lba, 0, blocks - 1, second);
    if (status !== 0) throw new Error(`read ended with ${status}`);
    return new Uint8Array(this.memory).slice(this.at(8), this.at(8) + blocks * BLOCK);
  }
}
