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
  /** Hash of the module that runs, by folder name; and of one that was tried and did not. */
  readonly #current: Map<string, string>;
  readonly #failed = new Map<string, string>();
  /** What is wrong now and was said; and the folders that it was said of. */
  #wrong = new Set<string>();
  readonly #broken = new Set<string>();
  /** What another boot is needed for, as it was said last. */
  readonly #forBoot = new Map<string, string>();
  /** Whether what the ownership check finds are warnings, and those that were shown last. */
  readonly #warns: boolean;
  readonly #warnings = new Map<string, string>();
  readonly #manifestFile: string;
  readonly #manifest: string;

  /**
   * @param print gets one or more whole lines, without the last one's end
   * @param warns whether what the ownership check finds are warnings
   */
  constructor(system: System, build: SystemBuild, print: (text: string) => void, warns = false) {
    this.#warns = warns;
    this.#build = build;
    this.#print = print;
    this.#running = { model: build.model, domains: build.system.domains };
    this.#target = {
      running: () => this.#running,
      replace: (instance, { bytes, sourceMap }) =>
        system.replace(instance, sourceMap === null ? { bytes } : { bytes, sourceMap }),
    };
    this.#current = new Map([...build.domains].map(([name, { bytes }]) => [name, hash(bytes)]));
    this.#manifestFile = `systems/${build.system.name}.ts`;
    this.#manifest = readText(join(ROOT, this.#manifestFile)) ?? "";
    this.#watcher = new Watcher(WATCHED, () => this.#round());
  }

  async close(): Promise<void> {
    await this.#compiler.close();
    await this.#watcher.close();
  }

  async #round(): Promise<void> {
    const wrong = new Set<string>();
    for (const name of this.#build.domains.keys()) {
      let warm: WarmBuild;
      try {
        warm = await this.#compiler.build(name, this.#warns);
      } catch (error) {
        const { message } = error as Error;
        // A mistake in an interface is the same one for every domain, and in every round until it is repaired.
        if (!this.#wrong.has(message) && !wrong.has(message)) {
          this.#broken.add(name);
          this.#print(`${message}\n${name}: the running version stays`);
        }
        wrong.add(message);
        continue;
      }
      if (warm.warnings !== (this.#warnings.get(name) ?? "")) {
        this.#warnings.set(name, warm.warnings);
        if (warm.warnings !== "") this.#print(warm.warnings);
      }
      this.#checkDescriptor(name, warm.build);
      await this.#swap(name, warm);
    }
    this.#wrong = wrong;
    const manifest = readText(join(ROOT, this.#manifestFile)) ?? "";
    if (manifest !== this.#manifest) this.#needsBoot(this.#manifestFile, manifest);
  }

  async #swap(name: string, { build, model, ms }: WarmBuild): Promise<void> {
    const print = hash(build.bytes);
    const broken = this.#broken.delete(name);
    if (this.#current.get(name) === print) {
      this.#failed.delete(name);
      if (broken) this.#print(`${name}: builds again, as it runs`);
      return;
    }
    if (this.#failed.get(name) === print) return;
    this.#print(`${name}: built in ${ms.toFixed(0)} ms`);
    try {
      const results = await reload(this.#target, instancesOf(this.#running, name), build, model);
      for (const result of results) this.#print(describeReload(result));
      if (results.some((result) => result.ok)) this.#current.set(name, print);
      if (results.every((result) => result.ok)) return void this.#failed.delete(name);
    } catch (error) {
      this.#print((error as Error).message);
    }
    this.#failed.set(name, print);
    this.#broken.add(name);
  }

  /** What no replacement changes: limits belong to the manifest's entry. */
  #checkDescriptor(name: string, build: DomainBuild): void {
    const limits = JSON.stringify(build.descriptor.limits) ?? "";
    const before = JSON.stringify(this.#build.domains.get(name)!.descriptor.limits) ?? "";
    if (limits !== before) this.#needsBoot(`the limits of ${build.dir}/domain.ts`, limits);
  }

  #needsBoot(what: string, now: string): void {
    if (this.#forBoot.get(what) === now) return;
    this.#forBoot.set(what, now);
    this.#print(`${what} changed: start this command again to run with that`);
  }
}
