/**
 * Power cuts at random moments: after one, each sector has a state that the specification allows, and states that a
 * lucky device would never show do occur.
 */
import { expect, test } from "vitest";
import { Rig } from "../../../test/support/nvme-rig.ts";

const SECTORS = 64;
const SECTOR = 512;
const WRITE = 1;
const READ = 2;
const ZEROES = 8;
const FUA = 1 << 30;
/** Up to 300, where more operations are asked for. */
const ROUNDS = Math.min(300, Math.max(40, Number(process.env.SAMARA_PROPERTY_OPS ?? 200_000) / 2000));

/** What each sector may hold: its last lasting version, and those since. The last is what a read gives now. */
class Versions {
  readonly allowed: number[][] = Array.from({ length: SECTORS }, () => [0]);

  write(sector: number, value: number, lasting: boolean): void {
    if (lasting) this.allowed[sector] = [value];
    else this.allowed[sector]!.push(value);
  }

  /** A command that power failed in: either version, whatever it asked for. */
  torn(sector: number, value: number): void {
    this.allowed[sector]!.push(value);
  }

  flush(): void {
    this.allowed.forEach((versions, i) => (this.allowed[i] = [versions.at(-1)!]));
  }

  settle(sector: number, value: number): void {
    this.allowed[sector] = [value];
  }
}

function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test.each([512, 4096])("cuts between and in the middle of commands, blocks of %i bytes", (lbaBytes) => {
  const per = lbaBytes / SECTOR;
  const seen = { lost: 0, kept: 0, torn: 0, reordered: 0, early: 0 };
  for (let round = 1; round <= ROUNDS; round++) {
    const pick = random(round);
    const rig = new Rig({ bytes: SECTORS * SECTOR, lbaBytes, seed: round });
    rig.bringUp();
    const data = rig.allocate(8192);
    const model = new Versions();
    let value = 0;
    const writeSome = (cut: boolean): void => {
      const blocks = 1 + pick(8 / per);
      const lba = pick(SECTORS / per - blocks + 1);
      const zero = pick(6) === 0;
      const fua = pick(5) === 0;
      value = (value % 255) + 1;
      rig.bytes.fill(value, data, data + blocks * lbaBytes);
      rig.io.put(rig.transfer(zero ? ZEROES : WRITE, lba, blocks, data, data + 4096, fua ? FUA : 0));
      rig.io.ring();
      rig.backend.step();
      for (let s = lba * per; s < (lba + blocks) * per; s++) {
        if (cut) model.torn(s, zero ? 0 : value);
        else model.write(s, zero ? 0 : value, fua);
      }
      if (!cut) expect(rig.io.poll().map((c) => c.status)).toEqual([0]);
    };
    for (let i = pick(30); i > 0; i--) {
      if (pick(8) === 0) {
        expect(rig.io.run(rig.command(0, 1, 0)).status).toBe(0);
        model.flush();
      } else writeSome(false);
    }
    const before = model.allowed.map((versions) => versions.slice());
    if (pick(2) === 0) {
      rig.backend.inject(`power-cut:after=0,queue=1,seed=${round}`);
      writeSome(true);
    } else rig.backend.inject(`power-cut:seed=${round}`);
    rig.bringUp();
    for (let s = 0; s < SECTORS; s += per) {
      expect(rig.io.run(rig.transfer(READ, s / per, 1, data)).status).toBe(0);
      for (let i = 0; i < per; i++) {
        const bytes = rig.bytes.subarray(data + i * SECTOR, data + (i + 1) * SECTOR);
        const found = bytes[0]!;
        // Never torn within a block, never a value that was not written.
        expect(bytes.every((byte) => byte === found)).toBe(true);
        expect(model.allowed[s + i]).toContain(found);
        const versions = before[s + i]!;
        if (versions.length > 1 && found === versions[0]) seen.lost++;
        if (versions.length > 1 && found === versions.at(-1)) seen.kept++;
        if (versions.length > 2 && found === versions[1]) seen.early++;
        model.settle(s + i, found);
      }
    }
  }
  expect(seen.lost).toBeGreaterThan(0);
  expect(seen.kept).toBeGreaterThan(0);
  expect(seen.early).toBeGreaterThan(0);
});

test("a write of several blocks is torn between them, and a later one can be there without an earlier one", () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const rig = new Rig({ bytes: 4096 });
    rig.bringUp();
    const data = rig.allocate(4096);
    rig.bytes.fill(1, data, data + 1024);
    rig.io.run(rig.transfer(WRITE, 0, 2, data));
    rig.bytes.fill(2, data, data + 1024);
    rig.io.run(rig.transfer(WRITE, 4, 2, data));
    rig.backend.inject(`power-cut:seed=${seed}`);
    rig.bringUp();
    rig.io.run(rig.transfer(READ, 0, 8, data));
    outcomes.add([0, 1, 4, 5].map((sector) => rig.bytes[data + sector * SECTOR]).join(""));
  }
  expect(outcomes.size).toBe(16);
});

test("a flush that power fails in has flushed nothing for certain, one before has", () => {
  const lost = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const rig = new Rig({ bytes: 4096 });
    rig.bringUp();
    const data = rig.allocate(4096);
    const write = (value: number): void => {
      rig.bytes.fill(value, data, data + SECTOR);
      rig.io.run(rig.transfer(WRITE, 0, 1, data));
    };
    write(1);
    rig.io.run(rig.command(0, 1, 0));
    write(2);
    rig.backend.inject(`power-cut:opcode=0,seed=${seed}`);
    rig.io.put(rig.command(0, 1, 0));
    rig.io.ring();
    rig.bringUp();
    rig.io.run(rig.transfer(READ, 0, 1, data));
    lost.add(rig.bytes[data]!);
  }
  expect(lost).toEqual(new Set([1, 2]));
});
