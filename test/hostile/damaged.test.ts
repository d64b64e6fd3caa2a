/**
 * Modules cut off at every byte and with every bit flipped: refused with an AdmissionError, or admitted and contained.
 */
import { describe, expect, test } from "vitest";
import { AdmissionError } from "#kernel/wasm/errors.ts";
import type { Admitted } from "#kernel/wasm/policy.ts";
import { admitHostile } from "./admission.ts";
import { generate, handlesOf } from "./generator.ts";
import { Random } from "./random.ts";
import { smallModule } from "./refused-code.ts";
import { type Call, Runner } from "./runner.ts";
import { structureViolation } from "./structure.ts";
import { World } from "./world.ts";

const world = new World();
const runner = new Runner(world);
const handles = handlesOf(world);

/** Calls of all exports, with own handles where an i32 is wanted. */
function callsOf(admitted: Admitted): Call[] {
  return [...admitted.exports].map(([name, { params }]) => ({
    name,
    args: params.map((type) => (type === 0x7e ? 5n : world.handle("node"))),
  }));
}

/** Admits and runs; false when refused. Throws when anything else than a refusal or a contained run comes out. */
function survives(bytes: Uint8Array, what: string): boolean {
  let admitted: Admitted;
  try {
    admitted = admitHostile(bytes);
  } catch (error) {
    if (error instanceof AdmissionError) return false;
    throw new Error(`${what}: not an AdmissionError but ${String(error)}`, { cause: error });
  }
  world.setEpoch(1);
  const outcome = runner.runLowered(admitted, new WebAssembly.Module(admitted.bytes), callsOf(admitted));
  world.setEpoch(0);
  const broken = world.violation() ?? world.brokenInvariant() ?? structureViolation(world);
  if (broken !== null || world.leaks(outcome.memory)) throw new Error(`${what}: ${broken ?? "a secret leaked"}`);
  world.resetOpen();
  return true;
}

describe("damaged modules", () => {
  const whole = smallModule();

  test("the whole module is admitted and runs", () => {
    expect(survives(whole, "whole")).toBe(true);
  });

  test("cut off at every byte", () => {
    const admitted = Array.from({ length: whole.length }, (_, n) => n).filter((n) =>
      survives(whole.subarray(0, n), `first ${n} bytes`),
    );
    // What remains after the last section boundaries is a module, with less in it: the header alone, for one.
    expect(admitted).toContain(8);
    expect(admitted.length).toBeLessThan(12);
  });

  test("every bit flipped", () => {
    let admitted = 0;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bytes = Uint8Array.from(whole);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      if (survives(bytes, `bit ${bit} flipped`)) admitted++;
    }
    expect(admitted).toBeGreaterThan(0);
  });

  test("every byte replaced by extreme values", () => {
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0x00, 0x0b, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]) {
        survives(whole.with(at, value), `byte ${at} = ${value}`);
      }
    }
  });

  test("generated modules with random bytes changed, removed and repeated", () => {
    const random = new Random(7);
    for (let i = 0; i < 600; i++) {
      const bytes = [...generate(i, handles).bytes];
      for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(bytes.length);
        const change = random.below(3);
        if (change === 0) bytes[at] = random.below(256);
        else if (change === 1) bytes.splice(at, 1 + random.below(4));
        else bytes.splice(at, 0, ...bytes.slice(at, at + 1 + random.below(8)));
      }
      survives(Uint8Array.from(bytes), `generated module ${i}, damaged`);
    }
  });
});
