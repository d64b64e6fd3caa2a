/**
 * The system's console.
 *
 * Owns the contract between whoever has something to say and whoever shows it. Invariant: a line is text, never control
 * codes: the console's side decides how it looks.
 */
import type { RpcResult, Str } from "./prelude.ts";

/** Where lines of text come out. */
export interface Console {
  /** Writes one line, without its end; the console adds who wrote it. */
  write(line: Str<1024>): RpcResult<void, never>;
}
