/**
 * A controller in the hands of `selftest`: registers, one admin queue and one I/O queue, commands one at a time.
 *
 * Invariants: the device reaches nothing but a window made for this test; of the commands that it is given, none
 * changes data. Every wait has an end. Source: NVM Express 1.4, by the sections named.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { bits } from "#drivers/wrappers/registers.ts";

/** What a step found wrong; for the report. */
export class Failure extends Error {}

/** @throws Failure with this text unless it holds */
export function must(holds: boolean, text: string): void {
  if (!holds) throw new Failure(text);
}

/** 3.1: offsets in BAR 0. */
export const Register = { CAP: 0x00, VS: 0x08, CC: 0x14, CSTS: 0x1c, AQA: 0x24, ASQ: 0x28, ACQ: 0x30 } as const;
const DOORBELLS = 0x1000;

/** 5 and 6. Only these are ever posted: none writes to a medium or changes what outlives a reset. */
export const Opcode = {
  DELETE_SQ: 0x00,
  CREATE_SQ: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_CQ: 0x04,
  CREATE_CQ: 0x05,
  IDENTIFY: 0x06,
  GET_FEATURES: 0x0a,
  /** Of the I/O queue. */
  READ: 0x02,
} as const;
const ADMIN: readonly number[] = [0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x0a];

const PAGE = 4096;
const WASM_PAGE = 65_536;
const ENTRIES = 16;
const SQE = 64;
const CQE = 16;
const COMMAND_MS = 5000;
const POLL_MS = 1;

/** Pages of the window: two queue pairs, then data. */
const DATA_PAGE = 4;
const DATA_PAGES = 8;
export const DATA_BYTES = DATA_PAGES * PAGE;

export interface Command {
  readonly opcode: number;
  readonly nsid?: number;
  readonly dw10?: number;
  readonly dw11?: number;
  readonly dw12?: number;
  /** Data that the device writes, bytes; at most two pages, from the data page on. */
  readonly bytes?: number;
}

export interface Answer {
  /** Status code type << 8 | status code: 4.6.1. */
  readonly status: number;
  readonly dw0: number;
  /** What it wrote. */
  readonly data: Uint8Array;
}

export class NvmeProbe {
  readonly backend: DeviceBackend;
  readonly #memory: SharedArrayBuffer;
  readonly #view: DataView;
  readonly #tails = [0, 0];
  readonly #heads = [0, 0];
  readonly #fired = new Set<number>();
  #stride = 0;
  #command = 0;

  constructor(backend: DeviceBackend) {
    this.backend = backend;
    // Of Wasm, because its memories begin at a page of the system's, as an IOMMU wants.
    const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
    this.#memory = memory.buffer as unknown as SharedArrayBuffer;
    this.#view = new DataView(this.#memory);
  }

