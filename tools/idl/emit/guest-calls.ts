/**
 * AssemblyScript for interfaces: clients and servers.
 *
 * Owns the stubs on both sides of a call. Invariant: both follow the flat convention of the interface model, and
 * neither allocates, except for the string that an implementation is handed for a `Str` parameter.
 */
import {
  resultWords,
  exportName,
  interfaceKey,
  outBuffers,
  type Interface,
  type Method,
  type Param,
} from "#kernel/interface/model.ts";
import { resultClass, serverClass } from "../names.ts";
import { doc } from "./text.ts";
import { isStored, resultFields, staticBytes, storage } from "./guest-results.ts";
import { flatParams, fromFlat, isText, paramType, readWords, toFlat, writeWords } from "./guest-values.ts";

const DECORATOR = "// @ts-ignore: decorator\n";

const block = (lines: readonly string[], indent: string): string => lines.map((l) => `${indent}${l}\n`).join("");
const typed = (params: readonly Param[]): string => params.map((p) => `${p.name}: ${paramType(p.type)}`).join(", ");

function external(module: string, name: string, declaration: string): string {
  return `${DECORATOR}@external(${JSON.stringify(module)}, ${JSON.stringify(name)}) declare function ${declaration};\n`;
}

// ── client ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function emitClient(i: Interface): string {
  const key = interfaceKey(i);
  const imports = i.methods.map((m) => {
    const params = m.params.flatMap((p) => flatParams(p.type, p.name));
    const out = outBuffers(m.result).flatMap((_, k) => [`_out${k}: i32`, `_room${k}: i32`]);
    const all = [...params.map((p) => `${p.name}: ${p.type}`), ...out, "_capability: i32"];
    return external(key, m.name, `_${i.name}_${m.name}(${all.join(", ")}): i32`);
  });
  const buffers = i.methods.flatMap((m) =>
    m.params.flatMap((p) => (p.type.kind === "str" ? [staticBytes(textBuffer(i, m, p), p.type.max)] : [])),
  );
  const use =
    "  protected constructor() {\n    super();\n  }\n\n" +
    `  /** The capability that the manifest grants under this name; ends the domain when it grants none. */\n` +
    `  static use(name: string): ${i.name} {\n    const _length = encodeCapabilityName(name);\n` +
    `    const _capability = _${i.name}__use(<i32>capabilityNamePointer(), _length);\n` +
    `    if (_capability == 0) notGranted(name);\n    return changetype<${i.name}>(_capability);\n  }\n`;
  return (
    external(key, "use", `_${i.name}__use(pointer: i32, length: i32): u32`) +
    `${imports.join("")}${buffers.join("")}\n` +
    `${doc(i.doc)}${DECORATOR}@unmanaged @final\nexport class ${i.name} extends Capability {\n${use}` +
    `${i.methods.map((m) => `\n${clientMethod(i, m)}`).join("")}}\n`
  );
}

function textBuffer(i: Interface, m: Method, p: Param): string {
  return `_${i.name}_${m.name}_${p.name}_text`;
}

function clientMethod(i: Interface, m: Method): string {
  const names = storage(i, m);
  const encode: string[] = [];
  const flat = m.params.flatMap((p) => {
    if (p.type.kind !== "str") return toFlat(p.type, p.name, null);
    // A text that is too long is not encoded: the proxy looks at its length first and answers TooLarge.
    const buffer = { at: textBuffer(i, m, p), length: `_${p.name}Length` };
    encode.push(`const ${buffer.length} = encodeText(${p.name}, ${buffer.at}, ${p.type.max});`);
    return toFlat(p.type, p.name, buffer);
  });
  const fields = resultFields(m);
  const out = fields.flatMap((f) => (isText(f.type) ? [`<i32>${names.buffer(f.name)}`, `${f.type.max}`] : []));
  const call = `_${i.name}_${m.name}(${[...flat, ...out, "changetype<i32>(this)"].join(", ")})`;
  const result = resultClass(i, m);
  const inline = encode.length === 0 && !isStored(m) ? "@inline " : "";
  const head = `${doc(m.doc, "  ")}  ${inline}${m.name}(${typed(m.params)}): ${result} {\n`;
  if (!isStored(m)) return `${head}${block([...encode, `return changetype<${result}>(${call});`], "    ")}  }\n`;
  const words = resultWords(fields.map((f) => f.type));
  const reads = fields.flatMap((f, k) => readWords(f.type, words[k]!, `_result._${f.name}`, names.view(f.name)));
  const body = [
    ...encode,
    `const _status = ${call};`,
    `const _result = changetype<${result}>(${names.result});`,
    "_result.status = _status;",
    "if (_status == 0) {",
    ...reads.map((line) => `  ${line}`),
    "}",
    "return _result;",
  ];
  return `${head}${block(body, "    ")}  }\n`;
}

