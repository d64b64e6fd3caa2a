/**
 * `samara dev` and `samara reload` as a person uses them: in a copy of the tree, sources are edited and saved while the
 * system runs.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSystem, loadSystem } from "#tools/build/index.ts";
import type { PsAnswer } from "#runtime/control/handlers.ts";
import { ControlClient } from "#runtime/control/client.ts";
import { samara, type Conversation } from "../support/process.ts";
import { Tree } from "../support/tree.ts";

const CRASHER = "domains/crasher/index.ts";
const SHELL = "domains/shell/index.ts";
let tree: Tree;

beforeAll(async () => {
  await buildSystem(await loadSystem("default"));
  tree = new Tree();
});
afterAll(() => tree.remove());

interface Outcome {
  readonly code: number | null;
  readonly out: string;
}
async function run(...args: string[]): Promise<Outcome> {
  const child = samara(tree.root, ...args);
  return { code: await child.exit(), out: child.output };
}
async function incarnations(): Promise<Record<string, number>> {
  const { domains } = JSON.parse((await run("ps", "--json")).out) as PsAnswer;
  return Object.fromEntries(domains.map((d) => [d.name, d.incarnation]));
}

describe("dev", () => {
  let dev: Conversation;
  beforeAll(async () => {
    dev = samara(tree.root, "dev");
    await dev.expect("edit a domain and save");
  });
  afterAll(() => dev.kill());

  test("a saved source is built and runs; a client's next call meets it, and others live on", async () => {
    dev.say("help");
    await dev.expect("this text");
    tree.edit(SHELL, "this text", "THIS text");
    await dev.expect(/shell: built in \d+ ms\n.*shell: replaced in [\d.]+ ms, began anew\n/);
    dev.say("help");
    await dev.expect("THIS text");
    expect(await incarnations()).toMatchObject({ shell: 2, kv: 1, nvme: 1 });
  });

  test("a mistake is shown with its place and line, once; the old version stays; repaired, it is said", async () => {
    const good = tree.edit(SHELL, "const system = System", "const system: nothing = System");
    await dev.expect(
      /domains\/shell\/index\.ts:\d+:\d+: error: Cannot find name 'nothing'\.\n +const system: nothing =/,
    );
    await dev.expect("shell: the running version stays");
    // Saved again, as it is.
    tree.write(SHELL, tree.read(SHELL));
    tree.edit(CRASHER, "a division by zero", "a division by nought");
    await dev.expect("crasher: replaced");
    expect(dev.rest).not.toContain("error:");
    dev.say("help");
    await dev.expect("THIS text");
    tree.write(SHELL, good);
    await dev.expect("shell: builds again, as it runs");
  });

  test("an editor that writes in steps, and renames: one build", async () => {
    const before = await incarnations();
    const text = tree.read(CRASHER);
    const file = join(tree.root, CRASHER);
    // Half a comment, which builds to nothing, however slowly the next steps come.
    writeFileSync(file, text.slice(0, 30));
    writeFileSync(`${file}.tmp`, text.slice(0, 30));
    await sleep(5);
    writeFileSync(`${file}.tmp`, text.replace("a division by nought", "a division by 0"));
    renameSync(`${file}.tmp`, file);
    await dev.expect("crasher: replaced");
    expect((await incarnations()).crasher).toBe(before.crasher! + 1);
  });

  test("a version that dies in its first code is rolled back, and not tried again", async () => {
    const good = tree.edit(CRASHER, "ShellServer.provide", 'if (sink == 0) abort("not yet");\nShellServer.provide');
    await dev.expect(/crasher: not replaced: .*not yet.*the former version runs again/);
    tree.write("domains/kv/table.ts", `${tree.read("domains/kv/table.ts")}\n`);
    dev.say("crash");
    await dev.expect("trap");
    expect(dev.rest).not.toContain("not replaced");
    tree.write(CRASHER, good);
    await dev.expect("crasher: builds again");
  });

  test("a changed interface is refused with its difference, and what does not use it is still replaced", async () => {
    const good = tree.edit("interfaces/shell.ts", "execute(line: Str<256>)", "execute(line: Str<512>)");
    await dev.expect("crasher was built with another Shell than the running system has");
    await dev.expect("  - execute(line: Str<256>): RpcResult<Str<4096>, never>");
    await dev.expect("  + execute(line: Str<512>): RpcResult<Str<4096>, never>");
    await dev.expect("The running version stays; start the system again to run the new one.");
    tree.edit("domains/kv/index.ts", "MAX_VALUE = 2048", "MAX_VALUE = 2047");
    await dev.expect("kv: replaced");
    tree.write("interfaces/shell.ts", good);
    dev.say("kv get greeting");
    await dev.expect("hello from the client");
  });

  test("a mistake in an interface is shown once, not for every domain", async () => {
    const good = tree.edit("interfaces/shell.ts", "Str<256>", "string");
    await dev.expect("interfaces/shell.ts:");
    await dev.expect("the running version stays");
    await sleep(300);
    expect(dev.rest).not.toContain("error:");
    tree.write("interfaces/shell.ts", good);
  });

  test("what takes another boot is said", async () => {
    const system = tree.edit("systems/default.ts", "heapObjects: 64", "heapObjects: 63");
    await dev.expect("systems/default.ts changed: start this command again to run with that");
    tree.write("systems/default.ts", system);
    tree.edit("domains/kv/domain.ts", "memoryPages: 512", "memoryPages: 511");
    await dev.expect("the limits of domains/kv/domain.ts changed: start this command again");
    tree.edit("domains/kv/domain.ts", "memoryPages: 511", "memoryPages: 512");
    const descriptor = tree.edit(
      "domains/kv/domain.ts",
      'uses: { disk: "BlockDevice" }',
      'uses: { disk: "BlockDevice", sh: "Shell" }',
    );
    tree.edit("domains/kv/index.ts", "MAX_KEY = 128", "MAX_KEY = 127");
    await dev.expect("domains/kv/domain.ts has changed\n  kv uses\n  + sh: Shell");
    tree.write("domains/kv/domain.ts", descriptor);
  });

  test("domains run while the compiler works, and Ctrl-C ends both", async () => {
    tree.edit(SHELL, "THIS text", "that text");
    // Each answer takes a turn of the loop that the domains run in: none would come before a build on this thread ends.
    for (let n = 0; !dev.rest.includes("shell: built"); n++) {
      dev.say("kv get greeting");
      await sleep(5);
    }
    const answers = dev.rest.slice(0, dev.rest.indexOf("shell: built")).match(/hello from the client/g);
    expect(answers?.length ?? 0).toBeGreaterThan(3);
    dev.child.kill("SIGINT");
    expect(await dev.exit()).toBe(0);
  });
});

describe("reload", () => {
  let system: Conversation;
  beforeAll(async () => {
    system = samara(tree.root, "run", "recovery");
    await system.expect("write help");
  });
  afterAll(() => system.kill());

  test("every instance of a domain is replaced, or one; state is said", async () => {
    const both = await run("reload", "guardedDisk");
    expect(both.code).toBe(0);
    expect(both.out).toMatch(/^ramdisk: replaced in [\d.]+ ms, .*\nguardedDisk: replaced in/m);
    const one = await run("reload", "guardedDisk", "--only", "--json");
    expect(JSON.parse(one.out)).toMatchObject({ domain: "ramdisk", results: [{ instance: "guardedDisk", ok: true }] });
    expect(await incarnations()).toMatchObject({ ramdisk: 2, guardedDisk: 3, kv: 1 });
  });

  test("a changed interface is refused with its difference, exit code 1", async () => {
    const good = tree.edit("interfaces/shell.ts", "execute(line", "answer(line");
    const index = tree.edit(CRASHER, "execute(line", "answer(line");
    tree.write(CRASHER, tree.read(CRASHER).replaceAll("ShellExecuteResult", "ShellAnswerResult"));
    const { code, out } = await run("reload", "crasher");
    expect(out).toContain("another Shell than the running system has\n  Shell.execute\n  - execute(line: Str<256>)");
    expect(out).toContain("  Shell.answer\n  + answer(line: Str<256>)");
    expect(code).toBe(1);
    tree.write("interfaces/shell.ts", good);
    tree.write(CRASHER, index);
  });

  test("the socket's own command: what is no module, or no domain, changes nothing", async () => {
    const client = await ControlClient.connect(join(tree.root, "build", "run"));
    const replace = (domain: string, file: string): Promise<unknown> => client.request("replace", { domain, file });
    const garbage = join(tree.root, "garbage");
    writeFileSync(garbage, "this is no module");
    await expect(replace("kv", join(tree.root, "nothing"))).rejects.toThrow("ENOENT");
    await expect(replace("kv", "/dev/zero")).rejects.toThrow("/dev/zero is no module: it has 0 bytes");
    await expect(replace("kv", garbage)).rejects.toThrow(/module/);
    await expect(replace("vk", garbage)).rejects.toThrow('no domain is named "vk"');
    await expect(client.request("replace", { domain: "kv" })).rejects.toThrow('"file" is missing');
    // Another domain's module: it does not serve what this one provides.
    await expect(replace("kv", join(tree.root, "build/domains/crasher.wasm"))).rejects.toThrow(/KeyValue/);
    client.close();
    expect((await incarnations()).kv).toBe(1);
  });

  test("mistakes are named", async () => {
    expect(await run("reload", "crashr")).toEqual({
      code: 2,
      out: 'samara: reload: the system has no domain "crashr" (did you mean "crasher"?)\n',
    });
    const good = tree.edit(CRASHER, "ShellServer.provide", "ShelServer.provide");
    const { code, out } = await run("reload", "crasher");
    expect(out).toMatch(/domains\/crasher\/index\.ts:\d+:\d+: error: Cannot find name 'ShelServer'/);
    expect(code).toBe(1);
    tree.write(CRASHER, good);
    system.say("kv get greeting");
    await system.expect("hello from the client");
    system.say("exit");
    expect(await system.exit()).toBe(0);
    expect((await run("reload", "crasher")).out).toBe("samara: no system is running; `npm start` boots one\n");
  });
});
