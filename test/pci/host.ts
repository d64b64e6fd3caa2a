/**
 * A machine on paper: a tree with /sys, /proc and /dev as Linux lays them out, for the tests of tools/pci.
 *
 * Invariant: nothing here reaches the real /sys. What the kernel does when a file of the PCI bus is written (drivers let
 * go and take) is done on the tree.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { Machine, PciError, type Claim, type Outcome } from "#tools/pci/machine.ts";

const BUS = "/sys/bus/pci";
const ROOT_PORT = "/sys/devices/pci0000:00";

export interface FunctionOptions {
  readonly class?: number;
  readonly vendor?: number;
  readonly device?: number;
  readonly driver?: string;
  /** Null: none. Default: one of its own. */
  readonly group?: number | null;
  readonly header?: number;
}

export interface DiskOptions {
  readonly bytes?: number;
  readonly partitions?: number;
  /** Folder of the controller below the function, such as `nvme/nvme0`. */
  readonly below?: string;
}

export class PaperMachine extends Machine {
  /** Every write, as `text > path`. */
  readonly written: string[] = [];
  readonly busy = new Set<string>();
  /** Files that this user may not open. */
  readonly denied = new Set<string>();
  /** Drivers that refuse every device. */
  readonly unwilling = new Set<string>();
  /** Answers of programs by name; null: there is none. Others run for real. */
  readonly programs = new Map<string, Outcome | null>();
  #groups = 0;
  #minor = 0;

