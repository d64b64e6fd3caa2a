/**
 * What a command of the CLI is, and how its arguments are read.
 *
 * Invariant: an argument that a command does not know never passes silently; the message names the nearest known one.
 */
import { parseArgs } from "node:util";
import { suggestion } from "#kernel/manifest/nearest.ts";

/** The user's mistake: shown as one message, exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

export interface Option {
  readonly type: "boolean" | "string";
  readonly short?: string;
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

/** One file in tools/commands/ exports one as `command`; the file's opening comment is its help text. */
export interface Command {
  readonly options?: Readonly<Record<string, Option>>;
  /** Least and greatest number of arguments that are no options. */
  readonly positionals: readonly [number, number];
  /** All arguments go to `run` as positionals, options too. */
  readonly passThrough?: boolean;
  /** @returns the exit code. */
  run(args: Arguments): Promise<number>;
}

/**
 * @param synopsis how the command is written, such as `trace DOMAIN`
 * @throws UsageError naming what is wrong.
 */
export function readArguments(name: string, command: Command, argv: readonly string[], synopsis = name): Arguments {
  if (command.passThrough === true) return { positionals: argv, options: {} };
  const options = command.options ?? {};
  const { tokens } = parseArgs({ args: [...argv], options: { ...options }, strict: false, tokens: true });
  const known = Object.keys(options);
  const positionals: string[] = [];
  const values: Record<string, string | boolean> = {};
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name]! : undefined;
    if (option === undefined) {
      const near = suggestion(token.name, known).replace('"', '"--');
      throw new UsageError(`${name}: unknown option ${token.rawName}${near}`);
    }
    if (option.type === "string" && token.value === undefined)
      throw new UsageError(`${name}: ${token.rawName} needs a value`);
    if (option.type === "boolean" && token.value !== undefined)
      throw new UsageError(`${name}: ${token.rawName} takes no value`);
    values[token.name] = token.value ?? true;
  }
  const [least, most] = command.positionals;
  if (positionals.length < least) throw new UsageError(`${name}: an argument is missing; write: ${synopsis}`);
  if (positionals.length > most) throw new UsageError(`${name}: unexpected argument "${positionals[most]}"`);
  return { positionals, options: values };
}

/** Help text: the opening block comment of a command's file. */
export function helpText(source: string): string {
  const comment = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(source)?.[1] ?? "";
  return comment.replace(/^ \* ?/gm, "");
}
