/**
 * Random drivers and devices: after any sequence of what either can do, ledger, device layer and heap agree, another
 * domain's objects are untouched, and in the end nothing is anybody's any more.
 *
 * `SAMARA_PROPERTY_SEED` repeats a run. The model is kept small on purpose: which handles a driver should have, and
 * whether it should have died, are the attack tests' business.
 */
import { expect, test } from "vitest";
import { FIRST_DOMAIN, OWNER_DEVICE } from "#shared-heap/layout.ts";
import { random } from "#tools/campaign/random.ts";
import { bringUp, identify, makeBus, type Command, type Kind, type Puppet } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

const SEED = Number(process.env["SAMARA_PROPERTY_SEED"] ?? 20_261_124);
const OPERATIONS = 3000;
const NOTHING = { objects: 0, bytes: 0 };

class Run {
  readonly #pick = random(SEED);
  readonly #device: ScriptedDevice;
  readonly #driver: Puppet;
  readonly #victim: number;
  readonly #restart: () => void;
  /** Handles that the driver has, and some that it had; command identifiers under way, by queue. */
  #handles: number[] = [];
  #stale: number[] = [];
  #busy: Set<number>[] = [];
  deaths = 0;
  completed = 0;

  constructor(device: ScriptedDevice, driver: Puppet, victim: number, restart: () => void) {
    this.#device = device;
    this.#driver = driver;
    this.#victim = victim;
    this.#restart = restart;
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#pick(of.length)]!;
  }

  /** One thing that the driver or the device does; whether the driver lives. */
  step(): boolean {
    const what = this.#one(this.#pick(12) === 0 ? this.#seldom : this.#often);
    try {
      what();
      return true;
    } catch (error) {
      if (!/crashed|dead/.test(String(error))) throw error;
      this.deaths++;
      return false;
    }
  }

  /** A new life, mostly on a device that runs. */
  begin(): void {
    this.#forget();
    if (this.#pick(8) !== 0) this.#bringUp();
  }

  #forget(): void {
    this.#handles = [];
    this.#busy = [new Set(), new Set(), new Set()];
    this.#driver.batch = 0;
  }

