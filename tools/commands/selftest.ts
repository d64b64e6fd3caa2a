/**
 * selftest BDF | BACKEND: drives a device through the steps of its specification, PASS or FAIL each; only reads.
 *
 *   --output FILE   writes the report there too, as JSON
 *   --json          one JSON object
 *   --root DIR      another tree than / (only what is in the device's way is looked up there)
 *
 * The device is reset, before and after; no data and no lasting setting is changed. A real device has to be bound to
 * vfio-pci first (`bind`), and no system may use it. Exit code 1 when a step failed.
 *
 *   sudo npm run samara -- selftest 0000:04:00.0
 *   npm run samara -- selftest model:nvme
 */
import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { DeviceSet } from "#drivers/backends.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { formatId } from "../pci/list.ts";
import { selfTest, type StepResult } from "../device/selftest.ts";
import type { Arguments, Command } from "../lib/command.ts";
import { show } from "../lib/remote.ts";
import { paint } from "../lib/terminal.ts";
import { buildNative } from "../native/build.ts";
import { fullAddress, readFunction } from "../pci/functions.ts";
import { PciError } from "../pci/machine.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";
import { machineObstacles, obstacles } from "../pci/rules.ts";

/** A back end's name: the argument, or that of a real device which nothing stands in the way of. */
function backendOf(args: Arguments): string {
  const [wanted = ""] = args.positionals;
  if (/^[a-z][a-z-]*:/.test(wanted) && !/^[0-9a-f]+:/i.test(wanted)) return wanted;
  const machine = machineOf(args);
  const device = readFunction(machine, fullAddress(wanted));
  const inWay = [...machineObstacles(machine), ...obstacles(machine, device)];
  if (inWay.length === 0) return `vfio:${device.address}`;
  const lines = inWay.map(({ what, help }) => (help === null ? what : `${what}; ${help}`));
  throw new PciError(`${device.address} cannot be used yet:\n  ${lines.join("\n  ")}`);
}

const COLOURS = { PASS: "green", FAIL: "red", SKIP: "yellow" } as const;

function format({ section, name, result, detail }: StepResult): string {
  return `${paint(COLOURS[result], result)}  ${section.padEnd(9)} ${name.padEnd(52)} ${detail}`;
}

export const command: Command = {
  options: { ...MACHINE_OPTIONS, json: { type: "boolean" }, output: { type: "string" } },
  positionals: [1, 1],
  run: async (args) => {
    const native = () => loadNative(buildNative((line) => void process.stderr.write(`${line}\n`)));
    const set = new DeviceSet({ native });
    let backend;
    try {
      backend = set.make({ name: "device", backend: backendOf(args), options: {} });
    } catch (error) {
      if (error instanceof PciError) throw error;
      throw new PciError((error as Error).message);
    }
    const text = args.options.json !== true;
    if (text) process.stdout.write(`${backend.name}, ${formatId(backend.identity)}, NVM Express 1.4\n`);
    const done = await selfTest(backend, (step) => void (text && process.stdout.write(`${format(step)}\n`)));
    const report = { ...done, date: new Date().toISOString(), system: `Linux ${release()}` };
    const { output } = args.options;
    if (typeof output === "string") writeFileSync(output, `${JSON.stringify(report, null, 2)}\n`);
    const count = (result: StepResult["result"]): number => done.steps.filter((s) => s.result === result).length;
    show(report, args, () => `${count("PASS")} passed, ${count("FAIL")} failed, ${count("SKIP")} skipped`);
    return count("PASS") === done.steps.length ? 0 : 1;
  },
};
