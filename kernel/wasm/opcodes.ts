/**
 * The opcodes that the loader knows, with their immediates and stack effects.
 *
 * Owns the allow-list: an opcode that is not in these tables is refused (`unknown-opcode`), and so is one that the
 * tables mark as forbidden. Source: WebAssembly core specification 3.0, binary format, and the threads proposal.
 */

/** How to read what follows an opcode. */
export const Immediate = {
  unknown: 0,
  forbidden: 1,
  none: 2,
  index: 3,
  memory: 4,
  block: 5,
  twoIndices: 6,
  memoryIndex: 7,
  i32: 8,
  i64: 9,
  f32: 10,
  f64: 11,
  brTable: 12,
  selectTypes: 13,
  heapType: 14,
  bulk: 15,
  simd: 16,
  atomic: 17,
} as const;

export const IMMEDIATE = new Uint8Array(256);
/** Values popped, or 0xff when the effect depends on types or control. Pushed: 0 or 1. */
export const POPS = new Uint8Array(256).fill(0xff);
export const PUSHES = new Uint8Array(256);

export const Op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  drop: 0x1a,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableSet: 0x26,
  i32Load: 0x28,
  i32Store: 0x36,
  memoryGrow: 0x40,
  i32Const: 0x41,
  refNull: 0xd0,
  refFunc: 0xd2,
  bulk: 0xfc,
  simd: 0xfd,
  atomic: 0xfe,
} as const;

/** Instructions behind the prefix 0xfc. */
export const Bulk = {
  memoryInit: 8,
  dataDrop: 9,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  elemDrop: 13,
  tableCopy: 14,
  tableGrow: 15,
  tableSize: 16,
  tableFill: 17,
} as const;

/** Numbers between 0 and 0x113 that no SIMD instruction has. */
export const SIMD_GAPS: ReadonlySet<number> = new Set([
  0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2,
  0xee,
]);

function define(from: number, to: number, immediate: number, pops: number, pushes: number): void {
  IMMEDIATE.fill(immediate, from, to + 1);
  POPS.fill(pops, from, to + 1);
  PUSHES.fill(pushes, from, to + 1);
}

const I = Immediate;
const VARIES = 0xff;
define(0x00, 0x00, I.none, VARIES, 0); // unreachable
define(0x01, 0x01, I.none, 0, 0); // nop
define(0x02, 0x04, I.block, VARIES, 0);
define(0x05, 0x05, I.none, VARIES, 0); // else
define(0x06, 0x0a, I.forbidden, VARIES, 0); // exceptions: try, catch, throw, rethrow, throw_ref
define(0x0b, 0x0b, I.none, VARIES, 0); // end
define(0x0c, 0x0d, I.index, VARIES, 0); // br, br_if
define(0x0e, 0x0e, I.brTable, VARIES, 0);
define(0x0f, 0x0f, I.none, VARIES, 0); // return
define(0x10, 0x10, I.index, VARIES, 0); // call
define(0x11, 0x11, I.twoIndices, VARIES, 0); // call_indirect
define(0x12, 0x12, I.index, VARIES, 0); // return_call
define(0x13, 0x13, I.twoIndices, VARIES, 0); // return_call_indirect
define(0x14, 0x15, I.forbidden, VARIES, 0); // call_ref: typed function references
define(0x18, 0x19, I.forbidden, VARIES, 0); // delegate, catch_all
define(0x1a, 0x1a, I.none, 1, 0); // drop
define(0x1b, 0x1b, I.none, 3, 1); // select
define(0x1c, 0x1c, I.selectTypes, 3, 1);
define(0x1f, 0x1f, I.forbidden, VARIES, 0); // try_table
define(0x20, 0x20, I.index, 0, 1); // local.get
define(0x21, 0x21, I.index, 1, 0); // local.set
define(0x22, 0x22, I.index, 1, 1); // local.tee
define(0x23, 0x23, I.index, 0, 1); // global.get
define(0x24, 0x24, I.index, 1, 0); // global.set
define(0x25, 0x25, I.index, 1, 1); // table.get
define(0x26, 0x26, I.index, 2, 0); // table.set
define(0x28, 0x35, I.memory, 1, 1); // loads
define(0x36, 0x3e, I.memory, 2, 0); // stores
define(0x3f, 0x3f, I.memoryIndex, 0, 1); // memory.size
define(0x40, 0x40, I.memoryIndex, 1, 1); // memory.grow
define(0x41, 0x41, I.i32, 0, 1);
define(0x42, 0x42, I.i64, 0, 1);
define(0x43, 0x43, I.f32, 0, 1);
define(0x44, 0x44, I.f64, 0, 1);
define(0x45, 0xc4, I.none, 2, 1); // numeric; the unary ones follow
for (const [from, to] of [
  [0x45, 0x45],
  [0x50, 0x50],
  [0x67, 0x69],
  [0x79, 0x7b],
  [0x8b, 0x91],
  [0x99, 0x9f],
  [0xa7, 0xc4],
] as const) {
  define(from, to, I.none, 1, 1);
}
define(0xd0, 0xd0, I.heapType, 0, 1); // ref.null
define(0xd1, 0xd1, I.none, 1, 1); // ref.is_null
define(0xd2, 0xd2, I.index, 0, 1); // ref.func
define(0xd3, 0xd6, I.forbidden, VARIES, 0); // ref.eq, ref.as_non_null, br_on_null, br_on_non_null
define(0xfb, 0xfb, I.forbidden, VARIES, 0); // GC, strings
define(0xfc, 0xfc, I.bulk, VARIES, 0);
define(0xfd, 0xfd, I.simd, VARIES, 1);
define(0xfe, 0xfe, I.atomic, VARIES, 0);
