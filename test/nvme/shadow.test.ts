/**
 * The shadow over the NVMe driver: the driver dies or hangs with requests in flight, and its clients see a delay.
 *
 * On both hosts of the model: in this thread, and in one of its own. `SAMARA_SEED` repeats a run.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { answered, ModelClient, random, type BlockDeviceClient, type Records } from "../recovery/disk.ts";
import { makeLab, QUICK, reaches, FAILED, type NvmeLab, type Options } from "./lab.ts";

const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
const CRASHES = Number(process.env["SAMARA_NVME_CRASHES"] ?? 40);
let records: Records;
let lab: NvmeLab;
let disk: BlockDeviceClient;
beforeAll(async () => {
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
});
afterEach(async () => {
  await lab.close();
});

const SHADOW = {
  shadow: { domain: "block-shadow", arena: "dma", uses: { disk: "nvme.disk", driver: "supervisor.nvme" } },
};

async function start(options: Options): Promise<ModelClient> {
  lab = await makeLab(options, SHADOW);
  lab.system.heap.useArena("dma");
  disk = lab.system.client<BlockDeviceClient>("shadow.disk");
  return new ModelClient(lab.system, records, "shadow.disk", 200, random(SEED));
}

const lives = (): number => lab.system.domains().find((d) => d.name === "nvme")!.faults + 1;

describe.each(["stepped", "worker"])("the model in a %s host", (host) => {
  const options: Options = { ...QUICK, host };

  test(`${CRASHES} crashes with requests in flight: every acknowledged write is read back`, async () => {
    const one = await start(options);
    const next = random(SEED ^ 0x5bd1e995);
    while (lives() <= CRASHES) {
      for (let i = 0; i < 8; i++) {
        const way = next(4);
        if (way === 0) one.submit();
        else if (way === 1) one.poll();
        else if (way === 2) one.plain();
        // So that timers, interrupts and `step` have their turn, too.
        else await new Promise(setImmediate);
      }
      lab.system.crash("nvme", "by the test");
    }
    one.drain();
    one.verify();
    expect(one.errors, `seed ${SEED}`).toBe(0);
  });

  test("128 requests in flight, and a new life whose start takes 100 ms", async () => {
    const one = await start({ ...options, readyMs: 100, readUs: 500 });
    one.plain();
    for (let batch = 0; batch < 4; batch++) {
      const deque = one.deque();
      for (let i = 0; i < 32; i++) deque.push(one.request(batch * 32 + i, null));
      const back = answered(disk.submit(deque));
      expect(back.length).toBe(0);
      lab.system.heap.free(back.handle);
    }
    lab.system.crash("nvme", "with 128 in flight");
    const seen = new Set<number>();
    for (const end = performance.now() + 30_000; seen.size < 128 && performance.now() < end;) {
      const done = answered(disk.poll(one.deque()));
      for (let request = done.pop(); request !== null; request = done.pop()) {
        expect(request.status).toBe(0);
        seen.add(Number(request.block));
        lab.system.heap.free(request.handle);
      }
      lab.system.heap.free(done.handle);
    }
    expect(seen.size).toBe(128);
    // A plain call too waits for the start.
    lab.system.crash("nvme", "before a plain call");
    one.plain();
    expect(one.errors).toBe(0);
    expect(lives()).toBe(3);
  });

  test.each(["lost-completion:after=3", "hang:after=5", "hang:after=5,until=function-reset"])(
    "the device fails: %s",
    async (fault) => {
      const one = await start(options);
      one.plain();
      lab.backend.inject(fault);
      for (let i = 0; i < 3; i++) one.submit();
      while (one.inFlight.size > 0) {
        one.poll();
        await new Promise(setImmediate);
      }
      lab.backend.inject(fault.replace(/after=\d/, "after=0"));
      one.plain();
      one.plain();
      one.verify();
      expect(one.errors).toBe(0);
      // What the driver mends itself needs no new life.
      expect(lives()).toBe(1);
    },
  );

  test("the device is pulled out: clients get errors, and nothing is lost", async () => {
    const one = await start(options);
    one.plain();
    lab.backend.inject("removal:after=5");
    for (let i = 0; i < 3; i++) one.submit();
    await reaches(lab, FAILED);
    while (one.inFlight.size > 0) {
      one.poll();
      await new Promise(setImmediate);
    }
    expect(one.errors).toBeGreaterThan(0);
    expect(disk.read(one.request(3, null))).toEqual({ ok: false, error: "Io" });
  });
});
