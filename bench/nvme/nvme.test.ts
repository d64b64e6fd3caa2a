/**
 * The NVMe benchmark moves real data through driver and model in every place, splits the time where it says, and has a
 * row for peers that are not there. No time is looked at.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { caseName } from "../lib/queue-load.ts";
import { measureNvme } from "./nvme.ts";
import { FsPeer } from "./peers.ts";

it("measures each place, the model apart, and what a request takes", async () => {
  const only = ["write-seq-qd32-linked", "read-seq-qd32-domain", "read-seq-qd32-shadow", "peer-fs-read-rand-qd1"];
  const { cases, samples } = await measureNvme(parseOptions(["nvme", "--rounds", "2", "--only", only.join(",")]), null);
  expect(cases.map((c) => [c.case, c.unit])).toEqual([
    ["write-seq-qd32-linked", "IOPS"],
    ["read-seq-qd32-domain", "IOPS"],
    ["read-seq-qd32-model", "ns"],
    ["read-seq-qd32-shadow", "IOPS"],
    ["peer-fs-read-rand-qd1", "IOPS"],
  ]);
  expect(cases.every((c) => c.value !== null && c.value > 0)).toBe(true);
  // Batches of 32: a doorbell for each queue of the pair, and no register is read.
  const [sample] = samples[1]!.samples as unknown as { mmioReads: number; mmioWrites: number }[];
  expect(sample!.mmioReads).toBe(0);
  expect(sample!.mmioWrites).toBeLessThan(0.1);
  expect(cases[3]!.note).toMatch(/% over read-seq-qd32-domain/);
});

it("Node's fs reads and writes the whole file, with calls in flight", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samara-peer-"));
  const path = join(folder, "file");
  writeFileSync(path, Buffer.alloc(16 * 4096));
  const peer = new FsPeer(path, 4);
  await peer.run({ operation: "write", pattern: "seq", depth: 4, batch: 4 }, 33);
  peer.runSync({ operation: "read", pattern: "rand", depth: 1, batch: 1 }, 10);
  peer.close();
  rmSync(folder, { recursive: true });
});

it("names cases by depth, and by batch where it is not the largest", () => {
  const shape = { operation: "read", pattern: "rand" } as const;
  expect(caseName({ ...shape, depth: 1, batch: 1 })).toBe("read-rand-qd1");
  expect(caseName({ ...shape, depth: 128, batch: 32 })).toBe("read-rand-qd128");
  expect(caseName({ ...shape, depth: 32, batch: 1 })).toBe("read-rand-qd32-b1");
});
