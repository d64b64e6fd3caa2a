/**
 * Tells when sources have changed, once for each time that somebody saved.
 *
 * Editors write a file in several steps (a temporary file, a rename, a second write), and a checkout changes many.
 * Invariant: `changed` is called after the last of a burst of changes, never twice at once, and once more for what came
 * while it ran.
 */
import { existsSync, watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../lib/paths.ts";

/** A burst is over when nothing has happened for this long, in milliseconds. */
const QUIET_MS = 60;

/** What no source is: swap and backup files of editors, and files without a name that is known here. */
const isSource = (name: string): boolean => /\.(ts|c|h)$/.test(name) && !/(^|[/\\])[.#]/.test(name);

export class Watcher {
  readonly #changed: () => Promise<void>;
  readonly #watchers: FSWatcher[];
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;

  /** @param folders relative to the root; those that do not exist are left out. */
  constructor(folders: readonly string[], changed: () => Promise<void>) {
    this.#changed = changed;
    this.#watchers = folders
      .filter((folder) => existsSync(join(ROOT, folder)))
      .map((folder) =>
        watch(join(ROOT, folder), { recursive: true }, (_, name) => {
          if (name === null || isSource(name)) this.#saw();
        }),
      );
  }

  /** Ends; waits for a call of `changed` that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    await this.#running;
  }

  #saw(): void {
    if (this.#closed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#quiet(), QUIET_MS);
  }

  #quiet(): void {
    this.#timer = null;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#changed().finally(() => {
      this.#running = null;
      if (this.#again) this.#saw();
      this.#again = false;
    });
  }
}
