/**
 * A hostile driver and a victim on one device that really moves bytes.
 */
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { ADDRESS } from "#shared-heap/records.ts";
import { makeBus, type Bus, type Command, type Puppet } from "./puppet.ts";

const CSTS = 0x1c;
const CANARY = 0x5afe;
export const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

export class HostileRig {
  readonly bus: Bus;
  readonly driver: Puppet;
  readonly other: Puppet;

  private constructor(bus: Bus) {
    this.bus = bus;
    this.driver = bus.puppets.driver!;
    this.other = bus.puppets.other!;
  }

  static async make(device: DeviceBackend): Promise<HostileRig> {
    const rig = new HostileRig(await makeBus([device], ["driver", "other"], { arenas: { dma: 1 << 20 } }));
    await rig.open();
    return rig;
  }

  addressOf(handle: number): number {
    return this.bus.lab.system.kernel.heap.at(ADDRESS, handle >>> 10);
  }

  /** Reads CSTS and gives others the thread until `done`. */
  async until(done: () => boolean): Promise<void> {
    for (let i = 0; i < 5000; i++) {
      if (done()) return;
      this.driver.device("read32", 0, CSTS);
      await turn();
    }
    throw new Error("the device does not answer");
  }

  /** Posts a command and waits for its completion, as words. */
  async run(queue: number, command: Command): Promise<number[]> {
    const taken = this.driver.submit(queue, command);
    if (taken !== 1) throw new Error(`submit: ${taken}`);
    let answer: number[][] = [];
    await this.until(() => (answer = this.driver.complete(queue)).length > 0);
    return answer[0]!;
  }

  /** From claim to one I/O queue whose namespace is known. */
  async open(): Promise<void> {
    const { driver } = this;
    driver.batch = 0;
    driver.ask("claim", 0);
    const good = (what: string, answer: number[] | string): void => {
      if (typeof answer === "string") throw new Error(`${what}: ${answer}`);
    };
    good("open", driver.device("open"));
    // A controller that somebody left enabled is disabled first.
    driver.device("write32", 0, 0x14, 0);
    await this.until(() => ((driver.device("read32", 0, CSTS) as number[])[0]! & 1) === 0);
    good("createQueue", driver.device("createQueue", 0, 8, 4096));
    driver.device("write32", 0, 0x14, 0x460001);
    await this.until(() => ((driver.device("read32", 0, CSTS) as number[])[0]! & 1) === 1);
    const page = driver.make("Page");
    const [, handle] = await this.run(0, { opcode: 6, id: 1, nsid: 1, object: page });
    driver.ask("dispose", handle);
    good("createQueue", driver.device("createQueue", 1, 8, 65536));
    await this.run(0, { opcode: 5, id: 1, dw: { 10: 1 | (7 << 16), 11: 1 } });
    await this.run(0, { opcode: 1, id: 1, dw: { 10: 1 | (7 << 16), 11: (1 << 16) | 1 } });
  }

  /**
   * Makes an attack beside a victim's object, and looks at everything afterwards; then the driver lives again.
   * @returns what the kernel said of whom, and what is wrong: nothing, if all is well
   */
  async attack(attack: (rig: HostileRig, victim: number) => void): Promise<{ said: string[]; wrong: string[] }> {
    const { lab } = this.bus;
    const victim = this.other.make("Page");
    for (let at = 0; at < 4096; at += 64) this.other.ask("poke", victim, at, CANARY);
    const wrong: string[] = [];
    try {
      attack(this, victim);
      wrong.push("the driver lives");
    } catch (error) {
      if (!/crashed/.test(String(error))) throw error;
    }
    // Its memory is the device's until it is silent.
    for (let i = 0; i < 5000 && lab.system.devices()[0]!.state !== "closed"; i++) await turn();
    for (let i = 0; i < 10; i++) await turn();
    for (let at = 0; at < 4096; at += 64)
      if (this.other.ask("peek", victim, at) !== CANARY) wrong.push(`the victim's byte ${at}`);
    this.other.ask("dispose", victim);
    // A command that was under way may have been refused memory: bus mastering goes off first.
    const { state, driver } = lab.system.devices()[0]!;
    if (state !== "closed" || driver !== null) wrong.push(`the device: ${state} ${driver}`);
    wrong.push(...lab.system.kernel.heap.check().map((v) => v.reason), ...lab.system.kernel.devices.check());
    const said = lab.faults.map((fault) => `${fault.domain}: ${fault.kind}: ${fault.message}`);
    lab.faults.length = 0;
    lab.system.restart("driver");
    await this.open();
    return { said, wrong };
  }
}

/** Read or write of 8 blocks. */
export const io = (opcode: number, object: number, change: Partial<Command> = {}): Command => ({
  opcode,
  id: 2,
  nsid: 1,
  object,
  dw: { 12: 7 },
  ...change,
});

/** What is tried, and what the kernel says then. */
export const ATTACKS: readonly (readonly [string, RegExp, (rig: HostileRig, victim: number) => void])[] = [
  [
    "another domain's object",
    /submit of d0: command 0 of queue 1: the object is not the driver's/,
    ({ driver }, victim) => void driver.submit(1, io(2, victim)),
  ],
  [
    "its own object, and the victim's address as PRP2",
    /DW8 or DW9 are not 0/,
    (rig, victim) =>
      void rig.driver.submit(1, io(2, rig.driver.make("Page"), { offset: 4, dw: { 8: rig.addressOf(victim), 12: 7 } })),
  ],
  [
    "more than its object has",
    /4096 bytes at 0 do not lie within an object of 512 bytes/,
    ({ driver }) => void driver.submit(1, io(2, driver.make("Small"))),
  ],
  [
    "an admin queue at the victim's address",
    /register 0x28 \(ASQ\) is not the driver's to write/,
    (rig, victim) => void rig.driver.device("write32", 0, 0x28, rig.addressOf(victim)),
  ],
  [
    "a doorbell",
    /register 0x1008 \(a doorbell, or beyond\) is not the driver's to write/,
    ({ driver }) => void driver.device("write32", 0, 0x1008, 3),
  ],
  [
    "a host memory buffer",
    /Set Features 0xd is not in the grammar/,
    ({ driver }) => void driver.submit(0, { opcode: 9, id: 1, dw: { 10: 0x0d, 11: 1 } }),
  ],
  [
    "freeing what the device has",
    /heap.free/,
    ({ driver }) => {
      const page = driver.make("Page");
      driver.submit(1, io(2, page));
      driver.ask("dispose", page);
    },
  ],
  [
    "reading what the device has",
    /unreachable/,
    ({ driver }) => {
      const page = driver.make("Page");
      driver.submit(1, io(2, page));
      driver.ask("peek", page, 0);
    },
  ],
];
