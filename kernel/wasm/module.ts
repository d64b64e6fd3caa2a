/**
 * Parses a module's sections into what admission needs: types, imports, index spaces, exports, where the bodies are.
 *
 * Invariant: every section is read to its exact end and every count is bounded before anything is allocated for it;
 * what comes back only has function imports, at most memory 0, plain types, and no start function. Instructions of
 * function bodies are read by `scan.ts`.
 */
import type { Signature } from "../interface/model.ts";
import { AdmissionError } from "./errors.ts";
import { RESERVED_PREFIX } from "./intrinsics.ts";
import {
  MAX_BODY_BYTES,
  MAX_CONSTANT_BYTES,
  MAX_ELEMENT_ENTRIES,
  MAX_EXPORTS,
  MAX_FUNCTIONS,
  MAX_GLOBALS,
  MAX_IMPORTS,
  MAX_MEMORY_PAGES,
  MAX_MODULE_BYTES,
  MAX_PARAMS,
  MAX_RESULTS,
  MAX_SEGMENTS,
  MAX_TABLE_ELEMENTS,
  MAX_TABLES,
  MAX_TYPES,
} from "./limits.ts";
import { Op } from "./opcodes.ts";
import { Reader } from "./reader.ts";

export const Section = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;
/** Sections in the order in which they must come. */
export const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A section: its contents after the leading count, and that count. */
interface SectionRange extends Range {
  count: number;
}

export interface FunctionImport {
  readonly module: string;
  readonly name: string;
  readonly type: number;
  readonly offset: number;
}

export interface Module {
  readonly bytes: Uint8Array;
  readonly sections: Map<number, SectionRange>;
  readonly types: Signature[];
  readonly imports: FunctionImport[];
  /** Type index of every function, imports first. */
  readonly functions: number[];
  memory: { readonly initial: number; readonly maximum: number | null; readonly offset: number } | null;
  /** Element type of each table. */
  readonly tables: number[];
  globals: number;
  /** Mutable globals, each with its initial value: a constant expression without its `end`. */
  readonly mutable: (Range & { readonly index: number })[];
  /** Bytes of each data segment, and where an active one is to lie: a constant expression without its `end`. */
  readonly segments: (Range & { readonly offset: Range | null })[];
  readonly exports: Map<string, number>;
  /** Start and end of each body, in pairs, without its size. */
  bodies: Uint32Array;
  names: Range | null;
  /** First function import that is used as a value: exported, in an element segment or a constant expression. */
  escape: { readonly index: number; readonly offset: number; readonly exported: boolean } | null;
}

export function parseModule(bytes: Uint8Array): Module {
  if (bytes.length > MAX_MODULE_BYTES) {
    throw new AdmissionError("too-large", `a module of ${bytes.length} bytes, at most ${MAX_MODULE_BYTES} are allowed`);
  }
  const r = new Reader(bytes);
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) {
    if (r.u8() !== byte) r.fail("malformed", "not a WebAssembly module, version 1", r.pos - 1);
  }
  const m: Module = {
    bytes,
    sections: new Map(),
    types: [],
    imports: [],
    functions: [],
    memory: null,
    tables: [],
    globals: 0,
    mutable: [],
    segments: [],
    exports: new Map(),
    bodies: new Uint32Array(0),
    names: null,
    escape: null,
  };
  let last = -1;
  while (r.pos < r.end) {
    const at = r.pos;
    const id = r.u8();
    const size = r.u32();
    const start = r.pos;
    r.skip(size);
    if (id === Section.custom) {
      const custom = new Reader(bytes, start, r.pos);
      if (custom.name() === "name" && m.names === null) m.names = { start: at, end: r.pos };
      continue;
    }
    const place = SECTION_ORDER.indexOf(id);
    if (place < 0) r.fail("malformed", `unknown section ${id}`, at);
    if (place <= last) r.fail("malformed", `section ${id} is out of order or repeated`, at);
    last = place;
    parseSection(m, id, new Reader(bytes, start, r.pos));
  }
  if (m.functions.length - m.imports.length !== m.bodies.length / 2) {
    r.fail("malformed", "function and code section have different lengths");
  }
  return m;
}

