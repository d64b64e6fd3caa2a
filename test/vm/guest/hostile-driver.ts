/**
 * Runs in a guest: a hostile driver domain on a real function of vfio-pci, behind the IOMMU.
 *
 *     node test/vm/guest/hostile-driver.ts BDF OTHER
 *
 * The driver is a puppet (test/support/puppet.ts), so it does what no compiler would emit. After each attack another
 * domain's object in the same arena is as it was, and so are the rings of its device, OTHER, and the ledger's record of
 * that object; the driver is dead by a rule, and the device answers its next life.
 * Prints what each attack was ended with, as JSON.
 */
import { buildNative } from "#tools/native/build.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { openVfio } from "#drivers/vfio/vfio.ts";
import { GENERATION_BITS, OBJECT_BYTES, OBJECTS } from "#shared-heap/layout.ts";
import { makeBus, type Puppet } from "../../support/puppet.ts";

const CANARY = 0x5afe5afe;
const CC = 0x14;
const CSTS = 0x1c;
const ASQ = 0x28;
/** CC: enabled, 64-byte submission and 16-byte completion entries. */
const ENABLED = 0x460001;
const READ = 2;
const ENTRIES = 8;
const PATIENCE_MS = 30_000;

const backends = process.argv.slice(2).map((bdf) => openVfio(loadNative(buildNative()), bdf));
const bus = await makeBus(backends, ["driver", "victim"], { limits: { sliceMs: PATIENCE_MS } });
const { system, faults } = bus.lab;
const driver = bus.puppets.driver!;
const victim = bus.puppets.victim!;
const canary = victim.make("Page");
for (let at = 0; at < 4096; at += 64) victim.ask("poke", canary, at, CANARY);
victim.ask("claim", 1);
done("open", victim.device("open"));
done("createQueue", victim.device("createQueue", 0, ENTRIES, 4096));
const { kernel } = system;
/** Where the rings of the victim's device lie, and the ledger's record of the canary. */
const ring = kernel.devices.all[1]!.queue(0)!.sq;
const record = OBJECTS + (canary >>> GENERATION_BITS) * OBJECT_BYTES;
const untouched = (): string =>
  [kernel.heap.bytes.slice(ring, ring + 4096), kernel.ledger.slice(record >> 2, (record + OBJECT_BYTES) >> 2)].join(";");
const before = untouched();

/** Repeats until it answers something, letting the host have its turn. */
async function until<T>(what: string, attempt: () => T | null): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    const found = attempt();
    if (found !== null) return found;
    if (Date.now() > end) throw new Error(`${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function done(what: string, answer: number[] | string): number[] {
  if (typeof answer === "string") throw new Error(`${what}: ${answer}`);
  return answer;
}

/** One command, to its completion. @returns the completion's words */
async function command(puppet: Puppet, queue: number, words: Parameters<Puppet["submit"]>[1]): Promise<number[]> {
  if (puppet.submit(queue, words) !== 1) throw new Error("the command was not taken");
  const [completion] = await until("a completion", () => {
    const found = puppet.complete(queue);
    return found.length === 0 ? null : found;
  });
  if (completion![3] !== 0) throw new Error(`opcode ${words.opcode}: status ${completion![3]}`);
  return completion!;
}

/** Makes the device run for the driver's present life, with one I/O queue. */
async function bringUp(): Promise<void> {
  driver.batch = 0;
  driver.ask("claim", 0);
  await until("open", () => (driver.device("open") === "Busy" ? null : true));
  done("createQueue", driver.device("createQueue", 0, ENTRIES, 4096));
  done("CC", driver.device("write32", 0, CC, ENABLED));
  await until("ready", () => ((done("CSTS", driver.device("read32", 0, CSTS))[0]! & 1) === 1 ? true : null));
  done("createQueue", driver.device("createQueue", 1, ENTRIES, 65536));
  await command(driver, 0, { opcode: 5, id: 0, dw: { 10: 1 | ((ENTRIES - 1) << 16), 11: 1 } });
  await command(driver, 0, { opcode: 1, id: 0, dw: { 10: 1 | ((ENTRIES - 1) << 16), 11: (1 << 16) | 1 } });
  const page = driver.make("Page");
  const [, back] = await command(driver, 0, { opcode: 6, id: 1, nsid: 1, object: page });
  driver.ask("dispose", back!);
}

/** What happens when the driver does this: the rule that ended it. */
async function attack(name: string, act: () => void): Promise<string> {
  await bringUp();
  try {
    act();
    throw new Error(`${name}: nothing happened`);
  } catch (error) {
    if (!/crashed/.test((error as Error).message)) throw error;
  }
  const fault = await until("the report", () => faults[0] ?? null);
  await until("silence", () => (system.devices()[0]!.state === "closed" ? true : null));
  for (let at = 0; at < 4096; at += 64)
    if (victim.ask("peek", canary, at) !== CANARY) throw new Error(`${name}: the canary changed at ${at}`);
  if (untouched() !== before) throw new Error(`${name}: the other device's rings or the ledger changed`);
  // Memory that the dead driver's command was about is somebody else's now, and nothing comes into it.
  const next = victim.make("Page");
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let at = 0; at < 4096; at += 64)
    if (victim.ask("peek", next, at) !== 0) throw new Error(`${name}: somebody wrote into a new object`);
  victim.ask("dispose", next);
  bus.lab.audit();
  if (faults.length !== 1 || fault.domain !== "driver") throw new Error(`${name}: ${JSON.stringify(faults)}`);
  faults.length = 0;
  system.restart("driver");
  return `${fault.kind}: ${fault.message}`;
}

const read = (object: number, blocks = 8, dw: Record<number, number> = {}) => ({
  opcode: READ,
  id: 3,
  nsid: 1,
  object,
  dw: { 12: blocks - 1, ...dw },
});

const attacks: Record<string, string> = {
  foreign: await attack("foreign", () => driver.submit(1, read(canary))),
  forged: await attack("forged", () => driver.submit(1, read(0x7fffffff))),
  freed: await attack("freed", () => {
    const page = driver.make("Page");
    driver.ask("dispose", page);
    driver.submit(1, read(page));
  }),
  early: await attack("early", () => {
    const page = driver.make("Page");
    driver.submit(1, read(page));
    driver.ask("peek", page, 0);
  }),
  long: await attack("long", () => driver.submit(1, read(driver.make("Page"), 16))),
  address: await attack("address", () => driver.submit(1, read(driver.make("Page"), 8, { 8: 0x1000 }))),
  ring: await attack("ring", () => driver.device("write32", 0, ASQ, 0x1000)),
  othersRing: await attack("othersRing", () => driver.submit(1, read(ring))),
  othersRingByAddress: await attack("othersRingByAddress", () =>
    driver.submit(1, read(driver.make("Page"), 8, { 8: ring })),
  ),
  ledger: await attack("ledger", () => driver.submit(1, read(record))),
  ledgerByAddress: await attack("ledgerByAddress", () =>
    driver.submit(1, read(driver.make("Page"), 8, { 8: record, 9: 1 })),
  ),
};

// An honest life can still use the device.
await bringUp();
const page = driver.make("Page");
const [, back] = await command(driver, 1, read(page));
const contents = driver.ask("peek", back!, 0) >>> 0;
await bus.lab.close();
process.stdout.write(`${JSON.stringify({ attacks, contents })}\n`);