  #make(): void {
    const made = this.#driver.make(this.#one<Kind>(["Page", "Page", "Large", this.#rarely() ? "Small" : "Page"]));
    if (made !== 0) this.#handles.push(made);
  }

  #rarely(): boolean {
    return this.#pick(60) === 0;
  }

  #object(): number {
    if (this.#rarely()) return this.#one([this.#victim, 0, 5000, this.#pick(1 << 30), ...this.#stale]);
    const [handle] = this.#handles.splice(this.#pick(this.#handles.length), 1);
    if (handle === undefined) return 0;
    this.#stale = [handle, ...this.#stale].slice(0, 20);
    return handle;
  }

  #submit(): void {
    const queue = this.#pick(10) === 0 ? 0 : 1;
    const commands: Command[] = [];
    for (let n = 1 + this.#pick(4); n > 0; n--) {
      const free = [0, 1, 2, 3, 4, 5, 6, 7].filter((id) => !this.#busy[queue]!.has(id));
      const id = this.#rarely() || free.length === 0 ? this.#pick(9) : this.#one(free);
      this.#busy[queue]!.add(id);
      const object = this.#object();
      const io = { opcode: this.#one([2, 2, 1, 5]), dw: { 12: this.#rarely() ? 63 : this.#one([0, 7]) } };
      const admin = { opcode: this.#one([6, 2]), dw: { 10: this.#one([0, 1]) } };
      const kind = object === 0 ? { opcode: queue === 0 ? 12 : 0 } : queue === 0 ? admin : io;
      commands.push({ nsid: 1, id, object, offset: this.#rarely() ? this.#pick(5000) : 0, ...kind });
    }
    this.#driver.submit(queue, ...commands);
  }

  #complete(): void {
    const queue = this.#rarely() ? 2 : this.#pick(2);
    const answer = this.#driver.device("complete", queue, (this.#driver.batch ||= this.#driver.make("DmaBatch")));
    if (typeof answer === "string") return;
    for (let i = 0; i < answer[0]!; i++) {
      this.completed++;
      const handle = this.#driver.ask("peek", this.#driver.batch, i * 16 + 4);
      this.#busy[queue]!.delete(this.#driver.ask("peek", this.#driver.batch, i * 16 + 8) & 0xffff);
      if (handle !== 0) this.#handles.push(handle);
    }
  }

  /** The device answers what it was given, mostly. */
  #answer(): void {
    const queue = this.#one(Object.keys(this.#device.rings)) ?? "0";
    const ring = this.#device.rings[Number(queue)];
    if (ring === undefined || ring.cq === 0) return;
    if (this.#pick(20) === 0) return this.#device.complete(this.#pick(10), { queue: Number(queue), as: this.#pick(3) });
    if (ring.sq === 0 || ring.head === ring.tail) return;
    this.#device.answer(Number(queue), this.#one([0, 0, 0, 0x281]));
  }

  /** What a domain of this kind would do in order, so that there is something to break. */
  #bringUp(): void {
    if (this.#device.hold) this.#device.release();
    this.#busy = [new Set(), new Set(), new Set()];
    try {
      bringUp(this.#driver, this.#device, true);
      this.#handles.push(identify(this.#driver, this.#device));
    } catch (error) {
      if (/crashed|dead/.test(String(error))) throw error;
    }
  }

  readonly #often = [
    () => this.#make(),
    () => this.#submit(),
    () => this.#submit(),
    () => this.#complete(),
    () => this.#complete(),
    () => this.#answer(),
    () => this.#answer(),
    () => void (this.#device.running || this.#bringUp()),
    () => void (this.#handles.length > 30 && this.#driver.ask("dispose", this.#handles.pop())),
  ];
  readonly #seldom = [
    () => this.#bringUp(),
    () => this.#bringUp(),
    () => void this.#driver.device("createQueue", this.#pick(3), this.#one([2, 8, 16]), this.#one([0, 4096, 65536])),
    () => void this.#driver.device("destroyQueue", this.#pick(3)),
    () => void this.#driver.device("write32", 0, 0x14, this.#one([0, 0x460000, 0x460001])),
    () => void this.#driver.device("read32", 0, 0x1c),
    () => void this.#driver.submit(0, { opcode: this.#one([0, 4]), id: this.#pick(8), dw: { 10: 1 + this.#pick(2) } }),
    () => void this.#driver.device("reset"),
    () => void this.#driver.device("close"),
    () => void (this.#device.hold = true),
    () => this.#device.release(),
    () => void (this.#device.instant = this.#pick(2) === 0),
    () => this.#restart(),
    () => void this.#driver.ask("trap"),
  ];
}

test(`seed ${SEED}`, { timeout: 120_000 }, async () => {
  const device = new ScriptedDevice();
  const { lab, puppets } = await makeBus([device], ["driver", "victim"], { arenas: { dma: 4 << 20 } });
  const { heap } = lab.system.kernel;
  const victim = puppets.victim!.make("Page");
  for (let at = 0; at < 4096; at += 512) puppets.victim!.ask("poke", victim, at, 0x5afe);
  const revive = (): void => {
    lab.system.restart("driver");
    run.begin();
  };
  const run: Run = new Run(device, puppets.driver!, victim, revive);
  run.begin();
  for (let i = 0; i < OPERATIONS; i++) {
    if (!run.step()) revive();
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (i % 50 === 0) lab.audit();
  }
  expect(run.deaths).toBeGreaterThan(20);
  expect(run.completed).toBeGreaterThan(50);
  for (let at = 0; at < 4096; at += 512) expect(puppets.victim!.ask("peek", victim, at)).toBe(0x5afe);
  device.release();
  lab.system.kill("driver");
  await new Promise((resolve) => setTimeout(resolve, 5));
  lab.audit();
  expect(lab.system.devices()[0]).toMatchObject({ state: "closed", queues: 0, outstanding: 0 });
  expect([heap.charged(FIRST_DOMAIN), heap.charged(OWNER_DEVICE)]).toEqual([NOTHING, NOTHING]);
  await lab.close();
});