function parseSection(m: Module, id: number, r: Reader): void {
  const at = r.pos;
  if (id === Section.start) r.fail("start-function", "export an _init function instead of a start section", at);
  if (id === Section.tag) r.fail("forbidden-opcode", "exception handling", at);
  if (id === Section.dataCount) {
    const count = r.u32();
    if (count > MAX_SEGMENTS) r.fail("too-large", `${count} data segments`, at);
    m.sections.set(id, { start: r.pos, end: r.end, count });
  } else {
    const { what, limit, parse } = PARSERS[id]!;
    const count = r.count(what, limit);
    const range: SectionRange = { start: r.pos, end: r.end, count };
    m.sections.set(id, range);
    parse(m, r, count);
  }
  if (r.pos !== r.end) r.fail("malformed", `section ${id} is longer than what it holds`);
}

interface SectionParser {
  readonly what: string;
  readonly limit: number;
  readonly parse: (m: Module, r: Reader, count: number) => void;
}

const PARSERS: Readonly<Record<number, SectionParser>> = {
  [Section.type]: { what: "types", limit: MAX_TYPES, parse: parseTypes },
  [Section.import]: { what: "imports", limit: MAX_IMPORTS, parse: parseImports },
  [Section.function]: { what: "functions", limit: MAX_FUNCTIONS, parse: parseFunctions },
  [Section.table]: { what: "tables", limit: MAX_TABLES, parse: parseTables },
  [Section.memory]: { what: "memories", limit: MAX_TYPES, parse: parseMemories },
  [Section.global]: { what: "globals", limit: MAX_GLOBALS, parse: parseGlobals },
  [Section.export]: { what: "exports", limit: MAX_EXPORTS, parse: parseExports },
  [Section.element]: { what: "element segments", limit: MAX_SEGMENTS, parse: parseElements },
  [Section.code]: { what: "bodies", limit: MAX_FUNCTIONS, parse: parseBodies },
  [Section.data]: { what: "data segments", limit: MAX_SEGMENTS, parse: parseData },
};

function parseTypes(m: Module, r: Reader, count: number): void {
  const list = (what: string, limit: number): number[] => {
    const types: number[] = [];
    for (let n = r.count(what, limit); n > 0; n--) types.push(r.valueType());
    return types;
  };
  for (let n = count; n > 0; n--) {
    const form = r.u8();
    if (form !== 0x60) r.fail("type-section", `type form 0x${form.toString(16)}: only plain functions`, r.pos - 1);
    m.types.push({ params: list("parameters", MAX_PARAMS), results: list("results", MAX_RESULTS) });
  }
}

function typeIndex(m: Module, r: Reader): number {
  const at = r.pos;
  const index = r.u32();
  if (index >= m.types.length) r.fail("invalid", `there is no type ${index}`, at);
  return index;
}

function parseImports(m: Module, r: Reader, count: number): void {
  for (let n = count; n > 0; n--) {
    const offset = r.pos;
    const module = r.name();
    const name = r.name();
    const kind = r.u8();
    if (kind === 0) {
      const type = typeIndex(m, r);
      m.imports.push({ module, name, type, offset });
      m.functions.push(type);
    } else if (kind === 2 && module === "env" && name === "memory") takeMemory(m, r, offset);
    else r.fail("import-kind", `${module}.${name}: only functions and the memory env.memory`, offset);
  }
}

function takeMemory(m: Module, r: Reader, offset: number): void {
  if (m.memory !== null) r.fail("memory", "more than one memory", offset);
  const flags = r.u8();
  if (flags > 1) r.fail("memory", "shared, 64-bit and custom-page memories are not allowed", r.pos - 1);
  const initial = r.u32();
  const maximum = flags === 1 ? r.u32() : null;
  if (initial > MAX_MEMORY_PAGES) r.fail("memory", `${initial} pages, at most ${MAX_MEMORY_PAGES} are allowed`, offset);
  m.memory = { initial, maximum, offset };
}

function parseFunctions(m: Module, r: Reader, count: number): void {
  for (let n = count; n > 0; n--) m.functions.push(typeIndex(m, r));
}

function parseTables(m: Module, r: Reader, count: number): void {
  let elements = 0;
  for (let n = count; n > 0; n--) {
    const at = r.pos;
    m.tables.push(r.referenceType());
    const flags = r.u8();
    if (flags > 1) r.fail("table", "shared and 64-bit tables are not allowed", at);
    elements += r.u32();
    if (flags === 1) r.u32();
    if (elements > MAX_TABLE_ELEMENTS) {
      r.fail("table", `${elements} elements in all tables, at most ${MAX_TABLE_ELEMENTS} are allowed`, at);
    }
  }
}

