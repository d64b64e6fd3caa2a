/**
 * check: types, lint, format, layering, trusted base.
 *
 * The same as `npm run check`. Every step runs; the last line names those that failed.
 */
import { check } from "../check.ts";
import type { Command } from "../lib/command.ts";

export const command: Command = { positionals: [0, 0], run: () => check() };
