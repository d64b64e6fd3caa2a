/**
 * A hostile driver on the NVMe model, in the kernel's thread and in one of its own: real DMA, real completions.
 *
 * Around it lie another domain's objects, which are looked at after each attack; no test looks at a time, only at what
 * came after what.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelBackend, type ModelBackend } from "#drivers/models/backend.ts";
import { ADDRESS, BLOCK } from "#shared-heap/records.ts";
import { makeBus, type Bus, type Command, type Puppet } from "../support/puppet.ts";

const FAST = { readyMs: 0, mmioReadNs: 0, bytes: 1 << 20 };
const CSTS = 0x1c;
const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(["stepped", "worker"])("%s", (host) => {
  let bus: Bus;
  let model: ModelBackend;
  let driver: Puppet;
  let other: Puppet;
  beforeEach(async () => {
    model = modelBackend("model:nvme", { ...FAST, host });
    bus = await makeBus([model], ["driver", "other"], { arenas: { dma: 1 << 20 } });
    driver = bus.puppets.driver!;
    other = bus.puppets.other!;
    await open();
  });
  afterEach(async () => {
    bus.lab.audit();
    await bus.lab.close();
    expect(bus.lab.system.kernel.heap.check()).toEqual([]);
  });

  /** Reads CSTS and gives others the thread until `done`. */
  async function until(done: () => boolean): Promise<void> {
    for (let i = 0; i < 5000; i++) {
      if (done()) return;
      driver.device("read32", 0, CSTS);
      await turn();
    }
    throw new Error("the device does not answer");
  }
  /** Posts a command and waits for its completion, as words. */
  async function run(queue: number, command: Command): Promise<number[]> {
    expect(driver.submit(queue, command)).toBe(1);
    let answer: number[][] = [];
    await until(() => (answer = driver.complete(queue)).length > 0);
    expect(answer).toHaveLength(1);
    return answer[0]!;
  }
  const ready = (): boolean => ((driver.device("read32", 0, CSTS) as number[])[0]! & 1) === 1;

  /** From claim to one I/O queue whose namespace is known. */
  async function open(): Promise<void> {
    driver.batch = 0;
    driver.ask("claim", 0);
    expect(driver.device("open")).toHaveLength(6);
    driver.device("createQueue", 0, 8, 4096);
    driver.device("write32", 0, 0x14, 0x460001);
    await until(ready);
    const page = driver.make("Page");
    const [, handle, , status] = await run(0, { opcode: 6, id: 1, nsid: 1, object: page });
    expect(status).toBe(0);
    driver.ask("dispose", handle);
    driver.device("createQueue", 1, 8, 65536);
    for (const [opcode, dw11] of [
      [5, 1],
      [1, (1 << 16) | 1],
    ] as const)
      expect((await run(0, { opcode, id: 1, dw: { 10: 1 | (7 << 16), 11: dw11 } }))[3]).toBe(0);
  }

  const io = (opcode: number, object: number, change: Partial<Command> = {}): Command => ({
    opcode,
    id: 2,
    nsid: 1,
    object,
    dw: { 12: 7 },
    ...change,
  });

  test("what was written is read back, through one page, two, and a list", async () => {
    for (const [blocks, offset] of [
      [7, 0],
      [7, 2048],
      [63, 1024],
    ] as const) {
      const out = driver.make("Large");
      for (let at = 0; at < (blocks + 1) * 512; at += 256) driver.ask("poke", out, offset + at, at + blocks);
      const [, sent, , status] = await run(1, io(1, out, { offset, dw: { 12: blocks } }));
      expect(status).toBe(0);
      const [, got] = await run(1, io(2, driver.make("Large"), { offset, dw: { 12: blocks } }));
      for (let at = 0; at < (blocks + 1) * 512; at += 256)
        expect(driver.ask("peek", got, offset + at)).toBe(at + blocks);
      for (const handle of [sent, got]) driver.ask("dispose", handle);
    }
  });

  const attacks: [string, (victim: number) => void][] = [
    ["another domain's object", (victim) => void driver.submit(1, io(2, victim))],
    [
      "its own object, and another's address as PRP2",
      (victim) => {
        const at = bus.lab.system.kernel.heap.at(ADDRESS, victim >>> 10);
        driver.submit(1, io(2, driver.make("Page"), { offset: 4, dw: { 8: at, 12: 7 } }));
      },
    ],
    ["more than its object has", () => void driver.submit(1, io(2, driver.make("Small")))],
    [
      "an admin queue elsewhere",
      (victim) => void driver.device("write32", 0, 0x28, bus.lab.system.kernel.heap.at(ADDRESS, victim >>> 10)),
    ],
    ["a doorbell", () => void driver.device("write32", 0, 0x1008, 3)],
    [
      "an object that it gave up early",
      () => {
        const page = driver.make("Page");
        driver.submit(1, io(2, page));
        driver.ask("dispose", page);
      },
    ],
  ];
  test.each(attacks)("attack: %s", async (_name, attack) => {
    const victim = other.make("Page");
    for (let at = 0; at < 4096; at += 64) other.ask("poke", victim, at, 0x5afe);
    expect(() => attack(victim)).toThrow("crashed");
    for (let i = 0; i < 10; i++) await turn();
    expect(bus.lab.faults.map((f) => [f.domain, f.kind])).toEqual([["driver", "rule"]]);
    for (let at = 0; at < 4096; at += 64) expect(other.ask("peek", victim, at)).toBe(0x5afe);
    expect(bus.lab.system.devices()[0]).toMatchObject({ state: "closed", driver: null, faults: 0 });
    bus.lab.system.restart("driver");
    await open();
  });

  test.each(["late-completion:delayMs=20", "late-completion:delayMs=20,stubborn=1"])(
    "%s into a dead driver's buffer lands in nobody's new object",
    async (fault) => {
      const page = driver.make("Large");
      for (let at = 0; at < 65536; at += 4096) driver.ask("poke", page, at, 0x5afe);
      const [, full] = await run(1, io(1, page, { dw: { 12: 127 } }));
      const { heap } = bus.lab.system.kernel;
      const at = heap.at(ADDRESS, full! >>> 10);
      model.inject(fault);
      driver.submit(1, io(2, full!, { dw: { 12: 127 } }));
      driver.device("read32", 0, CSTS);
      expect(() => driver.ask("trap")).toThrow("crashed");
      await turn();
      expect(bus.lab.system.devices()[0]!.state).toBe("closed");
      const blocks: [number, number][] = [];
      for (let made = other.make("Page"); made !== 0; made = other.make("Page"))
        blocks.push([heap.at(ADDRESS, made >>> 10), heap.at(BLOCK, made >>> 10)]);
      expect(blocks.some(([b, n]) => at >= b && at < b + n)).toBe(true);
      await turn(60);
      for (const [block, bytes] of blocks)
        expect(heap.bytes.slice(block, block + bytes).every((b) => b === 0)).toBe(true);
    },
  );
});
