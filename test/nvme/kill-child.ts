/**
 * A system that stores, until it is killed: what `kill.test.ts` starts. Arguments: description, disk file, seed.
 *
 * It tells each key's value first, then each change before it begins (`try`) and when it was acknowledged (`ack`).
 * Invariant: a line is in the pipe before anything that comes after it, so that a kill takes none back.
 */
import { readFileSync, writeSync } from "node:fs";
import { modelBackend } from "#drivers/models/backend.ts";
import { System, type ResolvedSystem } from "#runtime/node/system.ts";
import { random } from "../recovery/disk.ts";
import type { KeyValueClient } from "../../build/gen/host/key-value.ts";

const KEYS = 12;
const LONGEST = 1500;

interface Description {
  readonly system: ResolvedSystem;
  /** Domain → file of its module. */
  readonly images: Readonly<Record<string, string>>;
  readonly cacheDir: string;
}

const [description = "", file = "", seed = ""] = process.argv.slice(2);
const { system: resolved, images, cacheDir } = JSON.parse(readFileSync(description, "utf8")) as Description;
const next = random(Number(seed));
const tell = (...words: (string | number)[]): void => void writeSync(1, `${words.join(" ")}\n`);

/** Bytes that tell which change they are of, all over. */
function valueOf(change: number): Uint8Array {
  const bytes = new Uint8Array(8 + ((Math.imul(change, 0x9e3779b1) >>> 0) % LONGEST));
  new DataView(bytes.buffer).setUint32(0, change);
  for (let i = 4; i < bytes.length; i++) bytes[i] = (change + i) & 0xff;
  return bytes;
}

function changeOf(value: Uint8Array): number {
  const change = new DataView(value.buffer, value.byteOffset).getUint32(0);
  if (!Buffer.from(valueOf(change)).equals(Buffer.from(value))) throw new Error(`change ${change} has other bytes`);
  return change;
}

const system = await System.boot(resolved, {
  images: new Map(Object.entries(images).map(([name, path]) => [name, { bytes: new Uint8Array(readFileSync(path)) }])),
  devices: ({ backend, options }) => modelBackend(backend, { ...options, file }),
  cacheDir,
});
const store = system.client<KeyValueClient>("kv.store");
let last = 0;
for (let key = 0; key < KEYS; key++) {
  const got = store.get(`key-${key}`);
  if (!got.ok && !("error" in got && got.error === "NotFound")) throw new Error(`key ${key}: ${JSON.stringify(got)}`);
  const change = got.ok ? changeOf(got.value) : 0;
  last = Math.max(last, change);
  tell("has", key, change);
}
tell("ready");
// Numbers of changes that were lost are not used again, so that an old value is told from a new one.
for (let change = last + 1000; ; change++) {
  const key = next(KEYS);
  const deletes = next(8) === 0;
  if (next(25) === 0) system.crash("nvme", "by the test");
  tell("try", key, deletes ? 0 : change);
  const done = deletes ? store.delete(`key-${key}`) : store.put(`key-${key}`, valueOf(change));
  if (!done.ok && !(deletes && "error" in done && done.error === "NotFound"))
    throw new Error(`change ${change}: ${JSON.stringify(done)}`);
  tell("ack", key, deletes ? 0 : change);
  if (change % 4 === 0) await new Promise(setImmediate);
}
