/**
 * The guard: devices come back in whatever way the process that has them ends.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readJournal } from "#tools/pci/journal.ts";
import { keep } from "#tools/pci/guard.ts";
import { Machine } from "#tools/pci/machine.ts";
import { ROOT } from "#tools/lib/paths.ts";
import { Conversation } from "../support/process.ts";
import { PaperMachine } from "./host.ts";

const ADDRESS = "0000:00:05.0";

test.each(["release", "exit", "throw", "abort", "SIGKILL", "SIGINT to all of the terminal"])("%s", async (how) => {
  const args = ["--disable-warning=ExperimentalWarning", "test/pci/guard-child.ts", how];
  const child = new Conversation(process.execPath, args, ROOT, process.env, true);
  const [, root, taken] = await child.expect(/^(\S+) (\S+)\n/m);
  expect(taken).toBe(ADDRESS);
  if (how === "SIGKILL") void child.kill();
  if (how.startsWith("SIGINT")) void child.interrupt();
  await child.exit();
  const machine = new Machine(root!);
  try {
    await expect.poll(() => readJournal(machine), { timeout: 20_000 }).toEqual([]);
    const bus = join(root!, "sys/bus/pci");
    expect(readFileSync(join(bus, "drivers/vfio-pci/unbind"), "utf8")).toBe(`${ADDRESS}\n`);
    expect(readFileSync(join(bus, "devices", ADDRESS, "driver_override"), "utf8")).toBe("\n");
  } finally {
    rmSync(root!, { recursive: true });
  }
});

test("a device that is refused leaves no guard, no journal and no write", async () => {
  const host = new PaperMachine();
  try {
    host.function(ADDRESS, { driver: "nvme" });
    host.disk(ADDRESS, "nvme0n1");
    host.file("/proc/self/mountinfo", "29 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n");
    await expect(keep(host, [ADDRESS], () => {})).rejects.toThrow(`${ADDRESS}: nvme0n1 is mounted at /`);
    expect({ written: host.written, journal: existsSync(host.path("/run")) }).toEqual({ written: [], journal: false });
  } finally {
    host.remove();
  }
});
