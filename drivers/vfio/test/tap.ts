/**
 * A program for a network namespace of its own: `node tap.ts NATIVE`. Talks through a TAP interface with the system's
 * own stack, and prints one JSON object of what it saw.
 */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { loadNative } from "../native.ts";
import { FrameBatch, Tap } from "../tap.ts";

const native = loadNative(process.argv[2]!);
const ip = (...args: string[]): void => void execFileSync("ip", args);
const FRAMES = 100;
const ours = Uint8Array.of(0x02, 0, 0, 0, 0, 0x02);
const seen = { name: "", down: "", long: "", datagrams: 0, sizes: 0, batches: 0, most: 0, wakes: 0, back: 0, gone: "" };

const said = (run: () => unknown): string => {
  try {
    return String(run());
  } catch (error) {
    return (error as Error).message;
  }
};

let wake = Promise.withResolvers<void>();
const tap = new Tap(native, "samara%d", () => {
  seen.wakes++;
  wake.resolve();
});
seen.name = tap.name;
const batch = new FrameBatch(16);
const out = new FrameBatch(FRAMES);
out.set(0, new Uint8Array(60));
seen.down = said(() => tap.send(out, 1));
out.lengths[0] = 5_000;
seen.long = said(() => tap.send(out, 1));

ip("addr", "add", "10.99.0.1/24", "dev", tap.name);
ip("link", "set", tap.name, "up");
ip("neigh", "add", "10.99.0.2", "lladdr", "02:00:00:00:00:02", "dev", tap.name);

/** The destination's and the source's address change places, and so do the UDP ports; sums stay right. */
function turned(frame: Uint8Array): Uint8Array {
  const back = frame.slice();
  const exchange = (a: number, b: number, bytes: number): void => {
    back.copyWithin(a, b, b + bytes);
    back.set(frame.subarray(a, a + bytes), b);
  };
  exchange(0, 6, 6);
  exchange(26, 30, 4);
  exchange(34, 36, 2);
  return back;
}

const isOurs = (f: Uint8Array): boolean =>
  f[12] === 8 && f[13] === 0 && f[23] === 17 && ours.every((b, i) => f[i] === b);
const socket = createSocket("udp4");
socket.on("message", (data) => {
  if (data.every((byte) => byte === data.length % 251)) seen.back++;
});
socket.bind(7_000, "10.99.0.1");
await once(socket, "listening");
for (let i = 0; i < FRAMES; i++) socket.send(new Uint8Array(i * 14).fill((i * 14) % 251), 7_000, "10.99.0.2");

while (seen.datagrams < FRAMES) {
  await wake.promise;
  wake = Promise.withResolvers<void>();
  for (let count = batch.lengths.length; count === batch.lengths.length;) {
    count = tap.receive(batch);
    seen.batches++;
    seen.most = Math.max(seen.most, count);
    for (let i = 0; i < count; i++) {
      const frame = batch.frame(i);
      if (!isOurs(frame)) continue;
      seen.sizes += frame.length - 42;
      out.set(seen.datagrams++, turned(frame));
    }
  }
}
for (let sent = 0; sent < FRAMES;) {
  const rest = new FrameBatch(FRAMES - sent);
  for (let i = sent; i < FRAMES; i++) rest.set(i - sent, out.frame(i));
  sent += tap.send(rest, FRAMES - sent);
}
while (seen.back < FRAMES) await once(socket, "message");
socket.close();
tap.close();
seen.gone =
  said(() => execFileSync("ip", ["link", "show", seen.name], { stdio: "pipe" }))
    .split("\n")
    .at(-2) ?? "";
process.stdout.write(JSON.stringify(seen));
