/**
 * `npm start` as it is typed: the bootstrap, the build, the console in a process of its own, and how it ends.
 *
 * Invariant: however a session ends, it ends with code 0 and leaves no process behind.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ROOT } from "#tools/lib/paths.ts";

interface Session {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
/** What to do with the session once it shows its prompt; resolved when it has ended. */
type Use = (session: { child: ChildProcess; say: (line: string) => Promise<string>; group: number }) => unknown;

const PROMPT = "samara> ";
const running = new Set<ChildProcess>();
/** A test that failed leaves a session that nobody ends. */
afterAll(() => running.forEach((child) => process.kill(-child.pid!, "SIGKILL")));

/**
 * Runs what `npm start` runs, in a process group of its own, as a terminal does.
 * @param file where the disk is; "": in memory
 */
function start(use: Use, file = ""): Promise<Session> {
  const disk = ["--device", `nvme0.file=${file}`];
  const child = spawn(process.execPath, ["tools/bootstrap.mjs", "tools/samara.ts", "run", "default", ...disk], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
    detached: true,
  });
  running.add(child);
  let [out, err, seen] = ["", "", 0];
  let prompted: (() => void) | null = null;
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    if (out.endsWith(PROMPT)) prompted?.();
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  /** Everything up to the next prompt. */
  const answer = async (act: () => void): Promise<string> => {
    const prompt = new Promise<void>((resolve) => (prompted = resolve));
    seen = out.length;
    act();
    await prompt;
    return out.slice(seen, -PROMPT.length);
  };
  const say = (line: string): Promise<string> => answer(() => child.stdin.write(`${line}\n`));
  return new Promise((resolve, reject) => {
    child.on("exit", () => running.delete(child));
    child.on("close", (code) => resolve({ code, out, err }));
    child.on("error", reject);
    answer(() => {})
      .then(() => use({ child, say, group: child.pid! }))
      .catch((error: unknown) => {
        child.kill("SIGKILL");
        reject(error as Error);
      });
  });
}

/** Line of domains/crasher/index.ts that holds `code`. */
function lineOf(code: string): number {
  const lines = readFileSync(join(ROOT, "domains", "crasher", "index.ts"), "utf8").split("\n");
  return lines.findIndex((line) => line.includes(code)) + 1;
}

const DOMAINS = ["init", "pci", "nvme", "scratchMedium", "scratch", "disk", "kv", "client", "crasher", "shell"];

test("a session: list, store, crash, go on, exit; and the next one finds what was stored", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samara-session-"));
  for (let run = 0; run < 2; run++) {
    const { code, out, err } = await start(
      async ({ child, say }) => {
        const ps = (await say("ps")).trimEnd().split("\n").slice(1);
        expect(ps.map((line) => line.split(/ +/).slice(0, 2))).toEqual(DOMAINS.map((name) => [name, "running"]));
        expect(await say("kv get color")).toBe(run === 0 ? "kv: not found\n" : "blue\n");
        expect(await say("kv put color blue")).toBe("ok\n");
        expect(await say("crash abort")).toContain("crasher crashed; the system goes on (see ps)\n");
        expect(await say("kv get color")).toBe("blue\n");
        expect(await say("ps")).toMatch(/^crasher +dead .* abort: crashed as asked/m);
        expect(await say("")).toBe("");
        child.stdin!.write("exit\n");
      },
      join(folder, "disk"),
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("10 domains booted in ");
  }
  rmSync(folder, { recursive: true });
});

test("the console restarts domains and says why they died and what they did", async () => {
  const { code } = await start(async ({ child, say }) => {
    await say("crash trap");
    expect(await say("restart crasher")).toBe("restarted crasher: life 2\n");
    expect(await say("ps")).toMatch(/^crasher +running +2 +1 /m);
    const inspected = await say("inspect crasher");
    expect(inspected).toMatch(/^crasher: running, life 2, for /);
    expect(inspected).toContain("crasher died: trap: divide by zero at domains/crasher/index.ts:");
    expect(inspected).toMatch(/shell → crasher Shell\.execute\n +\d+ .* crasher fault trap\n/);
    expect(await say("trace crasher")).toMatch(/shell → crasher Shell\.execute\n[^]* crasher restart life 2\n/);
    expect(await say("restart nobody")).toBe("restart: there is no domain of this name (see ps)\n");
    expect(await say("inspect nobody")).toBe("inspect: there is no domain of this name (see ps)\n");
    expect(await say("restart shell")).toContain("the shell is crashed; the system runs on");
    expect(await say("ps")).toMatch(/^shell +running +2 /m);
    child.stdin!.end();
  });
  expect(code).toBe(0);
});

test("the store does not notice that its disk's driver dies: the shadow restarts it", async () => {
  const { code } = await start(async ({ child, say }) => {
    expect(await say("kill nvme")).toContain("killed nvme\n");
    expect(await say("ps")).toMatch(/^nvme +dead +1 /m);
    expect(await say("kv put color blue")).toBe("ok\n");
    expect(await say("kv get greeting")).toBe("hello from the client\n");
    expect(await say("ps")).toMatch(/^nvme +running +2 /m);
    child.stdin!.end();
  });
  expect(code).toBe(0);
});

describe.concurrent("a crash names its kind and the line of the source", () => {
  test.each([
    ["abort", "abort: crashed as asked", 'throw new Error("crashed as asked")'],
    ["trap", "trap: divide by zero", "1 / sink"],
    ["memory", "trap: ", "dataCopyIn(at, 4096)"],
    ["allocate", "trap: ", "1 << 29"],
    ["stack", "stack: ", "recurse(n + 1)"],
    ["loop", "slice: ", null],
    ["stale", "trap: ", "other.tag = 1"],
    ["free", "rule: ", "request.free();\n"],
    ["bounds", "trap: ", "dataLoad<u32>(at)"],
  ])("crash %s", async (way, kind, code) => {
    const session = await start(async ({ child, say }) => {
      const shown = await say(`crash ${way}`);
      expect(shown).toMatch(/^crasher died: /m);
      expect(shown).toContain(`crasher died: ${kind}`);
      expect(shown).toContain("call chain: host → shell → crasher");
      if (code !== null) {
        const at = code.endsWith("\n") ? "\\d+" : String(lineOf(code));
        expect(shown).toMatch(new RegExp(`domains/crasher/index\\.ts:${at}:\\d+`));
      }
      expect(await say("kv get greeting")).toBe("hello from the client\n");
      expect(await say(`crash ${way}`)).toBe("crasher is dead: `restart crasher` begins its next life\n");
      child.stdin!.end();
    });
    expect(session.code).toBe(0);
  });
});

describe("ends cleanly", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "on %s to the whole group, as a terminal sends it",
    async (signal) => {
      const { code, err } = await start(({ group }) => process.kill(-group, signal));
      expect({ code, err }).toEqual({ code: 0, err: "" });
    },
  );
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("on %s to the first process alone", async (signal) => {
    const { code, err } = await start(({ child }) => child.kill(signal));
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
  test("on the end of input", async () => {
    const { code, err } = await start(({ child }) => child.stdin!.end());
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
  test("when nobody reads its output any more", async () => {
    const { code } = await start(({ child }) => {
      child.stdout!.destroy();
      child.stdin!.end("ps\n".repeat(100));
    });
    expect(code).toBe(0);
  });
});
