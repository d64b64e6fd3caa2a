/**
 * kill -9 of a system at random moments: what the store acknowledged is there after the next boot.
 *
 * The chain is that of the default system: store, shadow, driver, model with a file. The driver is crashed in between,
 * too. `SAMARA_KILL_ROUNDS` sets how often the system is killed, `SAMARA_SEED` other moments and changes.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { buildSystem } from "#tools/build/index.ts";
import { BUILD } from "#tools/lib/paths.ts";
import manifest from "../../systems/default.ts";
import { random } from "../recovery/disk.ts";

const ROUNDS = Number(process.env["SAMARA_KILL_ROUNDS"] ?? 200);
const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
/** Disks at once, one for each processor of a small machine. */
const DISKS = 2;
/** Small, so that the store is compacted again and again. */
const DISK_BYTES = 256 * 1024;
/** Changes that a life may make before it ends. */
const LONGEST = 40;

let folder: string;
let description: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "samara-kill-"));
  const { pci, nvme, disk, kv } = manifest.domains as Required<typeof manifest.domains>;
  const { nvme0 } = manifest.devices!;
  const options = { ...nvme0!.options, bytes: DISK_BYTES, readyMs: 1 };
  const chain = defineSystem({
    ...manifest,
    name: "kill",
    devices: { nvme0: { ...nvme0!, options } },
    domains: { pci: pci!, nvme: nvme!, disk: disk!, kv: kv! },
  });
  const build = await buildSystem(chain);
  const images = Object.fromEntries([...build.domains].map(([name, { file }]) => [name, file]));
  description = join(folder, "system.json");
  writeFileSync(
    description,
    JSON.stringify({ system: build.system, images, cacheDir: join(BUILD, "cache", "lowered") }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a disk's store may hold under each key: numbers of changes, 0 for nothing. */
type Model = Map<number, Set<number>>;

/** How long the last start took, ms: some lives end within the next one's. */
let startMs = 500;

/** One life of the system. @returns how many changes were acknowledged */
async function round(file: string, seed: number, model: Model): Promise<number> {
  const next = random(seed);
  const program = join(import.meta.dirname, "kill-child.ts");
  const args = [program, description, file, String(seed)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const begun = performance.now();
  let out = "";
  let err = "";
  let heard = (): void => {};
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    heard();
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const closed = new Promise<NodeJS.Signals | null>((resolve) => child.on("close", (_, signal) => resolve(signal)));
  const said = (text: string, times: number): Promise<void> =>
    new Promise((resolve) => {
      heard = () => void (out.split(text).length > times && resolve());
      heard();
      void closed.then(() => resolve());
    });
  if (next(4) === 0) await sleep((next(1000) / 1000) * startMs);
  else {
    await said("ready", 1);
    startMs = performance.now() - begun;
    await said("ack", next(LONGEST));
    await sleep(next(10));
  }
  child.kill("SIGKILL");
  expect(await closed, `seed ${seed}: ${err}`).toBe("SIGKILL");
  return follow(out, model, `seed ${seed}`);
}

function follow(out: string, model: Model, where: string): number {
  let acknowledged = 0;
  for (const line of out.slice(0, out.lastIndexOf("\n") + 1).split("\n")) {
    const [what, key = 0, change = 0] = line.split(" ").map((word, i) => (i === 0 ? word : Number(word))) as [
      string,
      number,
      number,
    ];
    const may = model.get(key) ?? new Set([0]);
    if (what === "has") expect([...may], `${where}: key ${key}`).toContain(change);
    if (what === "has" || what === "ack") model.set(key, new Set([change]));
    if (what === "try") model.set(key, new Set([...may, change]));
    if (what === "ack") acknowledged++;
  }
  return acknowledged;
}

test(`${ROUNDS} rounds: no acknowledged change is lost`, { timeout: 1_800_000 }, async () => {
  const lives = async (disk: number): Promise<number> => {
    const model: Model = new Map();
    let acknowledged = 0;
    for (let i = disk; i < ROUNDS; i += DISKS)
      acknowledged += await round(join(folder, `disk-${disk}`), SEED * 1_000_003 + i, model);
    return acknowledged;
  };
  const counts = await Promise.all(Array.from({ length: DISKS }, (_, disk) => lives(disk)));
  const acknowledged = counts.reduce((a, b) => a + b, 0);
  process.stdout.write(`seed ${SEED}: ${ROUNDS} kills, ${acknowledged} changes acknowledged\n`);
  expect(acknowledged).toBeGreaterThan(ROUNDS);
});
