/**
 * Writes Wasm modules section by section, right or wrong.
 *
 * Owns index assignment (imports before definitions) and section order. It validates nothing: every part can also be
 * given as raw bytes, repeated, or put out of order with `raw`, because its users test what a loader must refuse.
 */
import { type Code, HEADER, name, section, u32, vec } from "./bytes.ts";

/** Section ids in the order in which the format wants them. */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11] as const;
export const Kind = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

/** Limits: flags, minimum, maximum. Flag bits: 1 has a maximum, 2 shared, 4 64-bit, 8 custom page size. */
export function limits(min: number, max: number | null = null, flags = 0): number[] {
  return [flags | (max === null ? 0 : 1), ...u32(min), ...(max === null ? [] : u32(max))];
}

function size(parts: readonly Code[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

export class ModuleBuilder {
  readonly #sections = new Map<number, Code[]>();
  readonly #types = new Map<string, number>();
  readonly #extra: { before: number; bytes: Code }[] = [];
  #typeCount = 0;
  #functions = 0;
  #start: number | null = null;
  #dataCount: number | null = null;

  /** Adds one encoded item to a section; returns its index in that section. */
  item(id: number, bytes: Code): number {
    const items = this.#sections.get(id) ?? [];
    this.#sections.set(id, items);
    items.push(bytes);
    return items.length - 1;
  }

  /** Index of a function type; the same signature gives the same index. */
  type(params: Code, results: Code = []): number {
    const key = `${params.join()};${results.join()}`;
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    const index = this.rawType([0x60, ...u32(params.length), ...params, ...u32(results.length), ...results]);
    this.#types.set(key, index);
    return index;
  }

  rawType(bytes: Code): number {
    this.item(1, bytes);
    return this.#typeCount++;
  }

  /** Imports a function; returns its function index. All imports come before the first `func`. */
  importFunc(module: string, field: string, params: Code, results: Code = []): number {
    this.item(2, [...name(module), ...name(field), Kind.func, ...u32(this.type(params, results))]);
    return this.#functions++;
  }

  /** An import of any kind with its type as raw bytes. Does not count as a function. */
  importRaw(module: string, field: string, kind: number, type: Code): this {
    this.item(2, [...name(module), ...name(field), kind, ...type]);
    return this;
  }

  /** Defines a function; `locals` are value types, one each; `code` lacks the final `end`. Returns its index. */
  func(params: Code, results: Code, code: Code, locals: Code = [], exported?: string): number {
    const declared = u32(locals.length);
    for (const type of locals) declared.push(1, type);
    const body = declared.concat(code as number[], 0x0b);
    return this.rawFunc(this.type(params, results), body, exported);
  }

  /** Defines a function from raw local declarations and code, `end` included. */
  rawFunc(type: number, body: Code, exported?: string): number {
    this.item(3, u32(type));
    this.item(10, u32(body.length).concat(body as number[]));
    const index = this.#functions++;
    if (exported !== undefined) this.export(exported, Kind.func, index);
    return index;
  }

  table(min: number, max: number | null = null, element = 0x70): number {
    return this.item(4, [element, ...limits(min, max)]);
  }

  memory(min: number, max: number | null = null, flags = 0): number {
    return this.item(5, limits(min, max, flags));
  }

  /** A global; `init` lacks the final `end`. */
  global(type: number, mutable: boolean, init: Code): number {
    return this.item(6, [type, mutable ? 1 : 0, ...init, 0x0b]);
  }

  export(field: string, kind: number, index: number): this {
    this.item(7, [...name(field), kind, ...u32(index)]);
    return this;
  }

  start(index: number): this {
    this.#start = index;
    return this;
  }

  /** Active element segment of function indices in table 0; `offset` lacks the final `end`. */
  elem(offset: Code, functions: Code): number {
    return this.item(9, [0, ...offset, 0x0b, ...vec(functions.map((f) => u32(f)))]);
  }

  /** Declares functions for `ref.func`. */
  declare(functions: Code): number {
    return this.item(9, [3, 0, ...vec(functions.map((f) => u32(f)))]);
  }

  /** Active data segment in memory 0; `offset` lacks the final `end`. */
  data(offset: Code, bytes: Code): number {
    return this.item(11, [0, ...offset, 0x0b, ...u32(bytes.length), ...bytes]);
  }

  passiveData(bytes: Code): number {
    const index = this.item(11, [1, ...u32(bytes.length), ...bytes]);
    this.#dataCount = index + 1;
    return index;
  }

  dataCount(count: number): this {
    this.#dataCount = count;
    return this;
  }

  custom(field: string, bytes: Code): this {
    return this.raw(section(0, name(field).concat(bytes)));
  }

  /** Raw bytes before section `before` (0: at the very end). */
  raw(bytes: Code, before = 0): this {
    this.#extra.push({ before, bytes });
    return this;
  }

  build(): Uint8Array<ArrayBuffer> {
    const parts = [HEADER];
    for (const id of ORDER) {
      this.#extras(id, parts);
      const contents = this.#contents(id);
      if (contents !== null) parts.push([id, ...u32(size(contents))], ...contents);
    }
    this.#extras(0, parts);
    const out = new Uint8Array(size(parts));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  #extras(before: number, parts: Code[]): void {
    for (const extra of this.#extra) if (extra.before === before) parts.push(extra.bytes);
  }

  #contents(id: number): readonly Code[] | null {
    if (id === 8) return this.#start === null ? null : [u32(this.#start)];
    if (id === 12) return this.#dataCount === null ? null : [u32(this.#dataCount)];
    const items = this.#sections.get(id);
    return items === undefined ? null : [u32(items.length), ...items];
  }
}
