/**
 * TAP interfaces against the system's own network stack, in a network namespace of their own.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../tools/lib/paths.ts";
import { buildNative, nativeMissing } from "../../tools/native/build.ts";
import { loadNative } from "./native.ts";
import { FrameBatch, Tap } from "./tap.ts";

const missing = nativeMissing();
/** Root in a namespace where TAP interfaces can be made. */
const able =
  missing === null && spawnSync("unshare", ["--net", "ip", "tuntap", "add", "t0", "mode", "tap"]).status === 0;

test.skipIf(!able)("a hundred datagrams through a TAP interface and back, in batches", () => {
  const program = join(ROOT, "drivers/vfio/test/tap.ts");
  const args = ["--net", process.execPath, program, buildNative()];
  const run = spawnSync("unshare", args, { encoding: "utf8", timeout: 30_000 });
  expect(run.stderr).toBe("");
  const seen = JSON.parse(run.stdout);
  expect(seen).toMatchObject({ datagrams: 100, back: 100, sizes: (14 * 99 * 100) / 2, most: 16 });
  expect(seen.name).toMatch(/^samara\d+$/);
  expect(seen.down).toMatch(/^EIO: samara\d+: frame 0 of 60 bytes: /);
  expect(seen.long).toMatch(/^EINVAL: samara\d+: a frame of 5000 bytes in 2048$/);
  expect(seen.gone).toContain("does not exist");
  // One wake for many frames: the event loop is told again only after all were read.
  expect(seen.wakes).toBeLessThan(seen.batches);
});

test.skipIf(missing !== null)("an interface that cannot be had is named, with the errno", () => {
  const native = loadNative(buildNative());
  expect(() => new Tap(native, "a name that is too long", () => {})).toThrow(
    /^(EINVAL: "a name that is too long": a name has at most 15 bytes|E[A-Z]+: \/dev\/net\/tun: )/,
  );
});

test("a frame that is longer than its place is refused", () => {
  expect(() => new FrameBatch(1, 100).set(0, new Uint8Array(101))).toThrow("a frame of 101 bytes, places have 100");
});
