/**
 * The command lines of QEMU and virtiofsd: a machine with an IOMMU, a shared memory and three shared folders.
 *
 * Invariant: QEMU ends with the process that started it, and each virtiofsd with its QEMU, however that process ends.
 */
import { join } from "node:path";
import type { GuestDevice } from "./devices.ts";
import type { Lab } from "./lab.ts";
import { hostProgram } from "./lab.ts";

/** A folder that the guest mounts by its tag. */
export interface Share {
  readonly tag: string;
  readonly dir: string;
  readonly writable: boolean;
  readonly socket: string;
}

export interface Machine {
  readonly processors: number;
  readonly memoryMiB: number;
  readonly devices: readonly GuestDevice[];
  readonly shares: readonly Share[];
  /** Unix socket on which the starter listens for the agent. */
  readonly agent: string;
  /** "tcg", or "kvm" where it works. */
  readonly accelerator: string;
}

/** The kernel's command line. Each word was found to be needed, or to save time under emulation. */
const KERNEL = [
  "console=ttyS0",
  "quiet",
  "panic=-1",
  // An emulated processor may be too slow for the timer check, which then panics.
  "no_timer_check",
  "intel_iommu=on",
  "nokaslr",
  "mitigations=off",
  "lsm=capability",
  "audit=0",
  "nowatchdog",
  "rootfstype=virtiofs",
  "root=root",
  "ro",
  "init=/init",
];

/** What serves one share. */
export function virtiofsd(lab: Lab, share: Share): { file: string; args: readonly string[] } {
  const program = hostProgram(lab, "usr/libexec/virtiofsd");
  // What the guest alone sees to change nothing may cache for ever; the other side looks at the writable one.
  const mode = share.writable ? ["--cache=never"] : ["--readonly", "--cache=always"];
  const where = [`--socket-path=${share.socket}`, `--shared-dir=${share.dir}`, "--sandbox=none", "--log-level=error"];
  return { file: program.file, args: [...program.args, ...where, ...mode] };
}

function accelerator(machine: Machine): string[] {
  if (machine.accelerator === "kvm") return ["-machine", "kernel-irqchip=split", "-accel", "kvm", "-cpu", "host"];
  return ["-accel", "tcg,tb-size=256", "-cpu", "max"];
}

/** The machine. Its first serial line is QEMU's standard output. */
export function qemu(lab: Lab, machine: Machine): { file: string; args: readonly string[] } {
  const program = hostProgram(lab, "usr/bin/qemu-system-x86_64");
  const firmware = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];
  const shares = machine.shares.map(({ tag, socket }, i) => [
    "-chardev",
    `socket,id=share${i},path=${socket}`,
    "-device",
    `vhost-user-fs-pci,chardev=share${i},tag=${tag},addr=1e.${i},multifunction=on`,
  ]);
  const args: readonly (readonly string[])[] = [
    ...firmware.map((dir) => ["-L", join(lab.host, dir)]),
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"],
    ["-run-with", "exit-with-parent=on"],
    // Shared: virtiofsd and servers of vfio-user reach it.
    ["-object", `memory-backend-memfd,id=memory,size=${machine.memoryMiB}M,share=on`],
    ["-M", "q35,sata=off,smbus=off,usb=off,hpet=off,vmport=off,memory-backend=memory", ...accelerator(machine)],
    ["-m", String(machine.memoryMiB), "-smp", String(machine.processors)],
    ["-device", "intel-iommu,intremap=on,caching-mode=on", "-device", "virtio-rng-pci,addr=3"],
    ["-device", "virtio-serial-pci,addr=2", "-chardev", `socket,id=agent,path=${machine.agent}`],
    ["-device", "virtserialport,chardev=agent,name=agent"],
    ["-kernel", lab.kernel, "-append", KERNEL.join(" ")],
    ...shares,
    ...machine.devices.map((device) => device.args),
  ];
  return { file: program.file, args: [...program.args, ...args.flat()] };
}
