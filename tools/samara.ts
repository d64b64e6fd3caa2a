/**
 * The CLI: `npm run samara -- COMMAND …`. Commands are the files of tools/commands/.
 *
 * Invariant: mistakes of the user end with one message and exit code 2, failures of what they asked for with 1; a stack
 * trace means a bug of ours.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suggestion } from "#kernel/manifest/nearest.ts";
import { ROOT } from "./lib/paths.ts";
import { UsageError, helpText, readArguments } from "./lib/command.ts";
import type { Command } from "./lib/command.ts";
import { columns, paint } from "./lib/terminal.ts";

const COMMANDS = join(ROOT, "tools", "commands");
/** Errors whose message is for the user; anything else keeps its stack. */
const FOR_USERS = new Set([
  "BuildError",
  "ManifestError",
  "IdlErrors",
  "AdmissionError",
  "KernelError",
  "ReloadRefused",
  "ControlError",
  "PciError",
  "RecordError",
]);

function commandNames(): string[] {
  const files = readdirSync(COMMANDS).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  return files.map((file) => file.slice(0, -".ts".length)).toSorted();
}

const commandFile = (name: string): string => join(COMMANDS, `${name}.ts`);
const help = (name: string): string => helpText(readFileSync(commandFile(name), "utf8"));

/** One line per command: what stands before and after the first ": " of its help text. */
function overview(): string {
  const rows = commandNames().map((name) => {
    const first = help(name).split("\n")[0]!;
    const colon = first.indexOf(": ");
    return [`  ${first.slice(0, colon)}`, first.slice(colon + 2)];
  });
  return [
    `${paint("bold", "Usage:")} npm run samara -- COMMAND [arguments]`,
    "",
    columns(rows),
    "",
    "`npm run samara -- help COMMAND` says more.",
  ].join("\n");
}

function known(name: string): string {
  const names = commandNames();
  if (names.includes(name)) return name;
  const text = `unknown command "${name}"${suggestion(name, [...names, "help"])}`;
  throw new UsageError(`${text}; \`npm run samara -- help\` lists them`);
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || ["help", "--help", "-h"].includes(name)) {
    process.stdout.write(`${rest[0] === undefined ? overview() : help(known(rest[0]))}\n`);
    return name === undefined ? 2 : 0;
  }
  const { command } = (await import(pathToFileURL(commandFile(known(name))).href)) as { command: Command };
  if (command.passThrough !== true && rest.some((arg) => arg === "--help" || arg === "-h")) {
    process.stdout.write(`${help(name)}\n`);
    return 0;
  }
  return command.run(readArguments(name, command, rest, help(name).split(": ", 1)[0]));
}

/** Runs one command. @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    const { name, message, stack } = error as Error;
    const text = error instanceof UsageError || FOR_USERS.has(name) ? message : (stack ?? message);
    process.stderr.write(`${paint("red", "samara:", process.stderr)} ${text}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
