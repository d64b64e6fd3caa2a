/**
 * run [SYSTEM]: boots systems/SYSTEM.ts and opens its console.
 *
 * SYSTEM is `default` when none is given; what is stale is built first. The console gives each line to the domain named
 * "shell" (`help` lists its commands), and `@NAME LINE` to the program of another domain. `exit`, Ctrl-D and Ctrl-C end
 * the system. Other commands (ps, top, trace, …) reach it from outside while it runs.
 *
 *   --debug       opens Node's inspector, with the domains' sources (docs/howto/debug.md)
 *   --port N      where it listens (default 9229; 0: any)
 *   --no-ownership-check   what the ownership check finds in what is built is shown, and does not stop it
 *   --hugepages   backs the exchange heap with huge pages, where the system has some
 *   --name NAME   what it is called then (default: the system's name, with a number when that is taken)
 *   --record DEVICE=FILE   writes down all that passes between a device and its driver
 *   --replay DEVICE=FILE   lets a record answer in the device's place; says what the driver did otherwise
 *   --device DEVICE.OPTION=VALUE,…   of a device's back end, such as nvme0.file=/tmp/disk,nvme0.readyMs=0
 *
 *   npm start
 *   npm run samara -- run default
 */
import inspector from "node:inspector";
import { join } from "node:path";
import type { DeviceSet } from "#drivers/backends.ts";
import { Console } from "#runtime/control/console.ts";
import type { ShellClient } from "#runtime/control/console.ts";
import { handlers } from "#runtime/control/handlers.ts";
import { ControlServer } from "#runtime/control/server.ts";
import { consoleService, systemService } from "#runtime/control/services.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, loadSystem, type SystemBuild } from "../build/index.ts";
import { attach, DEVICE_OPTIONS } from "../device/attach.ts";
import { deviceHandlers } from "../device/handlers.ts";
import { sourceMapUrl } from "../debug/source-map.ts";
import { UsageError, type Arguments, type Command } from "../lib/command.ts";
import { OWNERSHIP_OPTION, ownershipOf } from "../lib/ownership.ts";
import { BUILD, ROOT } from "../lib/paths.ts";
import { RUN } from "../lib/remote.ts";
import { backHeap } from "../native/hugepages.ts";
import { paint } from "../lib/terminal.ts";

/** Of devices, what a driver does and the trace shows. */
const QUIET: ReadonlySet<string> = new Set(["opened", "closed", "reset"]);

/** What executes lines in a domain: its first object that is a `Shell`, or null. Clients are made once. */
function programs(system: System): (domain: string) => ShellClient | null {
  const clients = new Map<string, ShellClient>();
  return (domain) => {
    const entry = system.manifest.domains.find((d) => d.name === domain);
    const object = entry?.provides.find((provided) => provided.interface === "Shell");
    if (object === undefined) return null;
    const client = clients.get(domain) ?? system.client<ShellClient>(`${domain}.${object.name}`);
    clients.set(domain, client);
    return client;
  };
}

/** Opens the control socket, under the name that was asked for or the first free one like the system's. */
function listen(system: System, set: DeviceSet, name: string, wanted: string | undefined): Promise<ControlServer> {
  const commands = new Map([...handlers(system), ...deviceHandlers(set, () => system.devices())]);
  return wanted === undefined
    ? ControlServer.listenFree(RUN, name, commands)
    : ControlServer.listen(RUN, wanted, commands);
}

/** Before anything is loaded, so that a debugger which is attached later hears of every module. */
function openInspector(port = "9229"): void {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) throw new UsageError(`run: --port: "${port}" is no port`);
  inspector.open(Number(port));
}

/** Something that goes along with a running system, and ends before it. */
export interface Companion {
  close(): Promise<void>;
}
export type Accompany = (system: System, build: SystemBuild, print: (text: string) => void) => Companion;

export const RUN_OPTIONS = {
  ...DEVICE_OPTIONS,
  name: { type: "string" },
  debug: { type: "boolean" },
  port: { type: "string" },
  hugepages: { type: "boolean" },
  ...OWNERSHIP_OPTION,
} as const;

/**
 * Boots a system and serves its console until that ends.
 * @param accompany called when the system has booted
 * @returns the exit code
 */
export async function runSystem(args: Arguments, accompany?: Accompany): Promise<number> {
  const {
    positionals: [name = "default"],
    options,
  } = args;
  if (options.debug === true) openInspector(options.port as string | undefined);
  else if (options.port !== undefined) throw new UsageError("run: --port goes with --debug");
  const onCompile = (dir: string): void => void process.stdout.write(`building ${dir}\n`);
  const build = await buildSystem(await loadSystem(name), { onCompile, ...ownershipOf(args) });
  const started = performance.now();
  let program: (domain: string) => ShellClient | null = () => null;
  const console_ = new Console({
    input: process.stdin,
    output: process.stdout,
    prompt: paint("cyan", "samara> "),
    program: (domain) => program(domain),
  });
  const print = (line: string): void => console_.print(line);
  const devices = await attach(build.system.devices ?? [], { options }, print);
  const system = new System(build.system, {
    images: build.images,
    devices: devices.set.make,
    onDevice: ({ device, kind, text }) => void (QUIET.has(kind) || print(`device ${device}: ${kind}: ${text}`)),
    cacheDir: join(BUILD, "cache", "lowered"),
    onFault: (fault) => console_.showFault(fault),
    onDeadlock: (ring) => print(`deadlock refused: ${ring}`),
    ...(options.debug === true ? { sourceMapUrl: (map, offsets) => sourceMapUrl(map, offsets, ROOT) } : {}),
  });
  // Without a handler the signals end the process in the middle of whatever a domain does. Ctrl-C may come twice:
  // from the terminal, and from the process that started this one.
  const end = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
    // Nobody reads any more, as in `npm start | head`.
    process.stdout.on("error", () => resolve());
  });
  let control: ControlServer | null = null;
  let companion: Companion | undefined;
  let code = 0;
  try {
    if (options.hugepages === true) for (const line of backHeap(system, print)) print(line);
    control = await listen(system, devices.set, name, options.name as string | undefined);
    system.serve("System", systemService(system));
    system.serve("Console", consoleService(print));
    await system.start();
    program = programs(system);
    const ms = Math.round(performance.now() - started);
    print(paint("bold", `${name}: ${build.system.domains.length} domains booted in ${ms} ms; write help`));
    if (control.name !== name) print(`its name for commands: --system ${control.name}`);
    companion = accompany?.(system, build, print);
    await Promise.race([console_.run(), end]);
  } finally {
    await companion?.close();
    await control?.close();
    await system.stop();
    code = await devices.close();
    process.stdin.destroy();
  }
  return code;
}

export const command: Command = { options: RUN_OPTIONS, positionals: [0, 1], run: (args) => runSystem(args) };
