/**
 * Attacks on the lives of domains: first code that never gets anywhere, restarts and deaths at the wrong moment.
 *
 * Whatever a domain does with a right to restart, with its policy, or in its first code: the host gets control, nobody's
 * code runs when he is dead, and no life begins that nobody asked for.
 */
import { afterEach, expect, test } from "vitest";
import { DEFAULT_RESTART, type Restart } from "#kernel/manifest/manifest.ts";
import { KernelError } from "#kernel/errors.ts";
import { assemble, compileIdl, makeLab, namesOf, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export declare enum DomainState { Loaded, Running, Dying, Dead }
export declare enum LifecycleError { Died, Busy, NoRoom, NotRunning }
export interface Lifecycle {
  state(): RpcResult<{ state: DomainState; generation: u32; faults: u32 }, never>;
  restart(): RpcResult<u32, LifecycleError>;
  kill(): RpcResult<void, LifecycleError>;
}
export interface Thing { count(): RpcResult<{ inits: u32; mains: u32; word: u32; version: u32 }, Err>; }
export interface Notes { note(what: i32): RpcResult<u32, Err>; }
`;

interface Code {
  readonly version?: number;
  readonly init?: string;
  readonly main?: string;
  readonly args?: string;
  /** Of samara_restored and samara_restore; makes it take state over, and have some. */
  readonly restored?: string;
  readonly restore?: string;
  readonly save?: string;
  readonly pages?: number;
}
const thing =
  ({
    version = 1,
    init = "",
    main = "",
    args,
    restored,
    restore = "(i32.const 512)",
    save = "(i32.const 256)",
    pages = 1,
  }: Code = {}) =>
  (n: Names): string =>
    `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "set2" (func $set2 (param i32))) (import "rpc" "set3" (func $set3 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "${n.module("Lifecycle")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Lifecycle")}" "restart" (func $restart (param i32) (result i32)))
  (import "${n.module("Lifecycle")}" "kill" (func $kill (param i32) (result i32)))
  (import "${n.module("Notes")}" "use" (func $useNotes (param i32 i32) (result i32)))
  (import "${n.module("Notes")}" "note" (func $note_ (param i32 i32) (result i32)))
  (memory ${pages}) (data (i32.const 0) "\\2a\\00\\00\\00peermenotes")
  (global $inits (mut i32) (i32.const 0)) (global $mains (mut i32) (i32.const 0))
  (func $peer (result i32) (call $use (i32.const 4) (i32.const 4)))
  (func $me (result i32) (call $use (i32.const 8) (i32.const 2)))
  (func $note (param i32) (result i32)
    (drop (call $note_ (local.get 0) (call $useNotes (i32.const 10) (i32.const 5)))) (call $get0))
  (func (export "_init") (global.set $inits (i32.add (global.get $inits) (i32.const 1))) ${init})
  (func (export "main") (global.set $mains (i32.add (global.get $mains) (i32.const 1))) ${main})
  ${args === undefined ? "" : `(func (export "samara_args") (result i32) ${args}) (func (export "samara_args_size") (result i32) (i32.const 8192))`}
  ${
    restored === undefined
      ? ""
      : `(func (export "samara_save") (result i32) ${save}) (func (export "samara_save_size") (result i32) (i32.const 64))
  (func (export "samara_restore") (param i32) (result i32) ${restore}) (func (export "samara_restored") ${restored})`
  }
  (func (export "${n.serve("Thing.count")}") (param i32) (result i32)
    (call $set0 (global.get $inits)) (call $set1 (global.get $mains)) (call $set2 (i32.load (i32.const 0)))
    (call $set3 (i32.const ${version})) (i32.const 0)))`;

interface Thing {
  count(): { ok: boolean; fault?: string; value?: { inits: number; mains: number; word: number; version: number } };
}
const FRESH = { inits: 1, mains: 1, word: 42, version: 1 };
let lab: Lab;
let notes: number[];
afterEach(async () => {
  lab.audit();
  await lab.close();
});

/** @param heard what the host answers to a note */
async function boot(
  a: Code,
  b: Code = {},
  restart: Partial<Restart> = {},
  heard: (what: number) => number = () => 0,
): Promise<void> {
  notes = [];
  const note = (what: number) => {
    notes.push(what);
    return { ok: true, value: heard(what) };
  };
  const domain = (code: Code, me: number) => ({
    wat: thing(code),
    provides: { thing: "Thing" },
    uses: {
      me: ["Lifecycle", "supervisor", me],
      peer: ["Lifecycle", "supervisor", 1 - me],
      notes: ["Notes", "host"],
    } as const,
    restart: { ...DEFAULT_RESTART, ...restart },
    limits: { memoryPages: 1024 },
  });
  lab = await makeLab({
    idl: IDL,
    domains: { a: domain(a, 0), b: domain(b, 1) },
    services: { Notes: [{ note }] },
  });
}
const count = (name: string) => lab.client<Thing>(`${name}.thing`).count();
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 5000 && !condition(); i++) await turn();
};
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
const names = namesOf(compileIdl(IDL));
const replace = async (code: Code): Promise<boolean> =>
  lab.system.replace("a", { bytes: await assemble(thing(code)(names)) });

/** Lives after which the host ends an attack that goes on for ever: a test that fails must end too. */
const LIVES = 300;

test.each([
  ["that restarts itself in its first code", "(drop (call $restart (call $me)))", {}],
  ["whose policy restarts it at once", "unreachable", { policy: "always", backoffMs: 0, limit: 1e6 } as const],
])("one %s, over and over, lets the host have control", async (_, end, restart) => {
  // From its second life on, until the host answers otherwise.
  const main = `(if (i32.eq (call $note (i32.const 1)) (i32.const 1)) (then ${end}))`;
  const lives = () => notes.length;
  await boot({ main }, {}, restart, () => (lives() > 1 && lives() < LIVES ? 1 : 0));
  const first = lives();
  lab.system.kill("a");
  try {
    lab.system.restart("a");
  } catch (error) {
    expect(error).toBeInstanceOf(KernelError);
  }
  const before = lives();
  await turn();
  expect(first).toBe(1);
  expect(before).toBeLessThan(LIVES / 2);
  await until(() => lives() >= LIVES);
  expect(count("a").value).toEqual(FRESH);
});

test.each([
  ["main", { main: "unreachable" }],
  ["samara_args", { args: "unreachable" }],
  ["samara_restore", { restored: "", restore: "unreachable" }],
  ["samara_restored", { restored: "unreachable" }],
  ["main, where it restarts itself", { main: "(drop (call $restart (call $me)))" }],
])("a new version that dies in %s is taken back, whatever its restart policy", async (_, how: Code) => {
  await boot({ restored: "" }, {}, { policy: "always" });
  await expect(replace({ ...how, version: 2 })).rejects.toThrow(/the former version runs again/);
  expect(count("a").value).toEqual(FRESH);
  expect(lab.faults).toHaveLength(1);
  await turn();
  expect(lab.info("a")).toMatchObject({ state: "running", incarnation: 3 });
});

test("an old version that dies while it saves leaves no restart behind that nobody asks for", async () => {
  await boot({ restored: "", save: "unreachable" }, {}, { policy: "on-fault" });
  expect(await replace({ restored: "", version: 2 })).toBe(false);
  expect(count("a").value).toEqual({ ...FRESH, version: 2 });
  lab.system.kill("a");
  await turn();
  expect(lab.info("a").state).toBe("dead");
});

test("one that dies where its arguments are asked for begins its next life from the start, once", async () => {
  // The first time it is asked it dies; then it answers.
  const args = "(if (call $note (i32.const 1)) (then unreachable)) (i32.const 1024)";
  await boot({ args }, {}, { policy: "on-fault" }, () => (notes.length === 1 ? 1 : 0));
  expect(count("a").value).toEqual(FRESH);
  expect(lab.system.kernel.domain("a").args).toMatchObject({ top: 1024, end: 1024 + 8192 });
  expect(lab.info("a")).toMatchObject({ incarnation: 2, faults: 1 });
});

test.each([
  ["restarted", "(drop (call $restart (call $peer)))", { state: "running", incarnation: 2 }],
  ["killed", "(drop (call $kill (call $peer)))", { state: "dead", incarnation: 1 }],
])("one that was %s by another's first code, before its own, is not begun a second time", async (_, init, info) => {
  await boot({ init }, { init: "(drop (call $note (i32.const 2)))" });
  expect(lab.info("b")).toMatchObject(info);
  // Its code ran as often as it lived.
  expect(notes).toEqual(info.state === "dead" ? [] : [2]);
  if (info.state === "running") expect(count("b").value).toEqual(FRESH);
});

test("no code runs in a dead domain", async () => {
  await boot({ init: "(drop (call $note (i32.const 3)))", main: "(drop (call $note (i32.const 4)))" });
  const { kernel } = lab.system;
  kernel.kill(kernel.domain("a"));
  notes.length = 0;
  expect(() => kernel.init(kernel.domain("a"))).toThrow("a died in _init: killed");
  expect(() => kernel.start(kernel.domain("a"))).toThrow("a died in main: killed");
  expect([notes, lab.info("a").state]).toEqual([[], "dead"]);
});

test("one whose name was given to another does not live again, and holds nothing", async () => {
  await boot({ pages: 1024, main: "(drop (call $note (i32.const 1)))" }, {}, { policy: "always", backoffMs: 0 });
  const { kernel } = lab.system;
  const held = (): number => lab.system.edges().filter((e) => e.caller === "a").length;
  expect(held()).toBe(1);
  for (let i = 0; i < 3; i++) {
    const former = kernel.domain("a");
    // Its memory is zeroed in steps, so its next life has not begun.
    kernel.crash(former);
    expect(former.state).toBe("dead");
    await lab.load("a");
    for (let n = 0; n < 60; n++) await turn();
    expect([former.state, former.incarnation]).toEqual(["dead", 1]);
    expect(held()).toBe(1);
  }
});
