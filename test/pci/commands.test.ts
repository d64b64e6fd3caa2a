/**
 * devices, bind and unbind as they are typed, on a machine on paper.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "#tools/lib/paths.ts";
import { samara } from "../support/process.ts";
import { PaperMachine } from "./host.ts";

const A = "0000:00:04.0";
const B = "0000:00:05.0";

let host: PaperMachine;
beforeAll(() => {
  host = new PaperMachine();
  host.function(A, { driver: "nvme" });
  host.disk(A, "nvme0n1");
  host.function(B, { driver: "nvme" });
  host.disk(B, "nvme1n1", { below: "nvme/nvme1" });
  host.file("/proc/self/mountinfo", "29 1 259:1 / / rw - ext4 /dev/nvme1n1 rw\n");
  host.file(
    "/usr/share/misc/pci.ids",
    "# test\n\n1af4  Red Hat, Inc.\n\t0010  wrong\n1b36  Red Hat, Inc.\n\t0008  bridge\n\t0010  QEMU NVM Express Controller\n",
  );
});
afterAll(() => host.remove());

async function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  const cli = samara(ROOT, ...args, "--root", host.root);
  const code = await cli.exit();
  return { code, output: cli.output };
}

test("devices shows what there is, and one JSON object", async () => {
  const { code, output } = await run("devices");
  expect({ code, output }).toEqual({
    code: 0,
    output: `\
${A}  NVMe controller 1b36:0010 Red Hat, Inc. QEMU NVM Express Controller
    driver nvme, group 0, BAR0 16 KiB, nvme0n1
    it is bound to another driver, nvme
      sudo npm run samara -- bind ${A}
${B}  NVMe controller 1b36:0010 Red Hat, Inc. QEMU NVM Express Controller
    driver nvme, group 1, BAR0 16 KiB, nvme1n1
    nvme1n1 is mounted at /
`,
  });
  const json = await run("devices", "--json");
  expect(JSON.parse(json.output)).toMatchObject({ lacks: [], real: [{ address: A, group: 0 }, { address: B }] });
});

test("bind --dry-run prints each write; a refusal and a mistake are one message", async () => {
  expect(await run("bind", "04:00.0", "--dry-run")).toEqual({
    code: 1,
    output: "samara: there is no PCI function 0000:04:00.0; `npm run samara -- devices` lists them\n",
  });
  expect(await run("bind", "00:04.0", "--dry-run")).toEqual({
    code: 0,
    output: `\
echo vfio-pci > /sys/bus/pci/devices/${A}/driver_override
echo ${A} > /sys/bus/pci/drivers/nvme/unbind
echo ${A} > /sys/bus/pci/drivers_probe
`,
  });
  expect(await run("bind", B)).toEqual({ code: 1, output: `samara: refused:\n  ${B}: nvme1n1 is mounted at /\n` });
  expect(await run("bind", "nvme0")).toEqual({
    code: 1,
    output: 'samara: "nvme0" is no PCI address; write it like 0000:04:00.0\n',
  });
  expect(await run("unbind")).toEqual({ code: 2, output: "samara: unbind: write: unbind BDF, or: unbind --all\n" });
  expect(await run("unbind", A)).toEqual({ code: 1, output: `samara: ${A} is not vfio-pci's (driver: nvme)\n` });
  expect(await run("unbind", "--all")).toEqual({ code: 0, output: "nothing is left to give back\n" });
});
