/**
 * The bounds of what an interface may declare.
 *
 * Owns the numbers; the compiler checks them and `docs/idl.md` lists them. Invariant: whatever passes fits the ledger's
 * and the proxies' own fixed sizes (result words, error codes, capability table, argument region).
 */
import { RETURN_WORDS } from "#shared-heap/layout.ts";
import { RPC_MAX_ERROR } from "#kernel/interface/model.ts";

/** Text and bytes by value, in bytes: the argument region holds four nested calls of the largest. */
export const MAX_TEXT = 65536;
/** `Bytes<N>` in a record, bytes. */
export const MAX_BYTES = 1 << 24;
/** Elements of a fixed array of scalars in a record. */
export const MAX_ARRAY = 65536;
/** Objects in a container. */
export const MAX_SLOTS = 4096;
export const MAX_FIELDS = 128;
export const MAX_PARAMS = 16;
export const MAX_METHODS = 64;
export const MAX_ENUM_MEMBERS = RPC_MAX_ERROR;
export const MAX_RESULT_WORDS = RETURN_WORDS;
