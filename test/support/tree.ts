/**
 * A copy of the work tree, for tests that edit sources and run commands as a person does.
 *
 * Invariant: whatever happens in a copy leaves this tree alone; what is built here already is not built there again.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "#tools/lib/paths.ts";

/** Of build/, what decides and is what was built. */
const BUILT = ["gen", "domains", "drivers", "cache"];

export class Tree {
  readonly root: string;

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), "samara-tree-"));
    for (const entry of readdirSync(ROOT)) {
      if (["build", "node_modules", ".git"].includes(entry)) continue;
      cpSync(join(ROOT, entry), join(this.root, entry), { recursive: true });
    }
    // Other tests write here meanwhile, by renaming: what may vanish is left out.
    const filter = (file: string): boolean => !/\.tmp$|\.lowered/.test(file);
    for (const part of BUILT)
      cpSync(join(ROOT, "build", part), join(this.root, "build", part), { recursive: true, filter });
    symlinkSync(join(ROOT, "node_modules"), join(this.root, "node_modules"));
  }

  read(file: string): string {
    return readFileSync(join(this.root, file), "utf8");
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.root, file), text);
  }

  /** Replaces a text that is there. @returns what the file held before */
  edit(file: string, old: string, now: string): string {
    const text = this.read(file);
    if (!text.includes(old)) throw new Error(`${file} does not contain ${JSON.stringify(old)}`);
    this.write(
      file,
      text.replace(old, () => now),
    );
    return text;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
