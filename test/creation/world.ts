/**
 * Domains that start domains, in WebAssembly text: a maker serves the interface `Domains` by passing each call on to its
 * own `kernel.domains`, so a test says from outside what a creator does. A leaf is what it starts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Limits } from "#kernel/manifest/manifest.ts";
import { MAX_PIECE, sendImage, type Creator } from "./image.ts";
import { ROOT } from "#tools/lib/paths.ts";
import { assemble, makeLab, namesOf, compileIdl, type Lab, type Names } from "../support/lab.ts";

const withoutImports = (file: string): string =>
  readFileSync(join(ROOT, "interfaces", file), "utf8").replaceAll(/^import .*$/gm, "");

const IDL = `${withoutImports("domains.ts")}
export declare enum DomainState { Loaded, Running, Dying, Dead }
export declare enum Err { Failed }
export type Note = { n: u32; };
/** The host's: what a test does in the middle of a call. */
export interface Hook { hit(): RpcResult<u32, Err>; wait(): Promise<RpcResult<u32, Err>>; }
export interface Other { ping(): RpcResult<u32, Err>; }
export interface Program {
  ping(): RpcResult<u32, Err>;
  hook(): RpcResult<u32, Err>;
  wait(): Promise<RpcResult<u32, Err>>;
  /** Makes objects and keeps them; answers how many. */
  hoard(count: u32): RpcResult<u32, Err>;
  give(): RpcResult<RRef<Note>, Err>;
  /** Asks for an object of a child, or a grant; answers the number. */
  look(path: Str<63>): RpcResult<u32, Err>;
  /** Calls through a number. Answers the fault, or what ping (0), hook (1), or give (2: keeps the object) answered. */
  call(cap: u32, what: u32): RpcResult<u32, Err>;
}
`;

const METHODS = ["begin", "append", "create", "lastError", "left", "state", "kill"] as const;
/** Parameters of each method after `self`, and those of its text result's buffer. */
const COUNTS: Readonly<Record<(typeof METHODS)[number], readonly [number, number]>> = {
  begin: [1, 0],
  append: [2, 0],
  create: [11, 0],
  lastError: [0, 2],
  left: [0, 0],
  state: [2, 0],
  kill: [2, 0],
};
const BUFFER = 40_000;
const repeat = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(" ");

function passedOn(n: Names): [imports: string, functions: string] {
  const imports = METHODS.map((m) => {
    const [own, out] = COUNTS[m];
    return `(import "${n.module("Domains")}" "${m}" (func $d_${m} ${repeat(own + out + 1, () => "(param i32)")} (result i32)))`;
  });
  const functions = METHODS.map((m) => {
    const [own, out] = COUNTS[m];
    const args = repeat(own, (i) => `(local.get ${i + 1})`) + (out > 0 ? `(i32.const ${BUFFER}) (i32.const 512)` : "");
    return `(func (export "${n.serve(`Domains.${m}`)}") ${repeat(own + 1, () => "(param i32)")} (result i32)
      (call $d_${m} ${args} (call $useDomains (i32.const 16) (i32.const 7))))`;
  });
  const use = `(import "${n.module("Domains")}" "use" (func $useDomains (param i32 i32) (result i32)))`;
  return [[use, ...imports].join("\n"), functions.join("\n")];
}

export interface ProgramOptions {
  /** Serves and uses `Domains`. */
  readonly makes?: boolean;
  /** Uses the host's hook. */
  readonly hooks?: boolean;
  /** Asks for `other` of this interface in its first code. */
  readonly asks?: string;
  readonly traps?: boolean;
  /** Declares this maximum of memory, in pages; none: as much as it gets. */
  readonly pages?: number | null;
}

/** Interfaces that are not used are not imported: they would be refused. */
export const program =
  ({ makes = false, hooks = false, asks, traps = false, pages = 1 }: ProgramOptions = {}) =>
  (n: Names): string => {
    const [imports, functions] = makes ? passedOn(n) : ["", ""];
    return `(module ${imports} ${n.newType("Note")}
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "get0" (func $get0 (result i32)))
  (import "${n.module("Program")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Program")}" "ping" (func $ping (param i32) (result i32)))
  (import "${n.module("Program")}" "hook" (func $hook (param i32) (result i32)))
  (import "${n.module("Program")}" "give" (func $give (param i32) (result i32)))
  ${
    hooks
      ? `(import "${n.module("Hook")}" "use" (func $useHook (param i32 i32) (result i32)))
  (import "${n.module("Hook")}" "hit" (func $hit (param i32) (result i32)))
  (import "${n.module("Hook")}" "wait" (func $wait (param i32) (result i32)))`
      : ""
  }
  ${asks === undefined ? "" : `(import "${n.module(asks)}" "use" (func $ask (param i32 i32) (result i32)))`}
  (memory 1 ${pages ?? ""}) (data (i32.const 0) "hook") (data (i32.const 8) "other") (data (i32.const 16) "domains")
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 32768))
  (func (export "main")
    ${asks === undefined ? "" : "(drop (call $ask (i32.const 8) (i32.const 5)))"} ${traps ? "unreachable" : ""})
  ${functions}
  (func $answer (param i32) (result i32) (call $set0 (local.get 0)) (i32.const 0))
  (func $outcome (param i32) (result i32)
    (call $answer (if (result i32) (local.get 0) (then (local.get 0)) (else (call $get0)))))
  (func (export "${n.serve("Program.ping")}") (param i32) (result i32) (call $answer (i32.const 7)))
  (func (export "${n.serve("Program.hook")}") (param i32) (result i32)
    ${hooks ? "(call $outcome (call $hit (call $useHook (i32.const 0) (i32.const 4))))" : "(call $answer (i32.const 0))"})
  (func (export "${n.serve("Program.wait")}") (param i32) (result i32)
    ${hooks ? "(call $outcome (call $wait (call $useHook (i32.const 0) (i32.const 4))))" : "(call $answer (i32.const 0))"})
  (func (export "${n.serve("Program.hoard")}") (param i32 i32) (result i32) (local $made i32)
    (loop $more (if (i32.lt_u (local.get $made) (local.get 1)) (then (if (call $new_Note) (then
      (local.set $made (i32.add (local.get $made) (i32.const 1))) (br $more))))))
    (call $answer (local.get $made)))
  (func (export "${n.serve("Program.give")}") (param i32) (result i32) (local $note i32)
    (local.set $note (call $new_Note)) (if (result i32) (local.get $note) (then (local.get $note)) (else (i32.const 1))))
  (func (export "${n.serve("Program.look")}") (param i32 i32 i32) (result i32)
    (call $answer (call $use (local.get 1) (local.get 2))))
  (func (export "${n.serve("Program.call")}") (param i32 i32 i32) (result i32)
    (if (i32.eq (local.get 2) (i32.const 2)) (then (return (call $answer (call $give (local.get 1))))))
    (if (local.get 2) (then (return (call $outcome (call $hook (local.get 1))))))
    (call $outcome (call $ping (local.get 1)))))`;
  };

export interface Answer<T> {
  readonly ok: boolean;
  readonly value: T;
  readonly error?: string;
  readonly fault?: string;
}
export interface Program {
  ping(): Answer<number>;
  hook(): Answer<number>;
  wait(): Promise<Answer<number>>;
  hoard(count: number): Answer<number>;
  give(): Answer<{ handle: number }>;
  look(path: string): Answer<number>;
  call(cap: number, what: number): Answer<number>;
}
export const MODEL = compileIdl(IDL);
export const image = (options?: ProgramOptions): Promise<Uint8Array> => assemble(program(options)(namesOf(MODEL)));

/** What a maker of the lab has of everything. */
export const LIMITS = { memoryPages: 32, heapBytes: 1 << 18, heapObjects: 64, threads: 8, domains: 8 };
/** What a leaf needs. */
export const SMALL: readonly number[] = [1, 4096, 4, 1, 0];
/** What a maker uses itself, while it does nothing: a page. */
export const IDLE = { ...LIMITS, memoryPages: LIMITS.memoryPages - 1 };

export interface World {
  readonly lab: Lab;
  readonly hook: { hit: () => number; wait: () => Promise<number> };
  /** The maker of this name, or of a child that makes. */
  maker(name?: string): Creator;
  program(name: string): Program;
  /** Sends the image and creates; the error, or null. */
  create(name: string, image: Uint8Array, options?: CreateOptions): Promise<string | null>;
  /** The whole error text of the last refusal. */
  why(maker?: string): string;
  names(): string[];
}
export interface CreateOptions {
  readonly by?: string;
  readonly provides?: string;
  readonly uses?: string;
  readonly limits?: readonly number[];
}

/** Two makers, so that what one does can be seen not to touch the other. */
export async function makeWorld(limits: Limits = {}): Promise<World> {
  const hook = { hit: () => 1, wait: (): Promise<number> => Promise.resolve(1) };
  const maker = (self: number) => ({
    wat: program({ makes: true, hooks: true }),
    provides: { maker: "Domains", program: "Program" },
    uses: { domains: ["Domains", "kernel", self], hook: ["Hook", "host"], other: ["Other", "other"] } as const,
    limits: { ...LIMITS, ...limits },
  });
  const lab = await makeLab({
    idl: IDL,
    domains: { other: { wat: otherDomain, provides: { other: "Other" } }, a: maker(1), b: maker(2) },
    services: {
      Hook: [
        {
          hit: () => ({ ok: true, value: hook.hit() }),
          wait: () => hook.wait().then((value) => ({ ok: true, value })),
        },
      ],
    },
  });
  const creator = (name = "a"): Creator => lab.client<Creator>(`${name}.maker`);
  return {
    lab,
    hook,
    maker: creator,
    program: (name) => lab.client<Program>(`${name}.program`),
    create: async (name, bytes, { by = "a", provides = "program: Program", uses = "", limits: share = SMALL } = {}) => {
      const maker_ = creator(by);
      const sent = sendImage(maker_, bytes);
      if (sent !== null) return sent;
      const answer = await maker_.create(name, provides, uses, ...share);
      return answer.ok ? null : (answer.error ?? answer.fault!);
    },
    why: (name = "a") => creator(name).lastError().value,
    names: () => lab.system.domains().map((d) => d.name),
  };
}

const otherDomain = (n: Names): string => `(module (import "rpc" "set0" (func $set0 (param i32)))
  (func (export "${n.serve("Other.ping")}") (param i32) (result i32) (call $set0 (i32.const 9)) (i32.const 0)))`;

export { MAX_PIECE };
