/**
 * Which names an interface may use.
 *
 * Owns the naming rules and the lists of names that the generated languages (AssemblyScript, TypeScript, C) or the
 * generated code itself already use. Invariant: a name that passes here can be written as it is into all outputs, and
 * no two things that the compiler generates get the same name.
 */
import type { Interface, Method, Model } from "#kernel/interface/model.ts";

/** Types, interfaces, enums and enum members: PascalCase. `$` and `_` are kept for generated names. */
export const TYPE_NAME = /^[A-Z][A-Za-z0-9]{0,62}$/;
/** Methods, parameters and fields: camelCase. */
export const MEMBER_NAME = /^[a-z][A-Za-z0-9]{0,62}$/;

/** What `interfaces/prelude.ts` exports. */
export const SCALARS = ["bool", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"] as const;
export const PRELUDE_GENERICS: Readonly<Record<string, number>> = {
  RRef: 1,
  Borrow: 1,
  Deque: 2,
  Array: 2,
  Bytes: 1,
  Str: 1,
  Slice: 1,
  RpcResult: 2,
};
export const PRELUDE_NAMES: ReadonlySet<string> = new Set([...SCALARS, ...Object.keys(PRELUDE_GENERICS)]);

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Globals of AssemblyScript and JavaScript that a generated class of this name would hide. */
const GLOBAL_TYPES = words(`
  Array ArrayBuffer ArrayBufferView Atomics BigInt Boolean DataView Date Error EvalError Float32Array Float64Array
  Function Generator Int16Array Int32Array Int64Array Int8Array Intl Iterator JSMath JSON Map Math NativeMath
  NativeMathf Mathf Number Object Promise Proxy RangeError Reflect RegExp Set StaticArray String Symbol SyntaxError
  TemplateStringsArray TypeError URIError Uint16Array Uint32Array Uint64Array Uint8Array Uint8ClampedArray WeakMap
  WeakSet WebAssembly NaN Infinity Nullable NonNullable Record Partial Readonly Required Pick Omit ReturnType
  Parameters Awaited Exclude Extract`);

/** Names of the guest libraries and of the host files that generated code imports. */
const LIBRARY_TYPES = words(`
  RRef Borrow Deque Bytes Str Slice RpcResult HeapObject HeapArray Capability Status Direct Stored Fault
  HostObject HostHeap HostDeque HostArray Clients Records RpcFaultName`);

/** Keywords of TypeScript, AssemblyScript and C: never a parameter or a field. */
const KEYWORDS = words(`
  abstract any as asm async auto await boolean break case catch char class const constructor continue debugger declare
  default delete do double else enum export extends extern false finally float for from function get goto if
  implements import in inline instanceof int interface is keyof let long module namespace never new null number object
  of override package private protected public readonly register restrict return self set short signed sizeof static
  string struct super switch symbol this throw true try type typedef typeof undefined union unsigned var void
  volatile while with yield`);

/** Functions and namespaces of AssemblyScript that a parameter of this name would hide in generated code. */
const BUILTINS = words(`
  abort changetype heap memory load store unchecked unreachable assert trace isize usize v128 anyref externref funcref
  offsetof alignof idof nameof select main`);

/** Members that generated classes have anyway. */
export const RECORD_MEMBERS = words("create tryCreate free resize size isNull handle heap constructor prototype");
export const INTERFACE_MEMBERS = words("use drop revoke isNull handle provide mint constructor prototype then");
export const RESULT_MEMBERS = words("ok error err fault isError status value constructor prototype");

/** Why a name of a type, interface or enum is refused, or null. */
export function typeNameProblem(name: string): { reason: string; instead: string } | null {
  if (PRELUDE_NAMES.has(name) || GLOBAL_TYPES.has(name) || LIBRARY_TYPES.has(name))
    return {
      reason: `\`${name}\` is already a name of AssemblyScript or of Samara`,
      instead: `a name of your own, such as \`Disk${name}\``,
    };
  if (!TYPE_NAME.test(name))
    return {
      reason: `\`${name}\` is not a type name: letters and digits, first a capital, at most 63`,
      instead: `\`${pascal(name)}\` instead`,
    };
  return null;
}

/** Why a name of a parameter, field or method is refused, or null. Methods may be keywords (`delete`). */
export function memberNameProblem(
  name: string,
  what: "parameter" | "field" | "method" | "result field",
  taken: ReadonlySet<string> = new Set(),
): { reason: string; instead: string } | null {
  if (!MEMBER_NAME.test(name))
    return {
      reason: `\`${name}\` is not a ${what} name: letters and digits, first a small letter, at most 63`,
      instead: `\`${camel(name)}\` instead`,
    };
  if (taken.has(name))
    return {
      reason: `\`${name}\` is a member that every generated class has`,
      instead: `another name, such as \`${name}Value\``,
    };
  const reserved = KEYWORDS.has(name) || BUILTINS.has(name) || (SCALARS as readonly string[]).includes(name);
  if (what !== "method" && reserved)
    return {
      reason: `\`${name}\` is a reserved word of TypeScript, AssemblyScript or C`,
      instead: `another name, such as \`${name}Value\``,
    };
  return null;
}

export function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function pascal(name: string): string {
  return capital(camel(name));
}

function camel(name: string): string {
  const parts = name.split(/[^A-Za-z0-9]+/).filter((part) => part !== "");
  const joined = parts
    .map((part, i) => (i === 0 ? part : capital(part)))
    .join("")
    .replace(/^[0-9]+/, "");
  const plain = joined === "" ? "name" : joined;
  return (plain.charAt(0).toLowerCase() + plain.slice(1)).slice(0, 63);
}

// ── names of what is generated ─────────────────────────────────────────────────────────────────────────────────────

/** The AssemblyScript class that an implementation extends. */
export function serverClass(i: Interface): string {
  return `${i.name}Server`;
}

/** The AssemblyScript class of a method's result. */
export function resultClass(i: { readonly name: string }, m: Pick<Method, "name">): string {
  return `${i.name}${capital(m.name)}Result`;
}

/** The interface that host programs call through. */
export function hostClient(name: string): string {
  return `${name}Client`;
}

/** The class of an exchangeable type, on both sides: `Deque<Packet,32>` is `PacketDeque32`. */
export function exchangeClass(key: string): string {
  const container = /^(Deque|Array)<([A-Za-z0-9]+),([0-9]+)>$/.exec(key);
  return container === null ? key : `${container[2]}${container[1]}${container[3]}`;
}

/** File name without folder and extension: the module `idl/NAME` of the generated code. */
export function moduleName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1).replace(/\.ts$/, "");
}

/** Every name that the outputs add to those declared, with what it is for. */
export function generatedNames(model: Model): Map<string, string> {
  const names = new Map<string, string>();
  for (const i of Object.values(model.interfaces)) {
    names.set(serverClass(i), `the server class of \`${i.name}\``);
    names.set(hostClient(i.name), `the host client of \`${i.name}\``);
    for (const m of i.methods) names.set(resultClass(i, m), `the result of \`${i.name}.${m.name}\``);
  }
  for (const t of Object.values(model.types))
    if (t.kind !== "record") names.set(exchangeClass(t.name), `the class of \`${t.name}\``);
  return names;
}
