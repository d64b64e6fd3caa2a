/**
 * `node tools/vm/run.ts [options] [-- COMMAND…]`: boots a guest, runs a command or script in it, and ends it.
 *
 *     --nvme FILE[,SERIAL]    QEMU's NVMe controller on this image, in the next free slot from 4; can be repeated
 *     --vfio-user SOCKET      a device that another process serves; can be repeated
 *     --qemu ARGUMENT         goes to QEMU as it is; can be repeated
 *     --vfio                  hands the devices above to vfio-pci first
 *     --processors N          default 1
 *     --memory MIB            default 1024
 *     --seconds N             how long the command may take; default 120
 *     --help
 *
 * The command runs in the root of the repository, which the guest sees as /samara; without one, the guest lists its
 * devices. Prints what the command prints, while it prints it, and exits with its status.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { GuestDevice } from "./devices.ts";
import { bdf, nvme, vfioUser } from "./devices.ts";
import type { GuestJob } from "./guest.ts";
import { Guest } from "./guest.ts";
import { LabError } from "./lab.ts";
import { setup } from "./setup.ts";

const FIRST_SLOT = 4;
const SHOW_MS = 100;
const LIST = "for d in /sys/bus/pci/devices/*; do echo ${d##*/} $(cat $d/vendor $d/device $d/class); done";

const OPTIONS = {
  nvme: { type: "string", multiple: true },
  "vfio-user": { type: "string", multiple: true },
  qemu: { type: "string", multiple: true },
  vfio: { type: "boolean" },
  processors: { type: "string" },
  memory: { type: "string" },
  seconds: { type: "string" },
  help: { type: "boolean" },
} as const;

function positive(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new LabError(`--${name} must be a whole number above 0, is "${text}"`);
}

function existing(path: string): string {
  if (existsSync(path)) return resolve(path);
  throw new LabError(`${path} does not exist`);
}

/** Prints what comes while it comes. @returns the status. */
async function follow(job: GuestJob, ms: number): Promise<number> {
  let shown = 0;
  const show = (): void => {
    const output = job.output();
    process.stdout.write(output.slice(shown));
    shown = output.length;
  };
  const timer = setInterval(show, SHOW_MS);
  try {
    const { status } = await job.ended(ms);
    return status;
  } finally {
    clearInterval(timer);
    show();
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  if (values.help === true) {
    const [, comment] = /^\/\*\*\n([^]*?)\n \*\//.exec(readFileSync(import.meta.filename, "utf8"))!;
    process.stdout.write(`${comment!.replaceAll(/^ \* ?/gm, "")}\n`);
    return 0;
  }
  let slot = FIRST_SLOT;
  const devices: GuestDevice[] = (values.nvme ?? []).map((text) => {
    const [file, serial = `SAMARA${slot}`] = text.split(",");
    return nvme({ slot: slot++, file: existing(file!), serial });
  });
  for (const socket of values["vfio-user"] ?? []) devices.push(vfioUser(slot++, existing(socket)));
  const bind =
    values.vfio === true ? `. tools/vm/guest/vfio.sh\nvfio ${devices.map((d) => bdf(d.slot)).join(" ")}\n` : "";
  if (values.qemu !== undefined) devices.push({ slot, args: values.qemu });
  const options = {
    devices,
    processors: positive("processors", values.processors, 1),
    memoryMiB: positive("memory", values.memory, 1024),
  };
  const ms = positive("seconds", values.seconds, 120) * 1000;
  const lab = await setup((line) => process.stderr.write(`${line}\n`));
  await using guest = await Guest.boot(lab, options);
  const interrupted = new Promise<number>((end) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => end(130));
  });
  const command = positionals.length === 0 ? LIST : positionals.join(" ");
  return await Promise.race([follow(guest.start(bind + command), ms), interrupted]);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS") === true;
  if (!usage && !(error instanceof LabError)) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = usage ? 2 : 1;
}
