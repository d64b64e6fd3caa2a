/**
 * Why a module was refused. Codes are stable: tests, docs and tools match on them, never on the text.
 */
export const ADMISSION_CODES = [
  "malformed", // truncated, bad LEB128, bad section order or size: the bytes are not a module
  "invalid", // V8's own validation refuses the module
  "too-large", // module, function, locals, section or nesting beyond a limit in limits.ts
  "unknown-opcode",
  "forbidden-opcode", // GC, exception handling, table.grow, memory64, atomics on shared memories it may not have
  "import-not-granted", // module.name is not in the policy
  "import-signature",
  "import-kind", // global, table, tag, or memory other than env.memory
  "memory", // more than one, shared, 64-bit, custom page size, minimum above the quota
  "table", // too large or too many
  "start-function",
  "intrinsic-escapes", // exported, in an element segment, ref.func, global initialiser
  "import-escapes", // an import that is re-exported
  "reserved-name", // an export that begins with samara:
  "type-section", // struct, array, subtypes, recursion groups
  "internal", // the lowered module does not validate: a bug in the loader, and the module stays out
] as const;
export type AdmissionCode = (typeof ADMISSION_CODES)[number];

/** The module stays out. `offset` is the byte in the original module, or -1 when no single byte is to blame. */
export class AdmissionError extends Error {
  readonly code: AdmissionCode;
  readonly offset: number;
  constructor(code: AdmissionCode, detail: string, offset = -1) {
    super(offset < 0 ? `${code}: ${detail}` : `${code} at byte 0x${offset.toString(16)}: ${detail}`);
    this.name = "AdmissionError";
    this.code = code;
    this.offset = offset;
  }
}
