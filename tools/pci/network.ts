/**
 * Which network interfaces the host cannot do without: those of the default route and of the SSH session that types.
 *
 * Invariant: an interface that lies under such a one (of a bond, a bridge, a VLAN, in turn) is needed as much. The
 * session is looked for in every ancestor process too, because sudo takes SSH_CONNECTION out of the environment. Only
 * the main routing table is looked at.
 */
import { isIPv4 } from "node:net";
import type { Machine } from "./machine.ts";

const NET = "/sys/class/net";
const RTF_UP = 1;
const MAX_ANCESTORS = 64;

interface Route {
  readonly interface: string;
  /** Bits of the destination's network, most significant first. */
  readonly network: string;
}

const bitsOf = (bytes: readonly number[]): string => bytes.map((b) => b.toString(2).padStart(8, "0")).join("");
const bytesOfHex = (hex: string): number[] => (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));

/** Source: Linux, net/ipv4/fib_trie.c (fib_route_seq_show): addresses as this machine's words, little-endian. */
function ipv4Routes(machine: Machine): Route[] {
  const [, ...lines] = (machine.read("/proc/net/route") ?? "").split("\n");
  return lines.flatMap((line) => {
    const [name, destination, , flags, , , , mask] = line.trim().split(/\s+/);
    if (name === undefined || mask === undefined || (Number.parseInt(flags!, 16) & RTF_UP) === 0) return [];
    const length = bitsOf(bytesOfHex(mask).toReversed()).indexOf("0");
    return [
      {
        interface: name,
        network: bitsOf(bytesOfHex(destination!).toReversed()).slice(0, length < 0 ? 32 : length),
      },
    ];
  });
}

/** Source: Linux, net/ipv6/route.c (rt6_info_route). */
function ipv6Routes(machine: Machine): Route[] {
  return (machine.read("/proc/net/ipv6_route") ?? "").split("\n").flatMap((line) => {
    const [destination, length, , , , , , , flags, name] = line.trim().split(/\s+/);
    // Unreachable and blackhole entries belong to the loopback interface.
    if (name === undefined || name === "lo" || (Number.parseInt(flags!, 16) & RTF_UP) === 0) return [];
    return [{ interface: name, network: bitsOf(bytesOfHex(destination!)).slice(0, Number.parseInt(length!, 16)) }];
  });
}

/** The sixteen bytes of an IPv6 address, or null. */
function ipv6Bytes(address: string): number[] | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted === null ? [] : dotted[2]!.split(".").map(Number);
  const text = dotted === null ? address : `${dotted[1]}${tail.length === 4 ? "0:0" : ""}`;
  const [head, rest] = text.split("::") as [string, string | undefined];
  const words = (part: string | undefined): number[] =>
    part === undefined || part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const [left, right] = [words(head), words(rest)];
  const gap = 8 - left.length - right.length;
  if (gap < 0 || (rest === undefined && gap !== 0)) return null;
  const bytes = [...left, ...Array<number>(gap).fill(0), ...right].flatMap((word) => [word >>> 8, word & 0xff]);
  if (tail.length === 4) bytes.splice(12, 4, ...tail);
  return bytes.every((b) => b >= 0 && b <= 255) ? bytes : null;
}

/** Interfaces over which a packet to this address would leave: those of the longest matching prefix. */
function towards(machine: Machine, address: string): string[] {
  const [plain = "", zone] = address.split("%");
  if (zone !== undefined) return [zone];
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? plain;
  const four = isIPv4(mapped);
  const bytes = four ? mapped.split(".").map(Number) : ipv6Bytes(mapped);
  if (bytes === null) return [];
  const bits = bitsOf(bytes);
  const matching = (four ? ipv4Routes(machine) : ipv6Routes(machine)).filter(({ network }) => bits.startsWith(network));
  const longest = Math.max(-1, ...matching.map(({ network }) => network.length));
  return matching.filter(({ network }) => network.length === longest).map((route) => route.interface);
}

/** `CLIENT PORT SERVER PORT` of this process or the nearest ancestor that has one. */
function sshConnection(machine: Machine): string | null {
  if (machine.env.SSH_CONNECTION !== undefined) return machine.env.SSH_CONNECTION;
  let pid = machine.pid;
  for (let n = 0; n < MAX_ANCESTORS && pid > 1; n++) {
    const found = /(?:^|\0)SSH_CONNECTION=([^\0]+)/.exec(machine.read(`/proc/${pid}/environ`) ?? "");
    if (found !== null) return found[1]!;
    // The name of the program, in brackets, may hold anything.
    const parent = /^[\s\S]*\) \S (\d+)/.exec(machine.read(`/proc/${pid}/stat`) ?? "");
    pid = Number(parent?.[1] ?? 0);
  }
  return null;
}

/** The interface itself and all below it: members of a bond or bridge, the one that a VLAN runs over. */
function withLower(machine: Machine, name: string): string[] {
  const found = new Set<string>();
  const visit = (interface_: string): void => {
    if (found.has(interface_)) return;
    found.add(interface_);
    const entries = machine.list(`${NET}/${interface_}`);
    for (const entry of entries) if (entry.startsWith("lower_")) visit(entry.slice("lower_".length));
    for (const member of machine.list(`${NET}/${interface_}/brif`)) visit(member);
    const members = machine.read(`${NET}/${interface_}/bonding/slaves`) ?? "";
    for (const member of members.split(" ").filter((m) => m !== "")) visit(member);
  };
  visit(name);
  return [...found];
}

/** A tunnel shows nothing of what it runs through: that may be any interface that packets leave by. */
function below(machine: Machine, name: string): string[] {
  const lower = withLower(machine, name);
  if (lower.some((each) => machine.exists(`${NET}/${each}/device`))) return lower;
  const routed = [...ipv4Routes(machine), ...ipv6Routes(machine)].map((route) => route.interface);
  return [...new Set([...lower, ...routed.flatMap((each) => withLower(machine, each))])];
}

export interface Needed {
  readonly interface: string;
  /** Such as `the default route`. */
  readonly what: string;
}

/** Every interface that must stay, with why; once for each reason. */
export function neededInterfaces(machine: Machine): Needed[] {
  const wanted: [string, string][] = [...ipv4Routes(machine), ...ipv6Routes(machine)]
    .filter(({ network }) => network === "")
    .map((route) => [route.interface, "the default route"]);
  const [client, , server] = sshConnection(machine)?.split(" ") ?? [];
  if (client !== undefined)
    for (const name of towards(machine, client)) wanted.push([name, `this SSH session (to ${client})`]);
  if (server?.includes("%") === true) wanted.push([server.split("%")[1]!, "this SSH session"]);
  const found = wanted.flatMap(([top, what]) =>
    below(machine, top).map((name) => ({
      interface: name,
      what: name === top ? what : `${what}, through ${top}`,
    })),
  );
  return found.filter((a, i) => found.findIndex((b) => b.interface === a.interface && b.what === a.what) === i);
}
