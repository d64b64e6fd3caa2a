/**
 * A driver that does what a test tells it, one kernel call at a time: hand-written Wasm, so that it can do what no
 * compiler would. Several of them share a bus, with a scripted device on it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "#tools/lib/paths.ts";
import { makeLab, type Lab, type LabDomain, type Names } from "./lab.ts";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import type { ScriptedDevice } from "./scripted-device.ts";

/** The bus as it is, without its imports, and what puppets pass around. */
const PCI = readFileSync(join(ROOT, "interfaces/pci.ts"), "utf8").replace(/^import type[\s\S]*?;\n/m, "");
const IDL = `${PCI}
export type Page = { data: Bytes<4096> };
export type Small = { data: Bytes<512> };
export type Large = { data: Bytes<65536> };
export type Box = { inner: RRef<Page> };
export interface Puppet {
  claim(index: u32): RpcResult<u32, never>;
  call(method: u32, a: u32, b: u32, c: u32): RpcResult<{ code: u32; r0: u32; r1: u32; r2: u32; r3: u32; r4: u32; r5: u32 }, never>;
  make(kind: u32): RpcResult<u32, never>;
  peek(handle: u32, offset: u32): RpcResult<u32, never>;
  poke(handle: u32, offset: u32, value: u32): RpcResult<void, never>;
  dispose(handle: u32): RpcResult<void, never>;
  put(handle: u32, box: u32): RpcResult<void, never>;
  unpack(box: u32): RpcResult<u32, never>;
  give(handle: u32): RpcResult<RRef<Page>, never>;
  accept(page: RRef<Page>): RpcResult<u32, never>;
  post(page: Borrow<Page>, queue: u32, batch: u32): RpcResult<u32, never>;
  pass(): RpcResult<PciDevice, never>;
  take(device: PciDevice): RpcResult<void, never>;
  /** Names the types that nothing else does. */
  kinds(small: RRef<Small>, large: RRef<Large>, box: RRef<Box>): RpcResult<void, never>;
  steps(): RpcResult<u32, never>;
  trap(): RpcResult<void, never>;
}
`;

/** Methods of PciDevice, with how many parameters they have. */
const METHODS = {
  open: 0,
  close: 0,
  identity: 0,
  configRead: 2,
  read32: 2,
  write32: 3,
  createQueue: 3,
  destroyQueue: 1,
  submit: 3,
  complete: 2,
  interrupts: 1,
  pending: 0,
  reset: 0,
  state: 0,
} as const;
export type DeviceMethod = keyof typeof METHODS;
const KINDS = ["DmaBatch", "Page", "Small", "Large", "Box"] as const;
export type Kind = (typeof KINDS)[number];
/** As the interface numbers them, from 1. */
export const ERRORS = ["ok", "NotYours", "Gone", "Refused", "Invalid", "NoMemory", "Busy"] as const;

