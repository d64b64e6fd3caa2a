/**
 * A hostile driver on the NVMe model, in the kernel's thread and in one of its own: real DMA, real completions.
 *
 * Around it lie another domain's objects, which are looked at after each attack; no test looks at a time, only at what
 * came after what.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelBackend, type ModelBackend } from "#drivers/models/backend.ts";
import { BLOCK } from "#shared-heap/records.ts";
import { ATTACKS, HostileRig, io, turn } from "../support/hostile-rig.ts";

const FAST = { readyMs: 0, mmioReadNs: 0, bytes: 1 << 20 };

describe.each(["stepped", "worker"])("%s", (host) => {
  let rig: HostileRig;
  let model: ModelBackend;
  beforeEach(async () => {
    model = modelBackend("model:nvme", { ...FAST, host });
    rig = await HostileRig.make(model);
  });
  afterEach(async () => {
    const { lab } = rig.bus;
    lab.audit();
    await lab.close();
    expect(lab.system.kernel.heap.check()).toEqual([]);
  });

  test("what was written is read back, through one page, two, and a list", async () => {
    const { driver } = rig;
    for (const [blocks, offset] of [
      [7, 0],
      [7, 2048],
      [63, 1024],
    ] as const) {
      const out = driver.make("Large");
      for (let at = 0; at < (blocks + 1) * 512; at += 256) driver.ask("poke", out, offset + at, at + blocks);
      const [, sent, , status] = await rig.run(1, io(1, out, { offset, dw: { 12: blocks } }));
      expect(status).toBe(0);
      const [, got] = await rig.run(1, io(2, driver.make("Large"), { offset, dw: { 12: blocks } }));
      for (let at = 0; at < (blocks + 1) * 512; at += 256)
        expect(driver.ask("peek", got, offset + at)).toBe(at + blocks);
      for (const handle of [sent, got]) driver.ask("dispose", handle);
    }
  });

  test("attacks: each is the driver's end, by name, and nobody else's", async () => {
    for (const [name, message, attack] of ATTACKS) {
      const { said, wrong } = await rig.attack(attack);
      expect([name, said.length, wrong]).toEqual([name, 1, []]);
      expect(said[0]).toMatch(/^driver: (rule|trap): /);
      expect(said[0]).toMatch(message);
    }
  });

  test.each(["late-completion:delayMs=20", "late-completion:delayMs=20,stubborn=1"])(
    "%s into a dead driver's buffer lands in nobody's new object",
    async (fault) => {
      const { driver, other, bus } = rig;
      const page = driver.make("Large");
      for (let at = 0; at < 65536; at += 4096) driver.ask("poke", page, at, 0x5afe);
      const [, full] = await rig.run(1, io(1, page, { dw: { 12: 127 } }));
      const { heap } = bus.lab.system.kernel;
      const at = rig.addressOf(full!);
      model.inject(fault);
      driver.submit(1, io(2, full!, { dw: { 12: 127 } }));
      driver.device("read32", 0, 0x1c);
      expect(() => driver.ask("trap")).toThrow("crashed");
      await turn();
      expect(bus.lab.system.devices()[0]!.state).toBe("closed");
      const blocks: [number, number][] = [];
      for (let made = other.make("Page"); made !== 0; made = other.make("Page"))
        blocks.push([rig.addressOf(made), heap.at(BLOCK, made >>> 10)]);
      expect(blocks.some(([b, n]) => at >= b && at < b + n)).toBe(true);
      await turn(60);
      for (const [block, bytes] of blocks)
        expect(heap.bytes.slice(block, block + bytes).every((b) => b === 0)).toBe(true);
    },
  );
});
