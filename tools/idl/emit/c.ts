/**
 * A C header for domains that clang builds.
 *
 * Owns the C spelling of heap and interfaces: import declarations with inline accessors, and macros that name a
 * server's exports. Invariant: the header includes nothing but <stdint.h>-like builtin types, so it works without a C
 * library.
 */
import {
  clientSignature,
  exportName,
  F32,
  F64,
  interfaceKey,
  serverSignature,
  typeKey,
  type ExchangeType,
  type Field,
  type Interface,
  type Method,
  type Model,
  type ScalarName,
} from "#kernel/interface/model.ts";
import { HEAP, HEAP_CALLS, RPC } from "#kernel/wasm/intrinsics.ts";
import { exchangeClass } from "../names.ts";
import { argumentBytes } from "../layout.ts";
import { flatParams, isText } from "./guest-values.ts";
import { resultFields } from "./guest-results.ts";
import { header } from "./text.ts";

const C_TYPES: Readonly<{ [K in ScalarName]: string }> = {
  bool: "uint8_t",
  u8: "uint8_t",
  i8: "int8_t",
  u16: "uint16_t",
  i16: "int16_t",
  u32: "uint32_t",
  i32: "int32_t",
  u64: "uint64_t",
  i64: "int64_t",
  f32: "float",
  f64: "double",
};
const LOADS: Readonly<{ [K in ScalarName]: string }> = {
  bool: "u8",
  u8: "u8",
  i8: "i8",
  u16: "u16",
  i16: "i16",
  u32: "i32",
  i32: "i32",
  u64: "i64",
  i64: "i64",
  f32: "f32",
  f64: "f64",
};
const STORES: Readonly<{ [K in ScalarName]: string }> = {
  bool: "i8",
  u8: "i8",
  i8: "i8",
  u16: "i16",
  i16: "i16",
  u32: "i32",
  i32: "i32",
  u64: "i64",
  i64: "i64",
  f32: "f32",
  f64: "f64",
};
/** C names of flat AssemblyScript types. */
const FLAT: Readonly<Record<string, string>> = { i32: "int32_t", f32: "float", f64: "double" };

function wasmType(type: number): string {
  return type === F32 ? "float" : type === F64 ? "double" : type === 0x7e ? "int64_t" : "int32_t";
}

/**
 * Emits the header.
 *
 * @returns one text by path: `samara.h`
 */
export function emitC(model: Model): Map<string, string> {
  const parts = [
    PROLOGUE,
    "/* Heap intrinsics: see kernel/wasm/intrinsics.ts. Pointers are addresses in the domain's own memory. */\n",
    ...[...Object.entries(HEAP), ...Object.entries(HEAP_CALLS)].map(([name, s]) =>
      importLine("heap", name, `samara_${name}`, s.params.map(wasmType), s.results.map(wasmType)),
    ),
    importLine("cap", "drop", "samara_drop", ["int32_t"], []),
    "\n/* The domain's own result words. */\n",
    ...Object.entries(RPC).map(([name, s]) =>
      importLine("rpc", name, `samara_${name}`, s.params.map(wasmType), s.results.map(wasmType)),
    ),
    ...Object.values(model.enums).map(
      (e) => `\nenum ${e.name} {\n${e.members.map((m, value) => `  ${e.name}_${m.name} = ${value},\n`).join("")}};\n`,
    ),
    ...Object.values(model.types).map(emitType),
    ...Object.values(model.interfaces).map(emitInterface),
    "\n#endif\n",
  ];
  return new Map([["samara.h", header("all interface files") + parts.join("")]]);
}

const PROLOGUE = `#ifndef SAMARA_H
#define SAMARA_H

typedef __UINT8_TYPE__ uint8_t;
typedef __INT8_TYPE__ int8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __INT16_TYPE__ int16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __INT32_TYPE__ int32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INT64_TYPE__ int64_t;

#define SAMARA_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define SAMARA_EXPORT(name) __attribute__((export_name(name)))

/* A handle to an object in the exchange heap, and the number of a capability. 0 is neither. */
typedef int32_t samara_handle;
typedef int32_t samara_capability;

/* The answer to a call: 0 ok, 1 to 255 the method's error + 1, 256 to 1023 a fault, above (unsigned) a handle. */
#define SAMARA_IS_ERROR(status) ((uint32_t)(status) - 1u < 255u)
#define SAMARA_IS_FAULT(status) ((uint32_t)(status) - 256u < 768u)
#define SAMARA_IS_HANDLE(status) ((uint32_t)(status) >= 1024u)

/* Where proxies put text and bytes: define it once in a domain that serves methods that take them. */
#define SAMARA_ARGUMENTS(bytes) \\
  static uint8_t samara_region[bytes] __attribute__((aligned(16))); \\
  SAMARA_EXPORT("samara_args") void *samara_args(void) { return samara_region; } \\
  SAMARA_EXPORT("samara_args_size") int32_t samara_args_size(void) { return sizeof samara_region; }

`;

