/**
 * The kernel's own tables: frames, capabilities, edges and domains. One that is full is an error to who asks for more.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KernelError } from "#kernel/errors.ts";
import { RpcFault } from "#kernel/interface/model.ts";
import { CAP_TABLE_SIZE } from "#kernel/wasm/intrinsics.ts";
import { CORE_DEPTH, DOMAINS, FRAMES, MAX_EDGES, MAX_FRAMES, OWNER_HOST } from "../../shared-heap/layout.ts";
import { makeLab, type Lab } from "../support/lab.ts";
import { makerDomain, MINT_IDL, THING_METHODS, type Maker } from "./minter.ts";

// A full table of 65,536 edges would be 65,536 compiled functions. Nothing but the linker's own check reads this number.
vi.mock("../../shared-heap/layout.ts", async (load) => ({ ...(await load<object>()), MAX_EDGES: 2500 }));

const DEATH = { kind: "rule", message: "Thing: no room for one more capability" };
let lab: Lab;
let bad: Maker;
let good: Maker;
beforeEach(async () => {
  lab = await makeLab({
    idl: MINT_IDL,
    domains: { bad: makerDomain("good"), good: makerDomain("bad"), third: makerDomain("good") },
  });
  bad = lab.client<Maker>("bad.maker");
  good = lab.client<Maker>("good.maker");
});
afterEach(async () => {
  lab.audit();
  await lab.close();
});

/** Slot 0 is the tick, and each holds one capability to the next Maker. */
const MOST = Math.floor((CAP_TABLE_SIZE - 1 - 4) / THING_METHODS);

describe("capabilities of one domain", () => {
  test("as many as the table holds, and one more ends the domain that makes it; the next life has them all again", () => {
    for (const life of [0, 1]) {
      expect(bad.make(MOST)).toMatchObject({ ok: true });
      expect(lab.faults).toHaveLength(life);
      expect(bad.make(1)).toEqual({ ok: false, fault: "crashed" });
      expect(lab.faults.at(-1)).toMatchObject({ domain: "bad", ...DEATH });
      lab.system.restart("bad");
    }
    expect(good.make(1)).toMatchObject({ ok: true });
  });

  test("passed to one whose table is full: an answer to who passes, and nobody dies", () => {
    expect(good.make(MOST - 1)).toMatchObject({ ok: true });
    expect(bad.pass(1)).toEqual({ ok: true, value: RpcFault.exhausted });
    expect(lab.faults).toEqual([]);
    // It could not be passed, and was dropped: no room of the one who tried is lost.
    expect(bad.make(MOST)).toMatchObject({ ok: true });
  });

  test("nobody fills another's table from outside: what it needs for itself is left", () => {
    let passed = 0;
    while (bad.pass(1).value === 0) passed++;
    expect(passed).toBeGreaterThan(MOST / 2);
    expect(bad.pass(1)).toEqual({ ok: true, value: RpcFault.exhausted });
    expect(good.make(Math.floor(250 / THING_METHODS))).toMatchObject({ ok: true });
    expect(lab.faults).toEqual([]);
  });
});

describe("edges of all domains", () => {
  test("used up: an error to who asks, calls go on, and there is room again when one has ended", () => {
    const third = lab.client<Maker>("third.maker");
    expect(third.make(MOST)).toMatchObject({ ok: true });
    expect(bad.make(MOST - 10)).toMatchObject({ ok: true });
    const left = Math.floor((MAX_EDGES - lab.system.edges().length) / THING_METHODS);
    expect(good.make(left)).toMatchObject({ ok: true });
    expect(bad.pass(1)).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults).toMatchObject([{ domain: "bad", ...DEATH }]);
    // What the dead one had made has ended with it.
    expect(good.make(5)).toMatchObject({ ok: true });
    expect(lab.faults).toHaveLength(1);
  });
});

describe("frames", () => {
  /** Lets the host be at this depth. */
  function at(depth: number, act: () => void): void {
    const { ledger } = lab.system.kernel;
    ledger.fill(OWNER_HOST, FRAMES >> 2, (FRAMES >> 2) + depth);
    ledger[CORE_DEPTH >> 2] = depth;
    const beyond = ledger.slice(DOMAINS >> 2, (DOMAINS >> 2) + 4);
    try {
      act();
      expect(ledger[CORE_DEPTH >> 2]).toBe(depth);
      expect(ledger.slice(DOMAINS >> 2, (DOMAINS >> 2) + 4)).toEqual(beyond);
    } finally {
      ledger[CORE_DEPTH >> 2] = 0;
    }
  }

  test("used up by calls: an answer to the caller, and nobody dies", () => {
    for (const left of [1, 2, 10]) {
      at(MAX_FRAMES - left, () => expect(bad.descend()).toEqual({ ok: true, value: RpcFault.exhausted }));
    }
    at(MAX_FRAMES, () => expect(bad.descend()).toEqual({ ok: false, fault: "exhausted" }));
    expect(lab.faults).toEqual([]);
  });

  test("used up, and a restart is asked for: an error", () => {
    lab.system.kill("bad");
    at(MAX_FRAMES, () => expect(() => lab.system.restart("bad")).toThrow(KernelError));
    lab.system.restart("bad");
    expect(lab.info("bad").state).toBe("running");
  });
});

test("domains: one more than the table holds is refused, and the others go on", { timeout: 300_000 }, async () => {
  const child = fileURLToPath(new URL("./domains-child.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [child]);
  expect(stdout).toBe("limit: more than 4092 domains\ngoes on: true\nroom again: true\n");
});
