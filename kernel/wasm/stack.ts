/**
 * A model of the top of the operand stack: which entries are the value of which local.
 *
 * Invariant: an entry names a local only while that local still has the entry's value. Entries below the model, and
 * beyond its size, are unknown; unknown is always right.
 */
import type { Signature } from "../interface/model.ts";
import { Op, POPS, PUSHES } from "./opcodes.ts";

const SIZE = 32;
const UNKNOWN = -1;

export class StackModel {
  readonly #entries = new Int32Array(SIZE);
  #height = 0;

  clear(): void {
    this.#height = 0;
  }

  push(local: number): void {
    if (this.#height === SIZE) {
      this.#entries.copyWithin(0, SIZE / 2);
      this.#height = SIZE / 2;
    }
    this.#entries[this.#height++] = local;
  }

  /** The local that holds the same value, or -1. */
  pop(): number {
    return this.#height > 0 ? this.#entries[--this.#height]! : UNKNOWN;
  }

  drop(count: number): void {
    this.#height = Math.max(0, this.#height - count);
  }

  /** The local that holds the same value as the entry `depth` below the top, or -1. */
  peek(depth: number): number {
    return this.#height > depth ? this.#entries[this.#height - 1 - depth]! : UNKNOWN;
  }

  /** An instruction with a fixed effect. Returns, for an assignment, the local that the value came from, or -1. */
  plain(op: number, local: number): number {
    if (op === Op.localGet) this.push(local);
    else if (op === Op.localSet || op === Op.localTee) {
      const source = this.pop();
      this.forget(local);
      if (op === Op.localTee) this.push(local);
      return source;
    } else {
      this.drop(POPS[op]!);
      if (PUSHES[op] === 1) this.push(UNKNOWN);
    }
    return UNKNOWN;
  }

  call({ params, results }: Signature): void {
    this.drop(params.length);
    for (let i = 0; i < results.length; i++) this.push(UNKNOWN);
  }

  /** `local` gets another value. */
  forget(local: number): void {
    for (let i = 0; i < this.#height; i++) if (this.#entries[i] === local) this.#entries[i] = UNKNOWN;
  }
}
