/**
 * A client of a block device that keeps many requests in flight and knows what every block must hold.
 *
 * Invariants: at most one request is in flight for a block, so its contents are never in doubt; every request comes
 * back once; whatever breaks one of these, or the contents, throws and says where.
 */
import type { System } from "#runtime/node/system.ts";
import type * as BlockTypes from "../../build/gen/host/block-device.ts";
import type { BlockDeviceClient, BlockRequest, BlockRequestDeque32 } from "../../build/gen/host/block-device.ts";
import type { FaultInjectionClient } from "../../build/gen/host/fault-injection.ts";

export type { BlockDeviceClient, BlockRequest, BlockRequestDeque32, FaultInjectionClient };
/** The generated classes; loaded when they have been generated. */
export type Records = typeof BlockTypes;

export const BLOCK = 4096;
export const READ = 0;
export const WRITE = 1;
export const BATCH = 32;

/** A generator of the same numbers for the same seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Contents of which every word tells block and version, so that torn and misplaced ones show. */
export function contents(block: number, version: number): Uint8Array {
  const words = new Uint32Array(BLOCK / 4);
  if (version > 0) words.fill(0).forEach((_, i) => (words[i] = Math.imul(version * 256 + block, 0x9e3779b1) ^ i));
  return new Uint8Array(words.buffer);
}

interface InFlight {
  readonly block: number;
  readonly version: number | null;
}

export class ModelClient {
  /** Version of each block that was acknowledged last; 0: zeros. */
  readonly versions: number[];
  readonly inFlight = new Map<number, InFlight>();
  /** Requests that came back with an error, in all. */
  errors = 0;
  done = 0;
  readonly #disk: BlockDeviceClient;
  readonly #system: System;
  readonly #records: Records;
  readonly #next: (below: number) => number;
  #tag = 1;
  #version = 1;

  constructor(system: System, records: Records, path: string, blocks: number, next: (below: number) => number) {
    this.#system = system;
    this.#records = records;
    this.#disk = system.client<BlockDeviceClient>(path);
    this.#next = next;
    this.versions = Array.from({ length: blocks }, () => 0);
  }

  request(block: number, version: number | null): BlockRequest {
    const request = this.#records.BlockRequest.create(this.#system.heap);
    request.block = BigInt(block);
    request.tag = this.#tag++;
    request.operation = version === null ? READ : WRITE;
    if (version !== null) request.setData(contents(block, version));
    return request;
  }

  deque(): BlockRequestDeque32 {
    return this.#records.BlockRequestDeque32.create(this.#system.heap);
  }

  /** A read or write of a random block that has nothing in flight. */
  plain(): void {
    const block = this.#idleBlock();
    if (block === null) return;
    const version = this.#next(2) === 0 ? null : this.#version++;
    const request = this.request(block, version);
    const { tag } = request;
    const answer = version === null ? this.#disk.read(request) : this.#disk.write(request);
    this.done++;
    if (!answer.ok) {
      if (!("error" in answer)) throw new Error(`a call met a fault: ${JSON.stringify(answer)}`);
      this.errors++;
      return;
    }
    this.#settle(answer.value, { block, version }, tag);
  }

  /** Submits up to a deque full; those for which there is no room come back and are dropped. */
  submit(most = BATCH): void {
    const deque = this.deque();
    const count = 1 + this.#next(most);
    for (let i = 0; i < count && this.inFlight.size < 96; i++) {
      const block = this.#idleBlock();
      if (block === null) break;
      const version = this.#next(2) === 0 ? null : this.#version++;
      const request = this.request(block, version);
      this.inFlight.set(request.tag, { block, version });
      deque.push(request);
    }
    const left = answered(this.#disk.submit(deque));
    for (let request = left.pop(); request !== null; request = left.pop()) {
      this.inFlight.delete(request.tag);
      this.#system.heap.free(request.handle);
    }
    this.#system.heap.free(left.handle);
  }

  /** @returns how many came back */
  poll(): number {
    const done = answered(this.#disk.poll(this.deque()));
    let count = 0;
    for (let request = done.pop(); request !== null; request = done.pop(), count++) {
      const sent = this.inFlight.get(request.tag);
      if (sent === undefined) throw new Error(`a request with tag ${request.tag} came back that is not in flight`);
      this.inFlight.delete(request.tag);
      this.done++;
      if (request.status === 0) this.#settle(request, sent, request.tag);
      else {
        this.errors++;
        this.#system.heap.free(request.handle);
      }
    }
    this.#system.heap.free(done.handle);
    return count;
  }

  /** Polls until nothing is in flight. */
  drain(): void {
    for (let polls = 0; this.inFlight.size > 0; polls++) {
      if (polls > 1_000_000) throw new Error(`${this.inFlight.size} requests never come back`);
      this.poll();
    }
  }

  /** Reads every block, and compares it with what was acknowledged. */
  verify(): void {
    this.versions.forEach((_, block) => {
      const request = this.request(block, null);
      const { tag } = request;
      this.#settle(answered(this.#disk.read(request)), { block, version: null }, tag);
    });
  }

  #idleBlock(): number | null {
    const busy = new Set([...this.inFlight.values()].map((r) => r.block));
    for (let i = 0; i < 8; i++) {
      const block = this.#next(this.versions.length);
      if (!busy.has(block)) return block;
    }
    return null;
  }

  #settle(request: BlockRequest, { block, version }: InFlight, tag: number): void {
    if (Number(request.block) !== block || request.tag !== tag)
      throw new Error(`block ${request.block}, tag ${request.tag} came back for block ${block}, tag ${tag}`);
    if (version !== null) this.versions[block] = version;
    const expected = contents(block, this.versions[block]!);
    const data = request.getData();
    const at = expected.findIndex((byte, i) => byte !== data[i]);
    this.#system.heap.free(request.handle);
    if (at >= 0) throw new Error(`block ${block} differs from version ${this.versions[block]} at byte ${at}`);
  }
}

export function answered<T>(answer: { ok: true; value: T } | { ok: false }): T {
  if (!answer.ok) throw new Error(JSON.stringify(answer));
  return answer.value;
}