function importLine(
  module: string,
  name: string,
  symbol: string,
  params: readonly string[],
  results: readonly string[],
): string {
  const list = params.length === 0 ? "void" : params.join(", ");
  const attribute = `SAMARA_IMPORT(${JSON.stringify(module)}, ${JSON.stringify(name)})`;
  return `${attribute} ${results[0] ?? "void"} ${symbol}(${list});\n`;
}

// ── objects ────────────────────────────────────────────────────────────────────────────────────────────────────────

function emitType(type: ExchangeType): string {
  const name = exchangeClass(type.name);
  const create = `\n${importLine("type", typeKey(type), `${name}_new`, [], ["samara_handle"])}`;
  if (type.kind !== "record") return create;
  return `${create}enum { ${name}_size = ${type.size} };\n${type.fields.map((f) => emitField(name, f)).join("")}`;
}

function emitField(record: string, field: Field): string {
  const symbol = `${record}_${field.name}`;
  const type = field.type;
  switch (type.kind) {
    case "scalar":
      return accessors(symbol, type.scalar, `${field.at}`, "");
    case "enum":
      return accessors(symbol, "u8", `${field.at}`, "");
    case "array":
      return (
        `enum { ${symbol}_length = ${type.length}, ${symbol}_at = ${field.at} };\n` +
        accessors(symbol, type.element, `${field.at} + i * sizeof(${C_TYPES[type.element]})`, ", uint32_t i")
      );
    case "bytes":
      return (
        `enum { ${symbol}_length = ${type.length}, ${symbol}_at = ${field.at} };\n` +
        accessors(symbol, "u8", `${field.at} + i`, ", uint32_t i")
      );
    default:
      return `enum { ${symbol}_slot = ${field.at} };\n`;
  }
}

function accessors(symbol: string, scalar: ScalarName, at: string, index: string): string {
  const type = C_TYPES[scalar];
  return (
    `static inline ${type} ${symbol}(samara_handle object${index}) {\n` +
    `  return (${type})samara_load_${LOADS[scalar]}(object, ${at});\n}\n` +
    `static inline void ${symbol}_set(samara_handle object${index}, ${type} value) {\n` +
    `  samara_store_${STORES[scalar]}(value, object, ${at});\n}\n`
  );
}

// ── interfaces ─────────────────────────────────────────────────────────────────────────────────────────────────────

function emitInterface(i: Interface): string {
  const key = interfaceKey(i);
  return (
    `\n/* ${i.name}: capability last in every call. Values come in result words, see samara_get… */\n` +
    importLine(key, "use", `${i.name}_use`, ["const char *name", "int32_t length"], ["samara_capability"]) +
    importLine(key, "mint", `${i.name}_mint`, ["int32_t self"], ["samara_capability"]) +
    i.methods.map((m) => emitMethod(i, m, key)).join("")
  );
}

function emitMethod(i: Interface, m: Method, key: string): string {
  const params = m.params.flatMap((p) => flatParams(p.type, p.name).map((f) => `${FLAT[f.type]} ${f.name}`));
  const out = resultFields(m)
    .filter((f) => isText(f.type))
    .flatMap((f) => [`int32_t ${f.name}_out`, `int32_t ${f.name}_room`]);
  const client = [...params, ...out, "samara_capability capability"];
  const server = ["int32_t self", ...params];
  if (client.length !== clientSignature(m).params.length || server.length !== serverSignature(m).params.length)
    throw new Error(`${i.name}.${m.name}: the C signature does not agree with the model`);
  const bytes = argumentBytes(m);
  return (
    importLine(key, m.name, `${i.name}_${m.name}`, client, ["int32_t"]) +
    (bytes === 0 ? "" : `enum { ${i.name}_${m.name}_arguments = ${bytes} };\n`) +
    `#define ${i.name}_${m.name}_SERVER SAMARA_EXPORT(${JSON.stringify(exportName(i, m))}) ` +
    `int32_t ${i.name}_${m.name}_server(${server.join(", ")})\n`
  );
}
