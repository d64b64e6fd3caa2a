/**
 * Hand-made modules that admission must refuse: structure, imports, limits.
 *
 * Each row says which codes are right and what the message has to name. A module that V8 refuses by itself may be
 * `invalid`, one whose bytes make no sense `malformed`; a row lists a second code only where both descriptions are
 * true.
 */
import type { AdmissionCode } from "#kernel/wasm/errors.ts";
import { type Code, HEADER, padded, section, u32, vec } from "../support/wasm-builder/bytes.ts";
import { Kind, limits, ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { NEW_PLAIN, STORE } from "./policy.ts";

const { I32, I64, F64, FUNCREF, EXTERNREF } = op;

export interface Refused {
  readonly name: string;
  readonly codes: readonly AdmissionCode[];
  /** The message names the cause. */
  readonly says: RegExp;
  readonly build: () => Uint8Array;
}

export const refused = (
  label: string,
  codes: AdmissionCode | readonly AdmissionCode[],
  says: RegExp,
  fill: (m: ModuleBuilder) => void,
): Refused => ({
  name: label,
  codes: typeof codes === "string" ? [codes] : codes,
  says,
  build: () => {
    const m = new ModuleBuilder();
    fill(m);
    return m.build();
  },
});

/** A module given as raw bytes. */
const bytes = (label: string, codes: AdmissionCode | readonly AdmissionCode[], says: RegExp, code: Code): Refused => ({
  name: label,
  codes: typeof codes === "string" ? [codes] : codes,
  says,
  build: () => Uint8Array.from(code),
});

const load = (m: ModuleBuilder): number => m.importFunc("heap", "load_i32", [I32, I32], [I32]);
const BODY: Code = [...u32(2), 0, 0x0b];
const TYPE: Code = section(1, [1, 0x60, 0, 0]);
const FUNC: Code = section(3, [1, 0]);

/** Bytes that are not a module. */
const MALFORMED: readonly Refused[] = [
  bytes("empty file", "malformed", /magic|header|truncated|end/i, []),
  bytes("wrong magic", "malformed", /not a WebAssembly/i, [0, 0x61, 0x73, 0x6e, 1, 0, 0, 0]),
  bytes("wrong version", "malformed", /version|header/i, [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]),
  bytes("component instead of a module", "malformed", /version|header/i, [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]),
  bytes("section longer than the file", "malformed", /section|beyond|end/i, [...HEADER, 1, 0x20, 1]),
  bytes("section size near 2^32", "malformed", /section|beyond|end/i, [...HEADER, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
  bytes("LEB128 of more than 32 bits", "malformed", /leb|integer/i, [...HEADER, 1, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]),
  bytes("LEB128 of six bytes", "malformed", /leb|integer/i, [...HEADER, 1, ...padded(3, 6), 0]),
  bytes("section contents longer than its items", "malformed", /section|size|left|bytes/i, [
    ...HEADER,
    ...section(1, [0, 0xaa]),
  ]),
  bytes("section shorter than its items", "malformed", /9 types/i, [...HEADER, ...section(1, [9, 0x60])]),
  bytes("unknown section id", "malformed", /section/i, [...HEADER, ...section(42, [0])]),
  bytes("type section twice", "malformed", /section|order|twice/i, [...HEADER, ...TYPE, ...TYPE]),
  bytes("code before functions", "malformed", /section|order/i, [
    ...HEADER,
    ...TYPE,
    ...section(10, [1, ...BODY]),
    ...FUNC,
  ]),
  bytes("more functions than bodies", "malformed", /bod|function/i, [
    ...HEADER,
    ...TYPE,
    ...section(3, [2, 0, 0]),
    ...section(10, [1, ...BODY]),
  ]),
  bytes("functions without a code section", "malformed", /bod|code|function/i, [...HEADER, ...TYPE, ...FUNC]),
  bytes("bodies without a function section", "malformed", /bod|code|function/i, [
    ...HEADER,
    ...TYPE,
    ...section(10, [1, ...BODY]),
  ]),
  bytes("count of 2^31 types in one byte of section", ["malformed", "too-large"], /type|end|count/i, [
    ...HEADER,
    ...section(1, padded(2 ** 31, 5)),
  ]),
  bytes("body size beyond the code section", "malformed", /bod|end|beyond|function/i, [
    ...HEADER,
    ...TYPE,
    ...FUNC,
    ...section(10, [1, 0x7f, 0, 0x0b]),
  ]),
  bytes("body without its final end", ["malformed", "invalid"], /end|body|function/i, [
    ...HEADER,
    ...TYPE,
    ...FUNC,
    ...section(10, [1, 2, 0, 0x01]),
  ]),
  bytes("code after the final end", ["malformed", "invalid"], /end|body|function/i, [
    ...HEADER,
    ...TYPE,
    ...FUNC,
    ...section(10, [1, 3, 0, 0x0b, 0x01]),
  ]),
  bytes("name that is not UTF-8", ["malformed", "invalid"], /utf/i, [
    ...HEADER,
    ...TYPE,
    ...section(2, [1, 2, 0xc3, 0x28, 1, 0x61, 0, 0]),
  ]),
  bytes("custom section with a name longer than itself", "malformed", /name|end|beyond|custom/i, [
    ...HEADER,
    ...section(0, [0x7f, 0x61]),
  ]),
  bytes("data count that does not match", ["malformed", "invalid"], /data/i, [
    ...HEADER,
    ...section(12, [2]),
    ...section(11, [0]),
  ]),
  bytes("trailing garbage byte", "malformed", /section|end|truncated/i, [...HEADER, ...TYPE, 0x03]),
  refused("ill-typed body", "invalid", /type|i32/i, (m) => m.func([], [I32], op.f64(1))),
  refused("type index out of range", ["malformed", "invalid"], /type/i, (m) => m.item(3, u32(7)) + m.item(10, BODY)),
  refused("local index out of range", ["malformed", "invalid"], /local/i, (m) => m.func([], [], [...op.get(9), 0x1a])),
  refused("call index out of range", ["malformed", "invalid"], /function|index/i, (m) => m.func([], [], op.call(99))),
];

/** Imports that no domain gets. */
const IMPORTS: readonly Refused[] = [
  refused("function not granted", "import-not-granted", /env.*system/i, (m) =>
    m.importFunc("env", "system", [I32], [I32]),
  ),
  refused("the kernel's own module", "import-not-granted", /samara.*tick/i, (m) => m.importFunc("samara", "tick", [])),
  refused("unknown intrinsic", "import-not-granted", /heap.*load_u64/i, (m) =>
    m.importFunc("heap", "load_u64", [I32, I32], [I32]),
  ),
  refused("inherited property as intrinsic", "import-not-granted", /heap.*constructor/i, (m) =>
    m.importFunc("heap", "constructor", [I32], [I32]),
  ),
  refused("__proto__ as intrinsic", "import-not-granted", /__proto__/i, (m) =>
    m.importFunc("rpc", "__proto__", [], [I32]),
  ),
  refused("toString in rpc", "import-not-granted", /toString/i, (m) => m.importFunc("rpc", "toString", [], [I32])),
  refused("type not granted", "import-not-granted", /type.*Secret/i, (m) =>
    m.importFunc("type", "Secret$00000000000000ff", [], [I32]),
  ),
  refused("interface of another fingerprint", "import-not-granted", /Store/i, (m) =>
    m.importFunc("Store$00000000000000ab", "poke", [I32, I32, I32], [I32]),
  ),
  refused("method that the interface lacks", "import-not-granted", /format/i, (m) =>
    m.importFunc(STORE, "format", [I32], [I32]),
  ),
  refused("names joined at another place", "import-not-granted", /heap|load/i, (m) =>
    m.importFunc("heap\0load_i32", "", [I32, I32], [I32]),
  ),
  refused("unused import not granted", "import-not-granted", /net.*send/i, (m) => {
    m.importFunc("net", "send", []);
    m.func([], [], op.nop, [], "main");
  }),
  refused("load with one parameter", "import-signature", /load_i32/i, (m) =>
    m.importFunc("heap", "load_i32", [I32], [I32]),
  ),
  refused("store with the value last", "import-signature", /store_i64/i, (m) =>
    m.importFunc("heap", "store_i64", [I32, I32, I64]),
  ),
  refused("peek returning i64", "import-signature", /peek_u8/i, (m) =>
    m.importFunc("heap", "peek_u8", [I32, I32, I32], [I64]),
  ),
  refused("put with a result", "import-signature", /put/i, (m) => m.importFunc("heap", "put", [I32, I32, I32], [I32])),
  refused("rpc.get as i64", "import-signature", /get0/i, (m) => m.importFunc("rpc", "get0", [], [I64])),
  refused("rpc.setd with an i32", "import-signature", /setd2/i, (m) => m.importFunc("rpc", "setd2", [I32])),
  refused("free with two parameters", "import-signature", /free/i, (m) => m.importFunc("heap", "free", [I32, I32])),
  refused("new object with a parameter", "import-signature", /Plain/i, (m) =>
    m.importFunc("type", NEW_PLAIN, [I32], [I32]),
  ),
  refused("method without the capability", "import-signature", /poke/i, (m) =>
    m.importFunc(STORE, "poke", [I32, I32], [I32]),
  ),
  refused("method with f32 for f64", "import-signature", /mix/i, (m) =>
    m.importFunc(STORE, "mix", [0x7d, 0x7d, I32, I32], [I32]),
  ),
  refused("use with one parameter", "import-signature", /use/i, (m) => m.importFunc(STORE, "use", [I32], [I32])),
  refused("abort that returns", "import-signature", /abort/i, (m) =>
    m.importFunc("env", "abort", [I32, I32, I32, I32], [I32]),
  ),
  refused("drop with externref", "import-signature", /drop/i, (m) => m.importFunc("cap", "drop", [EXTERNREF])),
  refused("imported global", "import-kind", /env.g.*only functions/i, (m) =>
    m.importRaw("env", "g", Kind.global, [I32, 0]),
  ),
  refused("imported mutable global of the loader", "import-kind", /samara.owner.*only functions/i, (m) =>
    m.importRaw("samara", "owner", Kind.global, [I32, 1]),
  ),
  refused("imported table", "import-kind", /env.t.*only functions/i, (m) =>
    m.importRaw("env", "t", Kind.table, [FUNCREF, ...limits(1)]),
  ),
  refused("imported tag", "import-kind", /env.t.*only functions/i, (m) => {
    m.type([]);
    m.importRaw("env", "t", Kind.tag, [0, 0]);
  }),
  refused("intrinsic imported as a global", "import-kind", /load_i32|global/i, (m) =>
    m.importRaw("heap", "load_i32", Kind.global, [I32, 0]),
  ),
  refused("import of an unknown kind", ["malformed", "import-kind"], /kind|env.x/i, (m) =>
    m.importRaw("env", "x", 9, [0]),
  ),
  refused("imported exchange heap", ["import-kind", "memory"], /memory/i, (m) =>
    m.importRaw("samara", "heap", Kind.memory, limits(1)),
  ),
  refused("imported ledger", ["import-kind", "memory"], /memory/i, (m) =>
    m.importRaw("samara", "ledger", Kind.memory, limits(1)),
  ),
  refused("two imported memories", ["memory", "import-kind"], /memor/i, (m) => {
    m.importRaw("env", "memory", Kind.memory, limits(1)).importRaw("env", "memory", Kind.memory, limits(1));
  }),
];

/** Memories, tables, tags, start and exports. */
const DEFINITIONS: readonly Refused[] = [
  refused("two memories", "memory", /memor/i, (m) => m.memory(1) + m.memory(1)),
  refused("imported and defined memory", "memory", /memor/i, (m) => {
    m.importRaw("env", "memory", Kind.memory, limits(1)).memory(1);
  }),
  refused("shared memory", "memory", /shared/i, (m) => m.memory(1, 2, 2)),
  refused("shared imported memory", "memory", /shared/i, (m) =>
    m.importRaw("env", "memory", Kind.memory, limits(1, 2, 2)),
  ),
  refused("64-bit memory", "memory", /64/i, (m) => m.memory(1, 2, 4)),
  refused("custom page size", ["memory", "malformed"], /page size|flags|limits|not allowed/i, (m) =>
    m.item(5, [8, 0, 0]),
  ),
  refused("memory with a reserved flag", ["memory", "malformed"], /flag|limits|not allowed/i, (m) =>
    m.item(5, [0x10, 1]),
  ),
  refused("memory minimum above the quota", "memory", /5|quota|pages/i, (m) => m.memory(5)),
  refused("memory minimum of 4 GiB", "memory", /65536|quota|pages/i, (m) => m.memory(65536)),
  refused("memory minimum of 2^32 - 1 pages", ["memory", "invalid", "malformed"], /memory|pages|quota/i, (m) =>
    m.memory(2 ** 32 - 1),
  ),
  refused("memory maximum below its minimum", ["memory", "invalid", "malformed"], /max|min|memory/i, (m) =>
    m.memory(2, 1),
  ),
  refused("table of 10 million", "table", /10000000|table|entries/i, (m) => m.table(10_000_000)),
  refused("table of 2^32 - 1", ["table", "invalid"], /table/i, (m) => m.table(2 ** 32 - 1)),
  refused("a thousand tables", ["table", "too-large"], /table/i, (m) => {
    for (let i = 0; i < 1000; i++) m.table(1000);
  }),
  refused("64-bit table", ["table", "malformed"], /table|64/i, (m) => m.item(4, [FUNCREF, ...limits(1, 2, 4)])),
  refused("table of typed references", ["table", "type-section", "malformed"], /table|type|reference/i, (m) => {
    m.item(4, [0x63, m.type([]), ...limits(1)]);
  }),
  refused("table with an initialiser", ["table", "malformed", "type-section"], /table|initiali|0x40/i, (m) => {
    m.item(4, [0x40, 0, FUNCREF, ...limits(1), ...op.refNull(FUNCREF), 0x0b]);
  }),
  refused("table of exceptions", ["table", "malformed", "type-section"], /table|type|reference/i, (m) =>
    m.table(1, 1, 0x69),
  ),
  refused("start function", "start-function", /start/i, (m) => m.start(m.func([], [], op.nop))),
  refused("intrinsic as the start function", ["start-function", "intrinsic-escapes", "invalid"], /start/i, (m) =>
    m.start(load(m)),
  ),
  refused("tag section", ["forbidden-opcode", "malformed"], /tag|exception/i, (m) => m.item(13, [0, m.type([])])),
  refused("string constants section", ["malformed", "type-section"], /section/i, (m) => m.raw(section(14, [0, 0]), 6)),
  refused("export of the owner's name", "reserved-name", /samara:owner/, (m) =>
    m.func([], [], op.nop, [], "samara:owner"),
  ),
  refused("export of a name with the reserved prefix", "reserved-name", /samara:x/, (m) =>
    m.func([], [], op.nop, [], "samara:x"),
  ),
  refused("reserved name on a global", "reserved-name", /samara:record/, (m) => {
    m.export("samara:record", Kind.global, m.global(I32, true, op.i32(0)));
  }),
  refused("reserved name on a table", "reserved-name", /samara:caps/, (m) =>
    m.export("samara:caps", Kind.table, m.table(1)),
  ),
  refused("the same export twice", ["invalid", "malformed"], /export|duplicate/i, (m) => {
    m.export("f", Kind.func, m.func([], [], op.nop, [], "f"));
  }),
  refused("export of a function out of range", ["invalid", "malformed"], /export|function|index/i, (m) =>
    m.export("f", Kind.func, 77),
  ),
  refused("struct type", "type-section", /struct|type/i, (m) => m.rawType([0x5f, 1, I32, 0])),
  refused("array type", "type-section", /array|type/i, (m) => m.rawType([0x5e, I32, 1])),
  refused("recursion group", "type-section", /rec|type/i, (m) => m.rawType([0x4e, 1, 0x60, 0, 0])),
  refused("subtype", "type-section", /sub|type/i, (m) => m.rawType([0x50, 0, 0x60, 0, 0])),
  refused("final subtype", "type-section", /sub|type/i, (m) => m.rawType([0x4f, 0, 0x60, 0, 0])),
  refused("shared function type", ["type-section", "malformed"], /type/i, (m) => m.rawType([0x65, 0x60, 0, 0])),
  refused("parameter of a GC reference", ["type-section", "malformed"], /type|reference/i, (m) =>
    m.rawType([0x60, 1, 0x6e, 0]),
  ),
  refused("parameter of a typed reference", ["type-section", "malformed"], /type|reference/i, (m) =>
    m.rawType([0x60, 1, 0x64, 0, 0]),
  ),
  refused("global of i31", ["type-section", "malformed", "forbidden-opcode"], /type|reference|i31|global/i, (m) => {
    m.item(6, [0x6c, 0, ...op.i32(0), 0xfb, 28, 0x0b]);
  }),
  refused("local of a GC reference", ["type-section", "malformed"], /type|reference|local/i, (m) => {
    m.rawFunc(m.type([]), [1, 1, 0x6d, 0x0b]);
  }),
  refused("block type of a GC reference", ["type-section", "malformed"], /type|reference|block/i, (m) => {
    m.func([], [], [...op.block([0xd0, 0x6e], 0x6e), ...op.drop]);
  }),
];

/** Imports that would become values. */
const FUNC_ITEM = (index: number): Code => [...op.refFunc(index), 0x0b];
const ESCAPES: readonly Refused[] = [
  refused("intrinsic exported", "intrinsic-escapes", /load_i32|export/i, (m) => m.export("load", Kind.func, load(m))),
  refused("kernel call exported", "import-escapes", /free|export/i, (m) =>
    m.export("f", Kind.func, m.importFunc("heap", "free", [I32])),
  ),
  refused("method exported", ["import-escapes", "intrinsic-escapes"], /poke|export/i, (m) =>
    m.export("f", Kind.func, m.importFunc(STORE, "poke", [I32, I32, I32], [I32])),
  ),
  refused("intrinsic in an active segment", "intrinsic-escapes", /load_i32|element/i, (m) => {
    const f = load(m);
    m.table(1);
    m.elem(op.i32(0), [f]);
  }),
  refused("intrinsic in a passive segment", "intrinsic-escapes", /load_i32|element/i, (m) =>
    m.item(9, [1, 0, ...vec([u32(load(m))])]),
  ),
  refused("intrinsic in a declarative segment", "intrinsic-escapes", /load_i32|element/i, (m) => m.declare([load(m)])),
  refused("intrinsic in a segment with a table index", "intrinsic-escapes", /load_i32|element/i, (m) => {
    const f = load(m);
    m.table(1);
    m.item(9, [2, 0, ...op.i32(0), 0x0b, 0, ...vec([u32(f)])]);
  }),
  ...[4, 5, 6, 7].map((flags) =>
    refused(
      `intrinsic in an expression segment, flags ${flags}`,
      "intrinsic-escapes",
      /load_i32|element|ref.func/i,
      (m) => {
        const f = load(m);
        m.table(1);
        const where = flags === 4 ? [...op.i32(0), 0x0b] : flags === 6 ? [0, ...op.i32(0), 0x0b] : [];
        m.item(9, [flags, ...where, ...(flags === 4 ? [] : [FUNCREF]), ...vec([FUNC_ITEM(f)])]);
      },
    ),
  ),
  refused("method in an element segment", ["intrinsic-escapes", "import-escapes"], /poke|element/i, (m) => {
    const f = m.importFunc(STORE, "poke", [I32, I32, I32], [I32]);
    m.table(1);
    m.elem(op.i32(0), [f]);
  }),
  refused("intrinsic in a global", "intrinsic-escapes", /load_i32|global|ref.func/i, (m) => {
    m.global(FUNCREF, false, op.refFunc(load(m)));
  }),
  refused("intrinsic by ref.func in code", "intrinsic-escapes", /load_i32|ref.func|element/i, (m) => {
    const f = load(m);
    m.func([], [], [...op.refFunc(f), ...op.drop]);
    m.export("f", Kind.func, f);
  }),
  refused("element segment with an unknown form", "malformed", /element|segment|flags/i, (m) => m.item(9, [8, 0])),
  refused(
    "offset of a segment by an opcode that is not constant",
    ["invalid", "malformed", "forbidden-opcode", "unknown-opcode"],
    /const|opcode|init/i,
    (m) => {
      m.memory(1);
      m.data([...op.i32(0), ...op.i32load()], [1]);
    },
  ),
  refused("global initialised from the loader's global", ["invalid", "malformed"], /global/i, (m) => {
    m.global(I32, true, op.globalGet(1));
  }),
  refused("owner global read by index", ["invalid", "malformed"], /global/i, (m) => m.func([], [I32], op.globalGet(0))),
  refused("owner global written by index", ["invalid", "malformed"], /global/i, (m) => {
    m.global(I32, true, op.i32(0));
    m.func([], [], [...op.i32(4 << 10), ...op.globalSet(1)]);
  }),
  refused("capability table called by index", ["invalid", "malformed", "table"], /table/i, (m) => {
    m.table(1);
    m.func([], [], [...op.i32(1), ...op.callIndirect(m.type([]), 1)]);
  }),
  refused("capability table read by index", ["invalid", "malformed", "table"], /table/i, (m) => {
    m.func([], [], [...op.i32(1), 0x25, 0, ...op.drop]);
  }),
  refused("capability table copied by index", ["invalid", "malformed", "table"], /table/i, (m) => {
    m.table(4);
    m.func([], [], [...op.i32(0), ...op.i32(0), ...op.i32(1), 0xfc, 14, 0, 1]);
  }),
  refused("helper called by index", ["invalid", "malformed"], /function|index/i, (m) => {
    const f = m.importFunc("heap", "size", [I32], [I32]);
    m.func([], [I32], [...op.i32(0), ...op.call(f)]);
    m.func([], [I32], [...op.i32(0), ...op.call(3)]);
  }),
  refused("global of f64 set from an i32 intrinsic", "invalid", /type|f64/i, (m) => {
    const f = load(m);
    const g = m.global(F64, true, op.f64(0));
    m.func([], [], [...op.i32(0), ...op.i32(0), ...op.call(f), ...op.globalSet(g)]);
  }),
];

export const REFUSED_STRUCTURE: readonly Refused[] = [...MALFORMED, ...IMPORTS, ...DEFINITIONS, ...ESCAPES];
