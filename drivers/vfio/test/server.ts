/**
 * A process that serves a CopyDevice: `node server.ts NATIVE SOCKET`. Says "ready" on its channel, then each note.
 */
import { loadNative } from "../native.ts";
import { serveModel } from "../serve.ts";
import { CopyDevice } from "./device.ts";

const [file, path] = process.argv.slice(2);
const end = new AbortController();
process.on("disconnect", () => end.abort());
process.on("SIGTERM", () => end.abort());
await serveModel({
  native: loadNative(file!),
  path: path!,
  make: (host) => new CopyDevice(host),
  note: (text) => process.send?.(text),
  ready: () => process.send?.("ready"),
  signal: end.signal,
});
process.disconnect?.();
