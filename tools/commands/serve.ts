/**
 * serve MODEL SOCKET [KEY=VALUE …]: serves a device model to other processes, over a UNIX socket (vfio-user).
 *
 * MODEL is nvme; KEY=VALUE are its options (drivers/models/nvme/options.ts). One client at a time: QEMU, or a system
 * whose manifest says `backend: "vfio-user:SOCKET"`. A line on the standard input makes a fault happen, such as
 * `lost-completion`. Until Ctrl-C. It needs Linux and Rust (cargo), see `samara native`.
 *
 *   npm run samara -- serve nvme /tmp/nvme.sock file=disk.img bytes=67108864 serial=LAB1
 */
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { createModel, describeModel } from "#drivers/models/create.ts";
import type { ModelOptions } from "#drivers/models/create.ts";
import type { DeviceModel } from "#drivers/models/model.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { serveModel } from "#drivers/vfio/serve.ts";
import { optionValue } from "../device/attach.ts";
import { buildNative } from "../native/build.ts";
import { UsageError, type Command } from "../lib/command.ts";

const MOST_OPTIONS = 32;

function options(pairs: readonly string[]): ModelOptions {
  const entries = pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw new UsageError(`serve: "${pair}" is no KEY=VALUE`);
    return [pair.slice(0, at), optionValue(pair.slice(at + 1))] as const;
  });
  return Object.fromEntries(entries);
}

/** Each line of the standard input is a fault. */
function takeFaults(model: () => DeviceModel | null): () => void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    try {
      if (line.trim() !== "") model()?.inject(line.trim());
    } catch (error) {
      process.stderr.write(`serve: ${(error as Error).message}\n`);
    }
  });
  return () => lines.close();
}

export const command: Command = {
  positionals: [2, MOST_OPTIONS],
  async run({ positionals }) {
    const [name, socket, ...pairs] = positionals;
    const given = options(pairs);
    let about;
    try {
      about = describeModel(name!, given);
    } catch (error) {
      throw new UsageError(`serve: ${(error as Error).message}`);
    }
    const native = loadNative(buildNative((line) => process.stderr.write(`${line}\n`)));
    const end = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
    let model: DeviceModel | null = null;
    const stop = takeFaults(() => model);
    const path = resolve(socket!);
    let serving = false;
    try {
      await serveModel({
        native,
        path,
        make: (host) => (model = createModel(name!, given, host, new Int32Array(about.registerWords))),
        note: (text) => process.stdout.write(`${text}\n`),
        ready: () => {
          serving = true;
          process.stdout.write(`serving ${name} at ${path}\n`);
        },
        signal: end.signal,
      });
    } catch (error) {
      // The socket or the file cannot be had.
      throw serving ? error : new UsageError(`serve: ${(error as Error).message}`);
    } finally {
      stop();
    }
    return 0;
  },
};
