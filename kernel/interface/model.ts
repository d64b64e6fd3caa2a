/**
 * The interface model: what the IDL compiler hands to everything that generates or checks code.
 *
 * Plain JSON data, produced by `tools/idl` from `interfaces/*.ts` and read by the proxy generator, the linker, the
 * guest and host emitters and the reference pages. Owns the flat calling convention (`flatten…` below), so that client
 * stub, server skeleton, proxy and import check can never disagree. Names are the ones in the IDL source.
 */

export type ScalarName = "bool" | "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64" | "f32" | "f64";

/** What a method parameter or a result field can be. */
export type ValueType =
  | { readonly kind: "scalar"; readonly scalar: ScalarName }
  | { readonly kind: "enum"; readonly name: string }
  /** Moves the object. `type` is a key of `Model.types`: a record's name, or `Deque<Packet,32>`, `Array<Packet,4>`. */
  | { readonly kind: "rref"; readonly type: string }
  /** Lends the object for the duration of the call (parameters only). */
  | { readonly kind: "borrow"; readonly type: string }
  /** UTF-8 text or raw bytes, copied between private memories, at most `max` bytes. */
  | { readonly kind: "str"; readonly max: number }
  | { readonly kind: "slice"; readonly max: number }
  /** Passes a capability. */
  | { readonly kind: "interface"; readonly name: string };

export interface Param {
  readonly name: string;
  readonly type: ValueType;
}

/** `void`: no value; `value`: one unnamed value; `fields`: a record of up to RETURN_WORDS words of values. */
export type Result =
  | { readonly kind: "void" }
  | { readonly kind: "value"; readonly type: ValueType }
  | { readonly kind: "fields"; readonly fields: readonly Param[] };

export interface Method {
  readonly name: string;
  readonly doc: string;
  readonly params: readonly Param[];
  readonly result: Result;
  /** Name of the error enum `E` of `RpcResult<T, E>`; null when the method declares `never`. */
  readonly error: string | null;
  /** Declared as `Promise<RpcResult<…>>`: caller and callee may be suspended while it runs. */
  readonly async?: true;
}

export interface Interface {
  readonly name: string;
  readonly doc: string;
  readonly file: string;
  readonly methods: readonly Method[];
  /** 16 hex digits over names, order, types and layouts of all that the interface reaches. */
  readonly fingerprint: string;
}

export interface Enum {
  readonly name: string;
  readonly doc: string;
  readonly file: string;
  /** Value of a member is its position, at most 255. */
  readonly members: readonly { readonly name: string; readonly doc: string }[];
}

/** A field of a record in the exchange heap. Slots (`rref`) have a slot index instead of an offset. */
export type FieldType =
  | { readonly kind: "scalar"; readonly scalar: ScalarName }
  | { readonly kind: "enum"; readonly name: string }
  | { readonly kind: "array"; readonly element: ScalarName; readonly length: number }
  | { readonly kind: "bytes"; readonly length: number }
  | { readonly kind: "rref"; readonly type: string };

export interface Field {
  readonly name: string;
  readonly doc: string;
  readonly type: FieldType;
  /** Byte offset of the field, or the slot index when `type.kind` is "rref". */
  readonly at: number;
}

/** An exchangeable type: a record, or a container instance such as `Deque<Packet,32>`. */
export type ExchangeType =
  | {
      readonly kind: "record";
      readonly name: string;
      readonly doc: string;
      readonly file: string;
      readonly fields: readonly Field[];
      /** Type key of each slot, in slot order. */
      readonly slots: readonly string[];
      /** Visible bytes of a new object. */
      readonly size: number;
      readonly fingerprint: string;
    }
  | {
      readonly kind: "array" | "deque";
      readonly name: string;
      readonly element: string;
      readonly length: number;
      readonly size: 0;
      readonly fingerprint: string;
    };

export interface Model {
  readonly interfaces: Readonly<Record<string, Interface>>;
  readonly types: Readonly<Record<string, ExchangeType>>;
  readonly enums: Readonly<Record<string, Enum>>;
}

// ── the flat calling convention ────────────────────────────────────────────────────────────────────────────────────

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;