const wat = (n: Names): string => {
  const names = Object.keys(METHODS) as DeviceMethod[];
  const local = ["$a", "$b", "$c"];
  const device = n.module("PciDevice");
  const imports = names.map(
    (m) => `(import "${device}" "${m}" (func $${m} (param ${"i32 ".repeat(METHODS[m] + 1)}) (result i32)))`,
  );
  const branches = names.map((m, i) => {
    const values = local.slice(0, METHODS[m]).map((l) => `(local.get ${l})`);
    const call = `(local.set $s (call $${m} ${values.join(" ")} (global.get $device)))`;
    return `(if (i32.eq (local.get $m) (i32.const ${i})) (then ${call}))`;
  });
  const words = [0, 1, 2, 3, 4, 5];
  const kinds = KINDS.map(
    (k, i) => `(if (i32.eq (local.get 1) (i32.const ${i})) (then (call $set0 (call $new_${k}))))`,
  );
  const serve = (m: string, params: number, body: string): string =>
    `(func (export "${n.serve(`Puppet.${m}`)}") (param ${"i32 ".repeat(params + 1)}) (result i32) ${body})`;
  return `(module
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (import "heap" "put" (func $put (param i32 i32 i32)))
  (import "heap" "take" (func $take (param i32 i32) (result i32)))
  (import "heap" "free" (func $free (param i32)))
  ${words.map((w) => `(import "rpc" "get${w}" (func $get${w} (result i32)))`).join("\n")}
  ${[...words, 6].map((w) => `(import "rpc" "set${w}" (func $set${w} (param i32)))`).join("\n")}
  ${KINDS.map((k) => n.newType(k)).join("\n")}
  (import "${n.module("PciBus")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("PciBus")}" "device" (func $bus_device (param i32 i32) (result i32)))
  ${imports.join("\n")}
  (memory 1) (data (i32.const 0) "bus")
  (global $bus (mut i32) (i32.const 0)) (global $device (mut i32) (i32.const 0)) (global $steps (mut i32) (i32.const 0))
  (func (export "_init") (global.set $bus (call $use (i32.const 0) (i32.const 3))))
  (func (export "step") (result i32) (global.set $steps (i32.add (global.get $steps) (i32.const 1))) (i32.const -1))
  (func (export "${n.serve("Puppet.claim")}") (param i32 i32) (result i32) (local $c i32)
    (local.set $c (call $bus_device (local.get 1) (global.get $bus)))
    (if (i32.ge_u (local.get $c) (i32.const 1024)) (then (global.set $device (local.get $c)) (local.set $c (i32.const 0))))
    (call $set0 (local.get $c)) (i32.const 0))
  (func (export "${n.serve("Puppet.call")}") (param $self i32) (param $m i32) (param $a i32) (param $b i32) (param $c i32) (result i32)
    (local $s i32) ${words.map((w) => `(local $w${w} i32)`).join(" ")}
    ${branches.join("\n    ")}
    ${words.map((w) => `(local.set $w${w} (call $get${w}))`).join(" ")}
    (call $set0 (local.get $s)) ${words.map((w) => `(call $set${w + 1} (local.get $w${w}))`).join(" ")}
    (i32.const 0))
  ${serve("make", 1, `${kinds.join(" ")} (i32.const 0)`)}
  ${serve("peek", 2, "(call $set0 (call $load (local.get 1) (local.get 2))) (i32.const 0)")}
  ${serve("poke", 3, "(call $store (local.get 3) (local.get 1) (local.get 2)) (i32.const 0)")}
  ${serve("dispose", 1, "(call $free (local.get 1)) (i32.const 0)")}
  ${serve("put", 2, "(call $put (local.get 1) (local.get 2) (i32.const 0)) (i32.const 0)")}
  ${serve("unpack", 1, "(call $set0 (call $take (local.get 1) (i32.const 0))) (i32.const 0)")}
  ${serve("give", 1, "(local.get 1)")}
  ${serve("accept", 1, "(call $set0 (local.get 1)) (i32.const 0)")}
  ${serve(
    "post",
    3,
    `(call $store (local.get 1) (local.get 3) (i32.const 24))
     (call $set0 (call $submit (local.get 2) (local.get 3) (i32.const 1) (global.get $device))) (i32.const 0)`,
  )}
  ${serve("pass", 0, "(global.get $device)")}
  ${serve("take", 1, "(global.set $device (local.get 1)) (i32.const 0)")}
  ${serve("kinds", 3, "(i32.const 0)")}
  ${serve("steps", 0, "(call $set0 (global.get $steps)) (i32.const 0)")}
  ${serve("trap", 0, "unreachable")})`;
};

type Answer = { ok: boolean; value?: unknown; fault?: string; error?: string };
type Client = Record<string, (...values: unknown[]) => Answer>;

/** One command of a batch; what is left out is 0. */
export interface Command {
  readonly opcode: number;
  readonly id: number;
  readonly nsid?: number;
  readonly object?: number;
  readonly offset?: number;
  readonly dw?: Readonly<Record<number, number>>;
}

export class Puppet {
  readonly client: Client;
  batch = 0;

  constructor(lab: Lab, name: string) {
    this.client = lab.client<Client>(`${name}.puppet`);
  }

  /** Value of a method of its own; the fault, when it died. */
  ask(method: string, ...values: unknown[]): number {
    const answer = this.client[method]!(...values);
    if (!answer.ok) throw new Error(`${method}: ${answer.fault ?? answer.error}`);
    return answer.value as number;
  }
  make(kind: Kind): number {
    return this.ask("make", KINDS.indexOf(kind));
  }
  /** A method of the device: its result words, or the name of the error. A fault throws. */
  device(method: DeviceMethod, ...values: number[]): number[] | string {
    const [a = 0, b = 0, c = 0] = values;
    const answer = this.client.call!(Object.keys(METHODS).indexOf(method), a, b, c);
    if (!answer.ok) throw new Error(`${method}: ${answer.fault ?? answer.error}`);
    const { code, ...words } = answer.value as Record<string, number>;
    if (code! >= 256) return `fault ${code}`;
    return code === 0 ? Object.values(words) : ERRORS[code!]!;
  }

