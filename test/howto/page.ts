/**
 * Does what a how-to page says, as a reader would, and compares what the page shows with what comes.
 *
 * The rules are in docs/howto/README.md. Invariants: a page's blocks are done in order, in a copy of the tree; programs
 * that it leaves running end with the page.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Conversation } from "../support/process.ts";
import type { Tree } from "../support/tree.ts";

export interface Block {
  readonly language: string;
  /** Path of the file that the block holds, or changes; null for other blocks. */
  readonly file: string | null;
  readonly lines: readonly string[];
  /** Line of the page, from 1. */
  readonly at: number;
}

const PROMPT = "samara> ";
const ANYTHING = "…";

/** Fenced blocks of a page, in order. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(`{3,})([a-z]+)?(?: (\S+))?$/.exec(lines[i]!);
    if (fence === null) continue;
    const end = lines.indexOf(fence[1]!, i + 1);
    if (end < 0) throw new Error(`line ${i + 1}: the block has no end`);
    blocks.push({ language: fence[2] ?? "", file: fence[3] ?? null, lines: lines.slice(i + 1, end), at: i + 1 });
    i = end;
  }
  return blocks;
}

/** A pattern for lines that a page shows: `…` is any text within a line, or, alone on one, any number of lines. */
export function pattern(lines: readonly string[]): string {
  return lines
    .map((line) =>
      line === ANYTHING ? String.raw`(?:.*\n)*?` : `${line.split(ANYTHING).map(RegExp.escape).join(".*")}\\n`,
    )
    .join("");
}

/** A text in which a diff's context and `-` lines were replaced by its context and `+` lines. */
export function applyDiff(text: string, lines: readonly string[]): string {
  const side = (sign: string): string =>
    lines
      .filter((line) => line === "" || line.startsWith(" ") || line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  const [old, now] = [side("-"), side("+")];
  const found = text.split(old).length - 1;
  if (found !== 1) throw new Error(`the diff's lines are ${found} times in the file, not once:\n${old}`);
  return text.replace(old, () => now);
}

/** The environment of a reader's terminal: nothing of what npm and vitest added to this process's. */
function environment(): NodeJS.ProcessEnv {
  const added = /^(npm_|VITEST|NODE_|VITE_|TEST$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.test(name)));
}

/** npm begins with the script's name and text, which no page shows. */
const withoutPreamble = (output: string): string => output.replace(/^(?:> .*\n|\n)+/, "");

export class Page {
  readonly #tree: Tree;
  #session: Conversation | null = null;
  /** Whether the lines before the next ones are left out. */
  #skips = false;
  /** What the last `sh` block printed. */
  #printed: string | null = null;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** @throws Error naming the block's line when it does not go as the page says */
  async run(text: string): Promise<void> {
    try {
      for (const block of blocksOf(text)) {
        try {
          await this.#do(block);
        } catch (error) {
          throw new Error(`line ${block.at}: ${(error as Error).message}`, { cause: error });
        }
      }
    } finally {
      await this.#endSession();
    }
  }

  async #do(block: Block): Promise<void> {
    if (block.file !== null) this.#edit(block, block.file);
    else if (block.language === "sh") await this.#runScript(block);
    else if (block.language === "text") this.#compare(block);
    else if (block.language === "console") await this.#converse(block);
  }

  #edit({ language, lines }: Block, file: string): void {
    mkdirSync(dirname(join(this.#tree.root, file)), { recursive: true });
    const text = lines.map((line) => `${line}\n`).join("");
    this.#tree.write(file, language === "diff" ? applyDiff(this.#tree.read(file), lines) : text);
  }

  async #runScript({ lines }: Block): Promise<void> {
    const script = new Conversation("bash", ["-e", "-c", lines.join("\n")], this.#tree.root, environment());
    script.child.stdin!.end();
    const code = await script.exit();
    if (code !== 0) throw new Error(`the commands ended with ${code}:\n${script.output}`);
    this.#printed = withoutPreamble(script.output);
  }

  #compare({ lines }: Block): void {
    if (this.#printed === null) return;
    if (!new RegExp(`^${pattern(lines)}$`).test(this.#printed))
      throw new Error(`the page shows:\n${lines.join("\n")}\nbut this came:\n${this.#printed}`);
    this.#printed = null;
  }

  async #converse({ lines }: Block): Promise<void> {
    let shown: string[] = [];
    const expectShown = async (): Promise<void> => {
      if (shown.length === 0) return;
      const before = this.#skips ? pattern([ANYTHING]) : "";
      await this.#session!.expect(new RegExp(`^${before}(?:${PROMPT})*${pattern(shown)}`));
      this.#skips = shown.at(-1) === ANYTHING;
      shown = [];
    };
    for (const line of lines) {
      if (line.startsWith("$ ")) await this.#startSession(line.slice(2));
      else if (this.#session === null) throw new Error("no program was started");
      else if (line.startsWith(PROMPT)) {
        await expectShown();
        this.#session.say(line.slice(PROMPT.length));
      } else shown.push(line);
    }
    await expectShown();
  }

  async #startSession(command: string): Promise<void> {
    await this.#endSession();
    this.#session = new Conversation("bash", ["-c", command], this.#tree.root, environment(), true);
  }

  async #endSession(): Promise<void> {
    await this.#session?.interrupt();
    this.#session = null;
    this.#skips = false;
  }
}