export interface Signature {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

/** Wasm types of one value: u64/i64 travel as two i32 (low, high); text and bytes as pointer and length. */
export function flatten(type: ValueType): readonly number[] {
  switch (type.kind) {
    case "scalar":
      if (type.scalar === "f32") return [F32];
      if (type.scalar === "f64") return [F64];
      return type.scalar === "u64" || type.scalar === "i64" ? [I32, I32] : [I32];
    case "str":
    case "slice":
      return [I32, I32];
    case "enum":
    case "rref":
    case "borrow":
    case "interface":
      return [I32];
    default:
      throw new Error(`unknown value type ${JSON.stringify(type)}`);
  }
}

/** Words of DOMAIN_RETURN that one result value takes (f64 and u64 two, text and bytes pointer and length). */
export function returnWords(type: ValueType): number {
  if (type.kind === "scalar" && type.scalar === "f64") return 2;
  return flatten(type).length;
}

/** Whether the result is a handle or a capability that travels in the i32 result itself (see `RPC` below). */
export function isDirect(result: Result): boolean {
  return result.kind === "value" && (result.type.kind === "rref" || result.type.kind === "interface");
}

/** Text and bytes results: the client passes where to put them (pointer, capacity) after its own parameters. */
export function outBuffers(result: Result): readonly ValueType[] {
  const values =
    result.kind === "void" ? [] : result.kind === "value" ? [result.type] : result.fields.map((f) => f.type);
  return values.filter((v) => v.kind === "str" || v.kind === "slice");
}

/** Signature of the client's import `Interface$fingerprint` . method: parameters, out buffers, capability last. */
export function clientSignature(method: Method): Signature {
  const params = method.params.flatMap((p) => flatten(p.type));
  const out = outBuffers(method.result).flatMap(() => [I32, I32]);
  return { params: [...params, ...out, I32], results: [I32] };
}

/** Signature of the server's export `Interface$fingerprint$method`: object (`self`) first, then parameters. */
export function serverSignature(method: Method): Signature {
  return { params: [I32, ...method.params.flatMap((p) => flatten(p.type))], results: [I32] };
}

/** Name of the client's import module. `$`, so that every language can spell the export names as identifiers. */
export function interfaceKey(i: Interface): string {
  return `${i.name}$${i.fingerprint}`;
}

/** Name of the server's export for one method. */
export function exportName(i: Interface, m: Method): string {
  return `${interfaceKey(i)}$${m.name}`;
}

/** Name of the import in module `type` that makes a new object. */
export function typeKey(t: ExchangeType): string {
  return `${t.name}$${t.fingerprint}`;
}

/**
 * The i32 that a call returns. 0: ok, values (if any) are in the domain's own DOMAIN_RETURN words. 1 … 255: the
 * method's error enum, member index + 1. RPC_FAULT …: only the kernel makes these. FIRST_HANDLE and up (unsigned):
 * ok, and this is the object's handle or the capability (`isDirect`).
 */
export const RPC_OK = 0;
export const RPC_MAX_ERROR = 255;
export const RpcFault = {
  /** The callee was dead before the call; arguments are still the caller's. */
  dead: 256,
  /** The callee crashed, or broke a rule, during this call; what was moved to it is gone. */
  crashed: 257,
  /** A text or bytes argument or result is longer than declared, or the callee has no room for it. */
  tooLarge: 258,
  /** The capability was revoked. */
  revoked: 259,
  /** No room for one more crossing or capability. */
  exhausted: 260,
  /** The callee has as many threads as it may have. */
  busy: 261,
  timedOut: 262,
  /** The caller cannot be suspended here: it was itself entered by a plain call. */
  cannotSuspend: 263,
  /** The waiting thread was cancelled by another of its domain. */
  cancelled: 264,
  /** The wait would never have ended: those that it waits for wait for it. */
  deadlock: 265,
} as const;
export type RpcFaultName = keyof typeof RpcFault;

/** First DOMAIN_RETURN word of each result value: in order, an f64 at an even word. */
export function resultWords(values: readonly ValueType[]): number[] {
  let next = 0;
  return values.map((type) => {
    if (type.kind === "scalar" && type.scalar === "f64") next = (next + 1) & ~1;
    const at = next;
    next += returnWords(type);
    return at;
  });
}
