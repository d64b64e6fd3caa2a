/**
 * What `samara dev` does after each save: builds what is stale and puts it in the place of what runs.
 *
 * Invariants: domains go on running while the compiler works; whatever is wrong with a source is shown once, and the
 * version that runs stays; a build that was refused, or that died, is not tried again before it has changed.
 */
import { join } from "node:path";
import type { System } from "#runtime/node/system.ts";
import type { DomainBuild, SystemBuild } from "../build/index.ts";
import { LIBRARIES } from "../build/assemblyscript.ts";
import { hash, readText } from "../lib/files.ts";
import { DOMAIN_ROOTS, ROOT } from "../lib/paths.ts";
import { WarmCompiler, type WarmBuild } from "./compiler.ts";
import { describeReload, instancesOf, reload, type ReloadTarget, type Running } from "./reload.ts";
import { Watcher } from "./watch.ts";

/** Where sources are; what is generated from interfaces is built before it is used. */
const WATCHED = [...DOMAIN_ROOTS, "interfaces", "systems", ...LIBRARIES.filter((dir) => !dir.startsWith("build/"))];

export class DevSession {
  readonly #running: Running;
  readonly #build: SystemBuild;
  readonly #target: ReloadTarget;
  readonly #print: (text: string) => void;
  readonly #compiler = new WarmCompiler();
  readonly #watcher: Watcher;
  /** Hash of the module that was put in place last, or that was tried, by folder name. */
  readonly #tried: Map<string, string>;
  /** What was said last about a folder or a file, so that it is said once. */
  readonly #said = new Map<string, string>();
  readonly #manifestFile: string;
  readonly #manifest: string | null;

  /** @param print gets one or more whole lines, without the last one's end */
  constructor(system: System, build: SystemBuild, print: (text: string) => void) {
    this.#build = build;
    this.#print = print;
    this.#running = { model: build.model, domains: build.system.domains };
    this.#target = {
      running: () => this.#running,
      replace: (instance, { bytes, sourceMap }) =>
        system.replace(instance, sourceMap === null ? { bytes } : { bytes, sourceMap }),
    };
    this.#tried = new Map([...build.domains].map(([name, { bytes }]) => [name, hash(bytes)]));
    this.#manifestFile = `systems/${build.system.name}.ts`;
    this.#manifest = readText(join(ROOT, this.#manifestFile));
    this.#watcher = new Watcher(WATCHED, () => this.#round());
  }

  async close(): Promise<void> {
    await this.#compiler.close();
    await this.#watcher.close();
  }

  async #round(): Promise<void> {
    const shown = new Set<string>();
    for (const name of this.#build.domains.keys()) {
      let warm: WarmBuild;
      try {
        warm = await this.#compiler.build(name);
      } catch (error) {
        const { message } = error as Error;
        // A mistake in an interface is the same one for every domain.
        if (!shown.has(message)) this.#say(name, `${message}\n${name}: the running version stays`);
        shown.add(message);
        continue;
      }
      await this.#swap(name, warm);
    }
    const manifest = readText(join(ROOT, this.#manifestFile));
    if (manifest !== this.#manifest) this.#restartFor(this.#manifestFile, manifest);
  }

  async #swap(name: string, { build, model, ms }: WarmBuild): Promise<void> {
    this.#checkDescriptor(name, build);
    const print = hash(build.bytes);
    if (this.#tried.get(name) === print) {
      if (this.#said.delete(name)) this.#print(`${name}: builds again, as it runs`);
      return;
    }
    this.#tried.set(name, print);
    this.#said.delete(name);
    this.#print(`${name}: built in ${ms.toFixed(0)} ms`);
    try {
      const results = await reload(this.#target, instancesOf(this.#running, name), build, model);
      for (const result of results) this.#print(describeReload(result));
    } catch (error) {
      this.#say(name, (error as Error).message);
    }
  }

  /** What no replacement changes: limits belong to the manifest's entry. */
  #checkDescriptor(name: string, build: DomainBuild): void {
    const limits = JSON.stringify(build.descriptor.limits);
    const before = JSON.stringify(this.#build.domains.get(name)!.descriptor.limits);
    if (limits !== before) this.#restartFor(`the limits of ${build.dir}/domain.ts`, limits ?? "");
  }

  #restartFor(what: string, now: string | null): void {
    const key = `${what} ${now ?? ""}`;
    if (this.#said.get(what) === key) return;
    this.#said.set(what, key);
    this.#print(`${what} changed: start this command again to run with that`);
  }

  #say(about: string, text: string): void {
    if (this.#said.get(about) === text) return;
    this.#said.set(about, text);
    this.#print(text);
  }
}