// ── server ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function emitServer(i: Interface): string {
  const server = serverClass(i);
  const methods = i.methods
    .map((m) => `${doc(m.doc, "  ")}  abstract ${m.name}(${typed(m.params)}): ${resultClass(i, m)};\n`)
    .join("\n");
  const views = i.methods.flatMap((m) =>
    m.params.flatMap((p) => (p.type.kind === "slice" ? [staticBytes(paramView(i, m, p), 12)] : [])),
  );
  return (
    external(interfaceKey(i), "mint", `_${i.name}__mint(self: i32): u32`) +
    `let _${i.name}__objects: Array<${server}> | null = null;\n${views.join("")}\n` +
    `function _${i.name}__add(object: ${server}): i32 {\n` +
    `  if (!_${i.name}__objects) _${i.name}__objects = new Array<${server}>();\n` +
    `  return _${i.name}__objects!.push(object) - 1;\n}\n\n` +
    `function _${i.name}__object(self: i32): ${server} {\n  const objects = _${i.name}__objects;\n` +
    `  if (!objects || <u32>self >= <u32>objects.length) noObject(${JSON.stringify(i.name)});\n` +
    `  return unchecked(objects![self]);\n}\n\n` +
    `/** What an implementation of \`${i.name}\` extends. */\nexport abstract class ${server} {\n` +
    `  /** Makes \`object\` the domain's next implementation: the n-th one answers to the n-th name it provides. */\n` +
    `  static provide(object: ${server}): void {\n    _${i.name}__add(object);\n  }\n\n` +
    `  /** A capability to one more object, to return or to pass on; \`isNull\` when there is no room for it. */\n` +
    `  static mint(object: ${server}): ${i.name} {\n` +
    `    return changetype<${i.name}>(_${i.name}__mint(_${i.name}__add(object)));\n  }\n\n${methods}}\n\n` +
    i.methods.map((m) => skeleton(i, m)).join("\n")
  );
}

function paramView(i: Interface, m: Method, p: Param): string {
  return `_${i.name}_${m.name}_${p.name}_param`;
}

/** The exported function of one method. */
function skeleton(i: Interface, m: Method): string {
  const flat = m.params.map((p, k) => flatParams(p.type, `a${k}`));
  const before: string[] = [];
  const after: string[] = [];
  const args = m.params.map((p, k) => {
    const names = flat[k]!.map((f) => f.name);
    if (p.type.kind !== "slice") return fromFlat(p.type, names);
    // A nested call of the same method uses the same view: each call leaves it as it found it.
    before.push(
      `const v${k} = changetype<Slice>(${paramView(i, m, p)});`,
      `const p${k} = v${k}.ptr;`,
      `const n${k} = v${k}.length;`,
      `v${k}.ptr = <usize>${names[0]};`,
      `v${k}.length = ${names[1]};`,
      `v${k}.capacity = ${names[1]};`,
    );
    after.push(`v${k}.ptr = p${k};`, `v${k}.length = n${k};`, `v${k}.capacity = n${k};`);
    return `v${k}`;
  });
  const call = `_${i.name}__object(self).${m.name}(${args.join(", ")})`;
  const fields = resultFields(m);
  const words = resultWords(fields.map((f) => f.type));
  const writes = fields.flatMap((f, k) => writeWords(f.type, words[k]!, `result._${f.name}`));
  const write = isStored(m) ? ["if (result.status == 0) {", ...writes.map((line) => `  ${line}`), "}"] : [];
  const end = isStored(m) ? "return result.status;" : "return changetype<i32>(result);";
  const params = ["self: i32", ...flat.flat().map((f) => `${f.name}: ${f.type}`)].join(", ");
  // Views are restored last: an implementation may return the bytes that it was given.
  const body = [...before, `const result = ${call};`, ...write, ...after, end];
  return `export function ${exportName(i, m)}(${params}): i32 {\n${block(body, "  ")}}\n`;
}
