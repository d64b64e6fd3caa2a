/**
 * A growing byte buffer that writes the binary format.
 *
 * Invariant: numbers are written in their shortest encoding; nobody keeps a view of the buffer across a write.
 */
const UTF8 = new TextEncoder();

export class Writer {
  #buffer: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(Math.max(capacity, 16));
  }

  #need(count: number): void {
    if (this.length + count <= this.#buffer.length) return;
    const bigger = new Uint8Array(Math.max(this.#buffer.length * 2, this.length + count));
    bigger.set(this.#buffer.subarray(0, this.length));
    this.#buffer = bigger;
  }

  u8(byte: number): this {
    if (this.length === this.#buffer.length) this.#need(1);
    this.#buffer[this.length++] = byte;
    return this;
  }

  u32(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  s32(value: number): this {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    return this.u8(rest & 0x7f);
  }

  name(text: string): this {
    const bytes = UTF8.encode(text);
    return this.u32(bytes.length).bytes(bytes);
  }

  bytes(from: ArrayLike<number>): this {
    this.#need(from.length);
    this.#buffer.set(from, this.length);
    this.length += from.length;
    return this;
  }

  /** Copies `from[start, end)`; short runs, which are most, without a view. */
  range(from: Uint8Array, start: number, end: number): this {
    this.#need(end - start);
    if (end - start > 64) this.#buffer.set(from.subarray(start, end), this.length);
    else for (let i = start, to = this.length; i < end; i++) this.#buffer[to++] = from[i]!;
    this.length += end - start;
    return this;
  }

  reset(): void {
    this.length = 0;
  }

  /** A view of what was written, valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.length);
  }
}
