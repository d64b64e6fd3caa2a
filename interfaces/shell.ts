/**
 * A program that executes command lines.
 *
 * Owns the contract between a terminal and a shell. Invariant: the shell has no terminal of its own, so any terminal,
 * test or program can drive it.
 */
import type { RpcResult, Str } from "./prelude.ts";

/** The brain behind a prompt. */
export interface Shell {
  /** Executes one line; returns what is to be shown, in lines that end with a newline. */
  execute(line: Str<256>): RpcResult<Str<4096>, never>;
}
