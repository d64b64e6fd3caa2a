/**
 * A driver that writes anything anywhere: the model never throws, each step ends, and no byte outside the windows
 * changes.
 */
import { expect, test } from "vitest";
import { Rig, RIG_BYTES, WINDOW } from "../../../test/support/nvme-rig.ts";

/** Up to 300, where more operations are asked for. */
const ROUNDS = Math.min(300, Math.max(40, Number(process.env.SAMARA_PROPERTY_OPS ?? 200_000) / 2000));
const STEPS = 400;
const REGISTERS = [0, 4, 8, 0xc, 0x10, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0xffc];
const FAULTS = [
  "error",
  "lost-completion",
  "late-completion:delayMs=3,stubborn=1",
  "corrupt-completion:field=sq",
  "hang",
  "hang:until=function-reset",
  "power-cut",
  "power-cut:after=3,seed=5",
];

function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Mostly numbers that mean something. */
function word(pick: (limit: number) => number): number {
  const kinds = [0, 1, 2, 0xf, 0x1000, 0x1008, 0xffff, 0x10000, 0xffff_ffff, 0x8000_0000, WINDOW, RIG_BYTES];
  switch (pick(4)) {
    case 0:
      return kinds[pick(kinds.length)]!;
    case 1:
      return WINDOW + pick(RIG_BYTES - 2 * WINDOW);
    case 2:
      return WINDOW + pick(64) * 4096;
    default:
      return pick(0x1_0000_0000);
  }
}

/** A command that is right in most of its fields, or in none. */
function command(rig: Rig, pick: (limit: number) => number): number[] {
  if (pick(8) === 0) return Array.from({ length: 16 }, () => word(pick));
  const opcode = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x80][pick(11)]!;
  const rest = Array.from({ length: 6 }, () => (pick(2) === 0 ? pick(16) : word(pick)));
  const words = rig.command(opcode, pick(3), word(pick), word(pick), rest);
  if (pick(20) === 0) words[pick(16)] = word(pick);
  return words;
}

test("random registers, doorbells, commands and faults", async () => {
  let completions = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const pick = random(round);
    const rig = new Rig({ bytes: 64 << 10, lbaBytes: round % 2 === 0 ? 512 : 4096, readUs: round % 3, queues: 3 });
    rig.bytes.fill(0x5a);
    rig.bringUp();
    for (let i = 0; i < STEPS; i++) {
      const queue = pick(2) === 0 ? rig.admin : rig.io;
      const choice = pick(100);
      if (choice < 60) {
        queue.put(command(rig, pick));
        if (pick(3) === 0) queue.ring();
      } else if (choice < 70) rig.write(0x1000 + pick(16) * 4, pick(2) === 0 ? pick(20) : word(pick));
      else if (choice < 73) rig.write(REGISTERS[pick(REGISTERS.length)]!, word(pick));
      else if (choice < 75) rig.backend.configWrite(pick(64) * 4, 4, word(pick));
      else if (choice < 77) rig.backend.inject(FAULTS[pick(FAULTS.length)]!);
      else if (choice < 78) await rig.backend.quiesce();
      else if (choice < 82) rig.bringUpAnyhow();
      else completions += queue.poll().length;
      rig.time += pick(3);
      rig.backend.step();
    }
    const outside = [rig.bytes.subarray(0, WINDOW), rig.bytes.subarray(RIG_BYTES - WINDOW)];
    for (const part of outside) expect(part.every((byte) => byte === 0x5a)).toBe(true);
  }
  // It was a driver, now and then.
  expect(completions).toBeGreaterThan(ROUNDS * 10);
});