  /** Writes commands into the batch, which it makes. */
  write(...commands: Command[]): void {
    this.batch ||= this.make("DmaBatch");
    commands.forEach(({ opcode, id, nsid = 0, object = 0, offset = 0, dw = {} }, i) => {
      const words: Record<number, number> = { 0: opcode | (id << 16), 1: nsid, 6: object, 7: offset, ...dw };
      for (let w = 0; w < 16; w++) this.ask("poke", this.batch, i * 64 + w * 4, words[w] ?? 0);
    });
  }
  submit(queue: number, ...commands: Command[]): number | string {
    this.write(...commands);
    const answer = this.device("submit", queue, this.batch, commands.length);
    return typeof answer === "string" ? answer : answer[0]!;
  }
  /** Completions, as words. */
  complete(queue = 0): number[][] {
    this.batch ||= this.make("DmaBatch");
    const answer = this.device("complete", queue, this.batch);
    if (typeof answer === "string") throw new Error(answer);
    return Array.from({ length: answer[0]! }, (_, i) =>
      [0, 1, 2, 3].map((w) => this.ask("peek", this.batch, i * 16 + w * 4)),
    );
  }
}

export interface Bus {
  readonly lab: Lab;
  readonly puppets: Readonly<Record<string, Puppet>>;
}

/** A bus with devices `d0`, `d1`, …, and puppets of these names whose objects lie in the arena `dma`. */
export async function makeBus(
  devices: readonly (DeviceBackend & { readonly writable?: string })[],
  names: readonly string[] = ["driver"],
  change: Partial<LabDomain> & { readonly arenas?: Readonly<Record<string, number>> } = {},
): Promise<Bus> {
  const { arenas, ...domain } = change;
  const puppet: LabDomain = {
    wat,
    provides: { puppet: "Puppet" },
    uses: { bus: ["PciBus", "kernel"] },
    arena: "dma",
    ...domain,
  };
  const lab = await makeLab({
    idl: IDL,
    domains: Object.fromEntries(names.map((name) => [name, puppet])),
    heapBytes: 8 << 20,
    arenas: arenas ?? { dma: 2 << 20 },
    devices: Object.fromEntries(devices.map((device, i) => [`d${i}`, device])),
  });
  return { lab, puppets: Object.fromEntries(names.map((name) => [name, new Puppet(lab, name)])) };
}

/** Opens the device and enables it, with an admin queue of 8 entries and, when asked for, one I/O queue. */
export function bringUp(puppet: Puppet, device: ScriptedDevice, io = false, entries = 8): void {
  const done = (answer: number[] | string): void => {
    if (typeof answer === "string") throw new Error(answer);
  };
  puppet.ask("claim", 0);
  done(puppet.device("open"));
  done(puppet.device("createQueue", 0, entries, 4096));
  done(puppet.device("write32", 0, 0x14, 0x460001));
  if (!io) return;
  done(puppet.device("createQueue", 1, entries, 65536));
  puppet.submit(0, { opcode: 5, id: 0, dw: { 10: 1 | ((entries - 1) << 16), 11: 1 } });
  device.answer();
  puppet.complete();
  puppet.submit(0, { opcode: 1, id: 0, dw: { 10: 1 | ((entries - 1) << 16), 11: (1 << 16) | 1 } });
  device.answer();
  puppet.complete();
}

/** Lets the kernel learn that namespace 1 has blocks of 512 bytes, or of 2^shift. */
export function identify(puppet: Puppet, device: ScriptedDevice, shift = 9, metadata = 0): number {
  const page = puppet.make("Page");
  puppet.submit(0, { opcode: 6, id: 1, nsid: 1, object: page });
  const entry = device.fetch()!;
  const data = new DataView(new ArrayBuffer(4096));
  data.setUint32(128, (shift << 16) | metadata, true);
  device.write(entry[6]!, new Uint8Array(data.buffer));
  device.complete(entry[0]! >>> 16);
  return puppet.complete()[0]![1]!;
}
