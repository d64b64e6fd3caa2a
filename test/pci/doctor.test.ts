/**
 * Each thing that `doctor` looks at: as it should be, and lacking, with the fix.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "#tools/lib/paths.ts";
import { bind } from "#tools/pci/bind.ts";
import { examine, type Finding } from "#tools/pci/doctor.ts";
import { samara } from "../support/process.ts";
import { PaperMachine } from "./host.ts";

let host: PaperMachine;
beforeEach(() => {
  host = new PaperMachine();
});
afterEach(() => host.remove());

const find = (name: string): Finding => examine(host).find((finding) => finding.name.startsWith(name))!;

function limits(addressSpace: string, memlock: string): void {
  host.file(
    "/proc/self/limits",
    `Limit                     Soft Limit           Hard Limit           Units     \n` +
      `Max locked memory         ${memlock.padEnd(20)} unlimited            bytes     \n` +
      `Max address space         ${addressSpace.padEnd(20)} unlimited            bytes     \n`,
  );
}

test("a machine that shows nothing gets answers, and no errors", () => {
  host.delete("/proc");
  host.delete("/sys");
  const findings = examine(host);
  // Whether there is a native library depends on the machine of the tests.
  const lacking = findings.filter(({ ok, name }) => !ok && name !== "native library");
  expect(lacking.map(({ name }) => name)).toEqual(["IOMMU", "vfio modules", "hugepages"]);
});

describe("each finding", () => {
  test("address space", () => {
    limits("unlimited", "8388608");
    expect(find("address space")).toMatchObject({ ok: true, state: "unlimited", fix: null, for: "everything" });
    limits("4294967296", "8388608");
    expect(find("address space")).toMatchObject({
      ok: false,
      state: "limited to 4096 MiB; each memory of a domain reserves 8 GiB of it",
      fix: "ulimit -v unlimited",
    });
  });
  test("locked memory, which does not bind who has CAP_IPC_LOCK", () => {
    limits("unlimited", "8388608");
    expect(find("locked memory")).toMatchObject({ ok: false, state: "8 MiB; arenas need 64 MiB" });
    expect(find("locked memory").fix).toContain("/etc/security/limits.d/samara.conf");
    host.file("/proc/self/status", "Name:\tnode\nCapEff:\t0000000000004000\n");
    expect(find("locked memory")).toMatchObject({ ok: true, state: "8 MiB, which does not bind this user", fix: null });
    host.file("/proc/self/status", "Name:\tnode\nCapEff:\t0000000000000000\n");
    limits("unlimited", "unlimited");
    expect(find("locked memory")).toMatchObject({ ok: true, state: "unlimited" });
  });
  test("a journal that cannot be read is one of them", () => {
    host.file("/run/samara/pci.json", "nonsense");
    expect(find("journal")).toMatchObject({ ok: false, state: expect.stringContaining("/run/samara/pci.json") });
    expect(find("address space")).toBeDefined();
  });
  test("vm.max_map_count", () => {
    host.file("/proc/sys/vm/max_map_count", "1000\n");
    expect(find("vm.max_map_count")).toMatchObject({
      ok: false,
      state: "1000; threads and memories take two each",
      fix: "sudo sysctl -w vm.max_map_count=262144",
    });
    host.file("/proc/sys/vm/max_map_count", "65530\n");
    expect(find("vm.max_map_count")).toMatchObject({ ok: true, state: "65530" });
  });
  test("the IOMMU, on each kind of processor", () => {
    expect(find("IOMMU").fix).toContain("&intel_iommu=on iommu=pt ");
    host.file("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\n");
    expect(find("IOMMU").fix).toContain("AMD-Vi");
    host.file("/proc/cpuinfo", "CPU implementer\t: 0x41\n");
    expect(find("IOMMU").fix).toContain("SMMU");
    host.function("0000:00:04.0");
    expect(find("IOMMU")).toMatchObject({ ok: true, state: "on, 1 groups", fix: null });
  });
  test("the modules, and settings of theirs that give safety away", () => {
    expect(find("vfio modules")).toMatchObject({ ok: true, state: "vfio-pci is there" });
    host.delete("/sys/bus/pci/drivers/vfio-pci");
    expect(find("vfio modules")).toMatchObject({ ok: false });
    expect(find("vfio modules").fix).toMatch(/^sudo modprobe vfio-pci && /);
    const file = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
    host.file(file, "N\n");
    expect(find("vfio safety")).toBe(undefined);
    host.file(file, "Y\n");
    expect(find("vfio safety")).toMatchObject({
      state: "interrupts are not remapped: a device can forge them",
      fix: `echo N | sudo tee ${file}`,
    });
  });
  test("/dev/vfio", () => {
    expect(find("/dev/vfio")).toMatchObject({ ok: true });
    host.file("/dev/vfio/7", "");
    host.file("/dev/vfio/devices/vfio0", "");
    expect(find("/dev/vfio/7")).toMatchObject({ ok: true, state: "this user may open it" });
    host.denied.add("/dev/vfio/7");
    expect(find("/dev/vfio/7")).toMatchObject({ ok: false, fix: 'sudo chown "$USER" /dev/vfio/7' });
  });
  test("hugepages", () => {
    host.file(
      "/proc/meminfo",
      "MemTotal: 1 kB\nHugePages_Total:      64\nHugePages_Free:       60\nHugepagesize: 2048 kB\n",
    );
    expect(find("hugepages")).toMatchObject({ ok: true, state: "60 of 64 free, of 2048 KiB each", for: "speed" });
    host.file("/proc/meminfo", "HugePages_Total:       0\n");
    expect(find("hugepages")).toMatchObject({ ok: false, fix: "echo 64 | sudo tee /proc/sys/vm/nr_hugepages" });
  });
  test("what a killed system left", () => {
    host.function("0000:00:04.0", { driver: "nvme" });
    host.disk("0000:00:04.0", "nvme0n1");
    bind(host, ["0000:00:04.0"], { print: () => {}, pid: 4711 });
    expect(find("0000:00:04.0")).toMatchObject({
      ok: false,
      state: "a system that has ended did not give it back to nvme",
      fix: "sudo npm run samara -- unbind --all",
    });
  });
});

test("as it is typed: what lacks for everything is exit code 1", async () => {
  limits("4294967296", "unlimited");
  const cli = samara(ROOT, "doctor", "--root", host.root);
  const code = await cli.exit();
  expect(code).toBe(1);
  expect(cli.output).toMatch(
    /^To run at all:\n {2}LACK {2}address space \(ulimit -v\) {2}limited to 4096 MiB; .*\n {8}ulimit -v unl/,
  );
  limits("unlimited", "unlimited");
  const again = samara(ROOT, "doctor", "--json", "--root", host.root);
  expect(await again.exit()).toBe(0);
  expect(JSON.parse(again.output).findings[0]).toMatchObject({ ok: true });
});