function parseMemories(m: Module, r: Reader, count: number): void {
  for (let n = count; n > 0; n--) takeMemory(m, r, r.pos);
}

function parseGlobals(m: Module, r: Reader, count: number): void {
  for (let index = 0; index < count; index++) {
    r.valueType();
    const mutable = r.u8();
    if (mutable > 1) r.fail("import-kind", "a global is const or var, and not shared", r.pos - 1);
    const { start, end } = constantExpression(m, r);
    if (mutable === 1) m.mutable.push({ index, start, end });
  }
  m.globals = count;
}

/** Reads a constant expression; V8 checks its types later. Its `end` is not in the range. */
function constantExpression(m: Module, r: Reader): Range {
  const start = r.pos;
  for (;;) {
    const op = r.next();
    if (op === Op.end) return { start, end: r.start };
    if (r.pos - start > MAX_CONSTANT_BYTES) r.fail("too-large", "a constant expression that never ends", start);
    if (op === Op.refFunc) noteEscape(m, r.a, r.start, false);
    else if (op >= Op.block && op <= Op.returnCallIndirect) r.fail("invalid", "not a constant expression", r.start);
  }
}

function noteEscape(m: Module, index: number, offset: number, exported: boolean): void {
  if (index < m.imports.length) m.escape ??= { index, offset, exported };
}

function parseExports(m: Module, r: Reader, count: number): void {
  for (let n = count; n > 0; n--) {
    const at = r.pos;
    const name = r.name();
    const kind = r.u8();
    const index = r.u32();
    if (name.startsWith(RESERVED_PREFIX)) r.fail("reserved-name", `export ${name}`, at);
    if (kind > 3) r.fail("import-kind", `export ${name} of kind ${kind}`, at);
    if (kind !== 0) continue; // memories, tables and globals stay inside
    if (index >= m.functions.length) r.fail("invalid", `there is no function ${index}`, at);
    if (m.exports.has(name)) r.fail("invalid", `export ${name} is there twice`, at);
    noteEscape(m, index, at, true);
    m.exports.set(name, index);
  }
}

function parseElements(m: Module, r: Reader, count: number): void {
  let entries = 0;
  for (let n = count; n > 0; n--) {
    const at = r.pos;
    const flags = r.u32();
    if (flags > 7) r.fail("malformed", `element segment of kind ${flags}`, at);
    const active = (flags & 1) === 0;
    if (active && (flags & 2) !== 0) r.u32(); // table
    if (active) constantExpression(m, r);
    const expressions = (flags & 4) !== 0;
    if ((flags & 3) !== 0) {
      if (expressions) r.referenceType();
      else if (r.u8() !== 0) r.fail("malformed", "element kind", r.pos - 1);
    }
    const length = r.count("elements", MAX_ELEMENT_ENTRIES);
    entries += length;
    if (entries > MAX_ELEMENT_ENTRIES) r.fail("too-large", `${entries} elements in all segments`, at);
    for (let k = length; k > 0; k--) {
      const offset = r.pos;
      if (expressions) constantExpression(m, r);
      else noteEscape(m, r.u32(), offset, false);
    }
  }
}

function parseBodies(m: Module, r: Reader, count: number): void {
  m.bodies = new Uint32Array(count * 2);
  for (let i = 0; i < count; i++) {
    const at = r.pos;
    const size = r.u32();
    if (size > MAX_BODY_BYTES) {
      const index = m.imports.length + i;
      r.fail("too-large", `function ${index} has ${size} bytes, at most ${MAX_BODY_BYTES} are allowed`, at);
    }
    m.bodies[i * 2] = r.pos;
    r.skip(size);
    m.bodies[i * 2 + 1] = r.pos;
  }
}

function parseData(m: Module, r: Reader, count: number): void {
  for (let n = count; n > 0; n--) {
    const at = r.pos;
    const flags = r.u32();
    if (flags > 2) r.fail("malformed", `data segment of kind ${flags}`, at);
    if (flags === 2) r.memoryIndex();
    const offset = flags === 1 ? null : constantExpression(m, r);
    const size = r.u32();
    r.skip(size);
    m.segments.push({ offset, start: r.pos - size, end: r.pos });
  }
}
