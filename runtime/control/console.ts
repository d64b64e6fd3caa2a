/**
 * The terminal: reads lines, gives them to a shell domain, shows its answers and everything that dies.
 *
 * Invariants: the terminal belongs to this file alone; domains only ever produce lines of text. Ctrl-C, Ctrl-D and
 * `exit` end the loop; whatever a domain does, the prompt comes back. No input makes memory grow,
 * however long its lines.
 */
import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from "node:readline";
import { Transform, type Readable, type Writable } from "node:stream";
import type { FaultReport } from "../node/system.ts";
import { formatFaultLong } from "./format.ts";

/** What the console needs of a `Shell` client. */
export interface ShellClient {
  execute(line: string): { ok: true; value: string } | { ok: false; error: string } | { ok: false; fault: string };
}

export interface ConsoleOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly prompt: string;
  /** What executes lines in a domain, or null when nothing does; looked up for each line. */
  readonly program: (domain: string) => ShellClient | null;
}

const MAX_LINE = 256;
/** The domain that gets every line that names no other. */
const SHELL = "shell";

export class Console {
  readonly #options: ConsoleOptions;
  readonly #terminal: boolean;
  /** While somebody may be typing: what comes out meanwhile goes above the line that they type. */
  #typing: Interface | null = null;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#terminal = [options.input, options.output].every((s) => (s as { isTTY?: boolean }).isTTY === true);
  }

  /** A line of a domain's, or of the system's. */
  print(line: string): void {
    const { output, prompt } = this.#options;
    const typing = this.#terminal ? this.#typing : null;
    if (typing === null) return void output.write(`${line}\n`);
    moveCursor(output, 0, -typing.getCursorPos().rows);
    cursorTo(output, 0);
    clearScreenDown(output);
    output.write(`${line}\n${prompt}${typing.line}`);
    moveCursor(output, typing.cursor - typing.line.length, 0);
  }

  showFault(fault: FaultReport): void {
    this.print(formatFaultLong(fault));
  }

  /** Runs until the input ends, `exit`, or Ctrl-C. */
  async run(): Promise<void> {
    const { input, output, prompt } = this.#options;
    const bounded = this.#terminal ? input : input.pipe(boundLines(MAX_LINE));
    const lines = createInterface({ input: bounded, output, prompt, terminal: this.#terminal });
    lines.on("SIGINT", () => lines.close());
    // Input that ends early leaves lines that are still to be executed, and nobody to prompt.
    let closed = false;
    lines.on("close", () => {
      closed = true;
      this.#typing = null;
    });
    const ask = (): void => {
      this.#typing = lines;
      lines.prompt();
    };
    ask();
    for await (const line of lines) {
      this.#typing = null;
      const command = line.trim();
      if (command === "exit" || command === "quit") break;
      if (command !== "") this.#execute(command);
      if (!closed) ask();
    }
    lines.close();
    output.write("\n");
  }

  #execute(command: string): void {
    const bytes = new TextEncoder().encode(command).length;
    if (bytes > MAX_LINE) return this.print(`a command line has at most ${MAX_LINE} bytes`);
    // `@greeter hello` is for another program than the shell.
    const [, domain = SHELL, line = command] = /^@(\S+)\s*(.*)$/.exec(command) ?? [];
    const program = this.#options.program(domain);
    if (program === null) return this.print(this.#noProgram(domain));
    const answer = program.execute(line);
    if (answer.ok) this.#options.output.write(answer.value);
    else if ("fault" in answer)
      this.print(`${this.#name(domain)} is ${answer.fault}; the system runs on (Ctrl-C ends it)`);
    else this.print(`${this.#name(domain)} answered ${answer.error}`);
  }

  #name(domain: string): string {
    return domain === SHELL ? "the shell" : domain;
  }

  #noProgram(domain: string): string {
    if (domain !== SHELL) return `no domain ${domain} executes lines (it would provide a Shell)`;
    return "no shell runs in this system; Ctrl-C ends it";
  }
}

const NEWLINE = 0x0a;

/** Ends a line that has more than `max` bytes after one more, and swallows the rest of it. */
export function boundLines(max: number): Transform {
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length;) {
        const newline = chunk.indexOf(NEWLINE, at);
        const end = newline < 0 ? chunk.length : newline;
        if (length <= max) {
          this.push(chunk.subarray(at, Math.min(end, at + max + 1 - length)));
          length += end - at;
          if (length > max || newline >= 0) this.push("\n");
        }
        if (newline >= 0) length = 0;
        at = end + 1;
      }
      done();
    },
  });
}