  constructor(env: NodeJS.ProcessEnv = { PATH: process.env.PATH }) {
    super(mkdtempSync(join(tmpdir(), "samara-pci-")), env);
    this.file("/proc/sys/kernel/random/boot_id", "11111111-2222");
    this.file("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    for (const folder of ["drivers", "devices"]) this.folder(`${BUS}/${folder}`);
    this.file(`${BUS}/drivers_probe`, "");
    this.driver("vfio-pci");
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  folder(path: string): void {
    mkdirSync(this.path(path), { recursive: true });
  }

  file(path: string, text: string | Uint8Array): void {
    this.folder(dirname(path));
    writeFileSync(this.path(path), text);
  }

  symlink(path: string, to: string): void {
    this.folder(dirname(path));
    symlinkSync(relative(dirname(path), to), this.path(path));
  }

  delete(path: string): void {
    rmSync(this.path(path), { recursive: true });
  }

  driver(name: string): void {
    this.folder(`${BUS}/drivers/${name}`);
    for (const file of ["bind", "unbind"]) this.file(`${BUS}/drivers/${name}/${file}`, "");
  }

  /** A PCI function, with its links from the bus and from its IOMMU group. */
  function(address: string, options: FunctionOptions = {}): string {
    const path = `${ROOT_PORT}/${address}`;
    const { driver, group = this.#groups++ } = options;
    const hex = (n: number, digits: number): string => `0x${n.toString(16).padStart(digits, "0")}\n`;
    this.file(`${path}/class`, hex(options.class ?? 0x010802, 6));
    this.file(`${path}/vendor`, hex(options.vendor ?? 0x1b36, 4));
    this.file(`${path}/device`, hex(options.device ?? 0x0010, 4));
    this.file(`${path}/numa_node`, "-1\n");
    this.file(`${path}/driver_override`, "(null)\n");
    this.file(`${path}/resource`, "0x00000000fe000000 0x00000000fe003fff 0x0000000000140204\n");
    const config = new Uint8Array(64);
    config[0x0e] = options.header ?? 0;
    this.file(`${path}/config`, config);
    this.symlink(`${BUS}/devices/${address}`, path);
    if (group !== null) {
      this.symlink(`/sys/kernel/iommu_groups/${group}/devices/${address}`, path);
      this.symlink(`${path}/iommu_group`, `/sys/kernel/iommu_groups/${group}`);
    }
    if (driver !== undefined) {
      this.driver(driver);
      this.symlink(`${path}/driver`, `${BUS}/drivers/${driver}`);
    }
    return path;
  }

  #block(name: string, path: string, bytes: number): void {
    this.file(`${path}/dev`, `259:${this.#minor++}\n`);
    this.file(`${path}/size`, `${bytes / 512}\n`);
    this.folder(`${path}/holders`);
    this.symlink(`/sys/class/block/${name}`, path);
    this.file(`/dev/${name}`, "");
    truncateSync(this.path(`/dev/${name}`), bytes);
  }

  /** A disk of a function, empty. */
  disk(
    address: string,
    name: string,
    { bytes = 1 << 20, partitions = 0, below = "nvme/nvme0" }: DiskOptions = {},
  ): void {
    const path = `${ROOT_PORT}/${address}/${below}/${name}`;
    this.#block(name, path, bytes);
    for (let n = 1; n <= partitions; n++) {
      this.#block(`${name}p${n}`, `${path}/${name}p${n}`, bytes);
      this.file(`${path}/${name}p${n}/partition`, `${n}\n`);
    }
  }

  /** Something built on a disk or partition: `md0`, `dm-0`, … */
  holder(of: string, name: string, files: Readonly<Record<string, string>> = {}): void {
    const path = `/sys/devices/virtual/block/${name}`;
    if (!this.exists(path)) this.#block(name, path, 0);
    for (const [file, text] of Object.entries(files)) this.file(`${path}/${file}`, `${text}\n`);
    this.symlink(`${this.real(`/sys/class/block/${of}`)}/holders/${name}`, path);
  }

  /** A network interface: of a function, or without one (a bond, a bridge, …) over others. */
  interface(name: string, address: string | null, lower: readonly string[] = []): void {
    const path = address === null ? `/sys/devices/virtual/net/${name}` : `${ROOT_PORT}/${address}/net/${name}`;
    this.folder(path);
    if (address !== null) this.symlink(`${path}/device`, `${ROOT_PORT}/${address}`);
    this.symlink(`/sys/class/net/${name}`, path);
    for (const each of lower) this.symlink(`${path}/lower_${each}`, this.real(`/sys/class/net/${each}`)!);
  }

  /** IPv4 routes as /proc/net/route has them: `interface destination/length`. */
  routes(...routes: readonly string[]): void {
    const word = (bytes: readonly number[]): string =>
      bytes
        .toReversed()
        .map((b) => b.toString(16).padStart(2, "0"))
        .join("")
        .toUpperCase();
    const lines = routes.map((route) => {
      const [, name, address, length] = /^(\S+) ([\d.]+)\/(\d+)$/.exec(route)!;
      const bits = "1".repeat(Number(length)).padEnd(32, "0").match(/.{8}/g)!;
      const mask = bits.map((b) => Number.parseInt(b, 2));
      return `${name}\t${word(address!.split(".").map(Number))}\t00000000\t0001\t0\t0\t0\t${word(mask)}\t0\t0\t0`;
    });
    this.file("/proc/net/route", `Iface\tDestination\tGateway\n${lines.join("\n")}\n`);
  }

  override claim(path: string): Claim {
    return this.busy.has(path) ? "busy" : super.claim(path);
  }

  override usable(path: string): boolean {
    return !this.denied.has(path) && super.usable(path);
  }

  override run(program: string, args: readonly string[]): Outcome | null {
    const answer = this.programs.get(program);
    return answer === undefined ? super.run(program, args) : answer;
  }

  /** What the kernel does when this file is written. */
  override write(path: string, text: string): void {
    super.write(path, text);
    this.written.push(`${text} > ${path}`);
    const [, driver, action] = /\/drivers\/([^/]+)\/(bind|unbind)$/.exec(path) ?? [];
    if (action === "unbind") this.delete(`${BUS}/devices/${text}/driver`);
    else if (action === "bind") this.#attach(text, driver!);
    else if (path.endsWith("/drivers_probe")) {
      const override = this.read(`${BUS}/devices/${text}/driver_override`);
      if (override !== null && !["", "(null)"].includes(override)) this.#attach(text, override);
      else if (this.read(`${BUS}/devices/${text}/class`) === "0x010802") this.#attach(text, "nvme");
    }
  }

  #attach(address: string, driver: string): void {
    const link = `${BUS}/devices/${address}/driver`;
    if (this.unwilling.has(driver)) return;
    if (this.exists(link)) throw new PciError(`${address} has a driver`);
    this.driver(driver);
    this.symlink(`${this.real(`${BUS}/devices/${address}`)}/driver`, `${BUS}/drivers/${driver}`);
  }
}