  /** The device sees the window, decodes its registers and masters the bus. @returns vectors enabled */
  async begin(): Promise<number> {
    await this.backend.map(this.#memory, [{ iova: WASM_PAGE, bytes: WASM_PAGE }]);
    const vectors = this.backend.interrupts(2, (vector) => void this.#fired.add(vector));
    this.backend.start();
    return vectors;
  }

  /** Silences it and lets it go. */
  async end(): Promise<void> {
    try {
      await this.backend.quiesce();
    } finally {
      await this.backend.close();
    }
  }

  read(register: number): number {
    return this.backend.read32(0, register) >>> 0;
  }

  write(register: number, value: number): void {
    this.backend.write32(0, register, value);
  }

  /** CAP.DSTRD, 3.1.1. */
  set stride(value: number) {
    this.#stride = value;
  }

  #page(number: number): number {
    return WASM_PAGE + number * PAGE;
  }

  /** Sets the admin queues, 3.1.8 to 3.1.10. */
  setAdminQueues(): void {
    this.#forgetQueues();
    this.write(Register.AQA, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
    for (const [register, page] of [
      [Register.ASQ, 0],
      [Register.ACQ, 1],
    ] as const) {
      this.write(register, this.#page(page));
      this.write(register + 4, 0);
    }
  }

  #forgetQueues(): void {
    new Uint8Array(this.#memory).fill(0);
    for (const queue of [0, 1]) this.#tails[queue] = this.#heads[queue] = 0;
  }

  /** Waits for a field of CSTS. @throws Failure when it does not come */
  async waitStatus(text: string, ms: number, holds: (csts: number) => boolean): Promise<number> {
    const started = performance.now();
    for (;;) {
      const csts = this.read(Register.CSTS);
      must(csts !== 0xffff_ffff, "the device is gone: registers read as all ones");
      if (holds(csts)) return performance.now() - started;
      must(performance.now() - started <= ms, `${text} did not come within ${ms} ms`);
      await sleep(POLL_MS);
    }
  }

  /** 5.3, 5.4: the I/O queue pair 1, with interrupts. @throws Failure */
  async createQueues(vector: number): Promise<void> {
    const size = ((ENTRIES - 1) << 16) | 1;
    // Interrupts enabled, physically contiguous.
    await this.expect(
      { opcode: Opcode.CREATE_CQ, dw10: size, dw11: (vector << 16) | 3 },
      "Create I/O Completion Queue",
      3,
    );
    await this.expect({ opcode: Opcode.CREATE_SQ, dw10: size, dw11: (1 << 16) | 1 }, "Create I/O Submission Queue", 2);
  }

  /** An admin command that has to succeed. @param page of the window for PRP 1, instead of the data page */
  async expect(command: Command, name: string, page?: number): Promise<Answer> {
    const answer = await this.submit(0, command, page);
    must(answer.status === 0, `${name} ended with status 0x${answer.status.toString(16)}`);
    return answer;
  }

  /**
   * Posts a command and waits for its answer.
   * @param queue 0: admin, 1: I/O
   * @throws Failure when none comes, or it is another command's
   */
  async submit(queue: 0 | 1, command: Command, page = DATA_PAGE): Promise<Answer> {
    const allowed = queue === 0 ? ADMIN.includes(command.opcode) : command.opcode === Opcode.READ;
    must(allowed, `opcode 0x${command.opcode.toString(16)} is not one that only reads`);
    const id = ++this.#command & 0x7fff;
    this.#post(queue, id, command, page);
    await this.#await(queue, id);
    return this.#take(queue, id, command.bytes ?? 0);
  }

  #post(queue: number, id: number, command: Command, page: number): void {
    const { opcode, nsid = 0, dw10 = 0, dw11 = 0, dw12 = 0, bytes = 0 } = command;
    const at = this.#page(queue * 2) + this.#tails[queue]! * SQE;
    const words = new Uint32Array(this.#memory, at, SQE / 4).fill(0);
    words[0] = opcode | (id << 16);
    words[1] = nsid;
    words[6] = this.#page(page);
    if (bytes > PAGE) words[8] = this.#page(page + 1);
    words.set([dw10, dw11, dw12], 10);
    new Uint8Array(this.#memory, this.#page(DATA_PAGE), DATA_BYTES).fill(0xa5);
    this.#tails[queue] = (this.#tails[queue]! + 1) % ENTRIES;
    this.#fired.clear();
    this.write(DOORBELLS + queue * 2 * (4 << this.#stride), this.#tails[queue]!);
  }

  #entry(queue: number): number {
    return this.#page(queue * 2 + 1) + (this.#heads[queue]! % ENTRIES) * CQE;
  }

  /** Waits for the phase tag, 4.6.1; a model in this thread moves when it is looked at. */
  async #await(queue: number, id: number): Promise<void> {
    const phase = Math.floor(this.#heads[queue]! / ENTRIES) % 2 === 0 ? 1 : 0;
    const word = new Int32Array(this.#memory, this.#entry(queue) + 12, 1);
    for (const end = performance.now() + COMMAND_MS; bits(Atomics.load(word, 0), 16, 16) !== phase;) {
      const csts = this.read(Register.CSTS);
      must(csts !== 0xffff_ffff, "the device is gone: registers read as all ones");
      must(bits(csts, 1, 1) === 0, "CSTS.CFS: the controller reports a fatal error");
      must(performance.now() < end, `command ${id} was not answered within ${COMMAND_MS} ms`);
      await sleep(POLL_MS);
    }
  }

  #take(queue: number, id: number, bytes: number): Answer {
    const at = this.#entry(queue);
    const [dw0, dw2, dw3] = [0, 8, 12].map((offset) => this.#view.getUint32(at + offset, true)) as [
      number,
      number,
      number,
    ];
    must(bits(dw3, 15, 0) === id, `the answer is for command ${bits(dw3, 15, 0)}, not ${id}`);
    must(dw2 >>> 16 === queue, `the answer names submission queue ${dw2 >>> 16}, not ${queue}`);
    must((dw2 & 0xffff) === this.#tails[queue], `SQHD is ${dw2 & 0xffff}, not ${this.#tails[queue]}`);
    this.#heads[queue] = this.#heads[queue]! + 1;
    this.write(DOORBELLS + (queue * 2 + 1) * (4 << this.#stride), this.#heads[queue]! % ENTRIES);
    const from = this.#page(DATA_PAGE);
    return { status: bits(dw3, 27, 17), dw0, data: new Uint8Array(this.#memory).slice(from, from + bytes) };
  }

  /** Whether a vector fires within a second of the last command. */
  async interrupted(vector: number): Promise<boolean> {
    for (const end = performance.now() + 1000; !this.#fired.has(vector); await sleep(POLL_MS))
      if (performance.now() > end) return false;
    return true;
  }
}
