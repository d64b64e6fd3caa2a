/**
 * native: builds the native shim, through which Samara reaches devices by vfio, vfio-user sockets and TAP.
 *
 * It is built by whatever needs it, so there is no need to call this. It needs Rust (cargo) and Linux; without it
 * everything but such devices works. The file is build/native/HASH.node, one for each version of drivers/vfio/native.
 *
 *   npm run samara -- native
 */
import { buildNative } from "../native/build.ts";
import type { Command } from "../lib/command.ts";
import { shown } from "../lib/paths.ts";

export const command: Command = {
  positionals: [0, 0],
  async run() {
    const file = buildNative((line) => process.stderr.write(`${line}\n`));
    process.stdout.write(`${shown(file)}\n`);
    return 0;
  },
};
