/**
 * A disk in this process that lies, and the right to restart it.
 *
 * Owns the ways in which a driver may be wrong without crashing. Invariant: it tells one lie for each one that it was
 * told to tell; a restart changes nothing but the requests that it holds, which are gone.
 */
import type { System } from "#runtime/node/system.ts";
import { BLOCK, READ, type BlockRequest, type BlockRequestDeque32 } from "./disk.ts";

/** A lie about one request. */
export type Lie =
  /** Answers with data that are not the block's. */
  | "wrong data"
  /** Acknowledges a write that it does not do. */
  | "lost write"
  /** Writes to the next block. */
  | "misplaced write"
  /** Writes the first half only. */
  | "torn write"
  /** Reads the next block. */
  | "misplaced read"
  /** Says that it failed, though there is no reason. */
  | "no such block"
  | "failed"
  /** Changes the data of a write's request after it was done. */
  | "spoilt request"
  /** In flight only: a status that is none; the request's tag changed; never done. */
  | "strange status"
  | "strange tag"
  | "hang";

export class Liar {
  readonly blocks: Uint8Array[];
  readonly lies: Lie[] = [];
  /** Whether its lies outlive a restart: the same one is told again and again. */
  stubborn = false;
  restarts = 0;
  told = 0;
  #queue: BlockRequest[] = [];
  readonly #system: () => System;

  constructor(system: () => System, blocks: number) {
    this.#system = system;
    this.blocks = Array.from({ length: blocks }, () => new Uint8Array(BLOCK));
  }

  disk() {
    return [
      {
        read: (request: BlockRequest) => this.#plain(request, READ),
        write: (request: BlockRequest) => this.#plain(request, 1),
        submit: (requests: BlockRequestDeque32) => this.#submit(requests),
        poll: (done: BlockRequestDeque32) => this.#poll(done),
        flush: () => ({ ok: true, value: undefined }),
        capacity: () => ({ ok: true, value: BigInt(this.blocks.length) }),
        patience: () => ({ ok: true, value: 20 }),
        statistics: () => ({ ok: true, value: { reads: 0n, writes: 0n, errors: 0n } }),
      },
    ];
  }

  lifecycle() {
    return [
      {
        state: () => ({ ok: true, value: { state: 1, generation: this.restarts + 1, faults: this.restarts } }),
        restart: () => {
          this.restarts++;
          for (const { handle } of this.#queue.splice(0)) this.#system().heap.free(handle);
          return { ok: true, value: this.restarts + 1 };
        },
        kill: () => ({ ok: true, value: undefined }),
      },
    ];
  }

  #lie(): Lie | undefined {
    const lie = this.stubborn ? this.lies[0] : this.lies.shift();
    if (lie !== undefined) this.told++;
    return lie;
  }

  #plain(request: BlockRequest, operation: number) {
    const status = this.#execute(request, operation, this.#lie());
    if (status === 0) return { ok: true, value: request };
    this.#system().heap.free(request.handle);
    return { ok: false, error: ["", "Io", "OutOfRange"][status] };
  }

  #submit(requests: BlockRequestDeque32) {
    for (let request = requests.pop(); request !== null; request = requests.pop()) this.#queue.push(request);
    return { ok: true, value: requests };
  }

  #poll(done: BlockRequestDeque32) {
    const hanging: BlockRequest[] = [];
    for (let room = 32; room > 0 && this.#queue.length > 0; room--) {
      const request = this.#queue.shift()!;
      const lie = this.#lie();
      if (lie === "hang") hanging.push(request);
      else {
        request.status = this.#execute(request, request.operation, lie) as never;
        if (lie === "strange status") request.status = 200 as never;
        if (lie === "strange tag") request.tag ^= 0x1_0000;
        done.push(request);
      }
    }
    // What hangs is lied about once: it stays where it is until a restart.
    this.#hung.push(...hanging);
    return { ok: true, value: done };
  }
  readonly #hung: BlockRequest[] = [];

  /** What was never answered: the test gives it back at the end. */
  freeHung(): void {
    for (const { handle } of this.#hung.splice(0)) this.#system().heap.free(handle);
  }

  /** @returns the status */
  #execute(request: BlockRequest, operation: number, lie?: Lie): number {
    if (lie === "no such block") return 2;
    if (lie === "failed") return 1;
    const misplaced = lie === (operation === READ ? "misplaced read" : "misplaced write") ? 1 : 0;
    const block = (Number(request.block) + misplaced) % this.blocks.length;
    if (operation === READ) request.setData(this.blocks[block]!);
    else if (lie === "torn write") this.blocks[block]!.set(request.getData().subarray(0, BLOCK / 2));
    else if (lie !== "lost write") this.blocks[block] = request.getData();
    if (lie === "wrong data" || lie === "spoilt request") {
      const data = request.getData();
      data[BLOCK - 1]! ^= 1;
      request.setData(data);
    }
    return 0;
  }
}
