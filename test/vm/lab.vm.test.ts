/**
 * The VM lab itself: guests boot, say what happened, and leave nothing behind.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../../tools/lib/paths.ts";
import { bdf, nvme } from "../../tools/vm/devices.ts";
import { Guest } from "../../tools/vm/guest.ts";
import { LAB, MIB, Workspace, describeVm } from "./support.ts";

/** Ids of all processes whose command line names `text`. */
function processes(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(what: string, holds: () => boolean, ms = 60_000): Promise<void> {
  for (const end = Date.now() + ms; !holds();) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describeVm("a guest", () => {
  const files = new Workspace();
  const slot = 4;
  let guest: Guest;

  beforeAll(async () => {
    guest = await Guest.boot(LAB, { devices: [nvme({ slot, file: files.image("disk", 8 * MIB), serial: "LAB,1" })] });
  });
  afterAll(async () => {
    await guest?.close();
    files.remove();
  });

  test("runs commands, several at once, and gives back their output and status", async () => {
    const outcomes = await Promise.all([
      guest.run("echo one; exit 3"),
      guest.run("echo two >&2"),
      guest.run("kill $$"),
    ]);
    expect(outcomes).toEqual([
      { status: 3, output: "one\n" },
      { status: 0, output: "two\n" },
      { status: 143, output: "Terminated\n" },
    ]);
    await expect(guest.must("echo before; false; echo after")).rejects.toThrow(/status 1 from[^]*before\n$/);
  });

  test("has the pinned Node, the repository, and an IOMMU group for each function", async () => {
    expect(await guest.must("node -p process.version")).toBe(`${process.version}\n`);
    expect(await guest.must("cat package.json")).toBe(readFileSync(join(ROOT, "package.json"), "utf8"));
    const group = await guest.must(`ls /sys/bus/pci/devices/${bdf(slot)}/iommu_group/devices`);
    expect(group).toBe(`${bdf(slot)}\n`);
    expect(await guest.must("cat /sys/class/nvme/nvme0/serial")).toMatch(/^LAB,1\s*$/);
  });

  test("vfio-pci takes a device over", async () => {
    await guest.must(`. tools/vm/guest/vfio.sh; vfio ${bdf(slot)}`);
    const group = await guest.must(`basename $(readlink /sys/bus/pci/devices/${bdf(slot)}/iommu_group)`);
    expect((await guest.must("ls /dev/vfio")).split("\n")).toContain(group.trim());
    expect(await guest.must("ls /sys/class/nvme")).toBe("");
  });

  test("changes nothing of the repository, and shares one folder", async () => {
    await guest.must("echo x > build/of-a-guest");
    expect(existsSync(join(ROOT, "build/of-a-guest"))).toBe(false);
    expect((await guest.run("echo x > package.json")).output).toContain("Read-only file system");
    writeFileSync(join(guest.shared, "from-the-host"), "here");
    expect(await guest.must("cat /lab/from-the-host; echo there > /lab/from-the-guest")).toBe("here");
    expect(readFileSync(join(guest.shared, "from-the-guest"), "utf8")).toBe("there\n");
  });

  test("a job hears Ctrl-C", async () => {
    const job = guest.start("echo pid $$; sleep 100");
    const pid = (await job.printed(/pid (\d+)/))[1];
    await guest.must(`kill -INT -${pid}`);
    expect(await job.ended()).toMatchObject({ status: 130 });
  });

  test("who takes too long is named with what it printed", async () => {
    const job = guest.start("echo busy; sleep 100");
    await job.printed(/busy/);
    await expect(job.ended(100)).rejects.toThrow(/still running after 0.1 s; it printed:\nbusy/);
    await expect(guest.start("echo nothing").printed(/something/)).rejects.toThrow(
      /ended without printing.*\nnothing/s,
    );
  });

  test("a guest that dies ends its commands, with its console's last words", async () => {
    const job = guest.start("echo 'last words' > /dev/ttyS0; busybox poweroff -f; sleep 100");
    await expect(job.ended()).rejects.toThrow(/(QEMU|the guest) ended[^]*last words/);
    await expect(guest.run("true")).rejects.toThrow(/the guest has ended/);
  });
});

describeVm("nothing is left", () => {
  const runners: number[] = [];

  test("of a guest whose QEMU refuses its arguments; the error says why", async () => {
    const device = { slot: 4, args: ["-device", "no-such-device"] };
    await expect(Guest.boot(LAB, { devices: [device] })).rejects.toThrow(/QEMU ended[^]*no-such-device/);
  });

  test.each(["SIGKILL", "SIGINT"] as const)("when %s ends who started it", async (signal) => {
    const marker = `marker-${process.pid}-${signal}`;
    const args = ["tools/vm/run.ts", "--", "echo", "up", "$((40 + 2));", "sleep", "100", `# ${marker}`];
    const runner = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    runners.push(runner.pid!);
    let printed = "";
    runner.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    await until("the guest's first words", () => printed.includes("up 42"), 120_000);
    const dir = `samara-vm-${runner.pid}-`;
    expect(processes(dir).length).toBeGreaterThanOrEqual(5);
    runner.kill(signal);
    await until("the end of QEMU and virtiofsd", () => processes(dir).length === 0);
  });

  test("of folders of those that were killed, once another guest was booted", async () => {
    await using another = await Guest.boot(LAB);
    expect(await another.must("echo up")).toBe("up\n");
    const left = readdirSync(tmpdir()).filter((name) => runners.some((pid) => name.startsWith(`samara-vm-${pid}-`)));
    expect(left).toEqual([]);
  });
});
