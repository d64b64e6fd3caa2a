/**
 * What a device does, step by step of its specification: a report that can be sent to somebody.
 *
 * Invariants: nothing on the medium is written, and no setting that outlives a reset is changed (`nvme-probe.ts` posts
 * commands that read); the device is silenced at the end, whatever happened. A step that failed is FAIL with what was
 * found; those that need what it should have done are skipped, and say so.
 */
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { bits } from "#drivers/wrappers/registers.ts";
import { Failure, must, NvmeProbe, Opcode, Register } from "./nvme-probe.ts";

export interface StepResult {
  /** Of the specification. */
  readonly section: string;
  readonly name: string;
  readonly result: "PASS" | "FAIL" | "SKIP";
  /** What was found. */
  readonly detail: string;
}

export interface SelfTest {
  readonly backend: string;
  readonly specification: string;
  readonly identity: DeviceBackend["identity"];
  readonly steps: readonly StepResult[];
}

/** What later steps need of earlier ones. */
interface Found {
  vectors: number;
  readyMs: number;
  namespace: number;
  blockBytes: number;
  blocks: number;
}

interface Step {
  readonly section: string;
  readonly name: string;
  /** Whether nothing behind it makes sense when it fails. */
  readonly vital: boolean;
  run(probe: NvmeProbe, found: Found): Promise<string>;
}

const step = (section: string, name: string, run: Step["run"], vital = true): Step => ({ section, name, vital, run });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1").trim();
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const NVME = 0x010802;
const KELVIN = 273;

const BRING_UP: readonly Step[] = [
  step("2.1", "PCI header", async ({ backend: { identity, bars } }) => {
    must(identity.vendor !== 0xffff, "vendor FFFFh: nobody answers");
    must(identity.classCode === NVME, `class ${identity.classCode.toString(16)}, not 010802`);
    must((bars[0]?.bytes ?? 0) >= 0x1008, `BAR 0 has ${bars[0]?.bytes ?? 0} bytes: no room for doorbells`);
    return `class 010802, BAR 0 of ${bars[0]!.bytes / 1024} KiB`;
  }),
  step("2.4", "Interrupt vectors", async (probe, found) => {
    found.vectors = await probe.begin();
    must(found.vectors > 0, "none can be enabled");
    return `${found.vectors} of 2 enabled`;
  }),
  step("3.1.1", "Controller Capabilities", async (probe, found) => {
    const [low, high] = [probe.read(Register.CAP), probe.read(Register.CAP + 4)];
    must(low !== 0xffff_ffff, "CAP reads as all ones");
    must(bits(low, 15, 0) >= 1, `CAP.MQES is ${bits(low, 15, 0)}`);
    must(bits(high, 5, 5) === 1, "CAP.CSS: no NVM command set");
    must(bits(high, 19, 16) === 0, `CAP.MPSMIN is ${bits(high, 19, 16)}: no pages of 4 KiB`);
    probe.stride = bits(high, 3, 0);
    // A controller that says 0 gets a second all the same.
    found.readyMs = Math.max(bits(low, 31, 24), 2) * 500;
    return `MQES ${bits(low, 15, 0)}, TO ${bits(low, 31, 24) * 500} ms, DSTRD ${bits(high, 3, 0)}`;
  }),
  step("3.1.2", "Version", async (probe) => {
    const vs = probe.read(Register.VS);
    const version = `${vs >>> 16}.${bits(vs, 15, 8)}.${bits(vs, 7, 0)}`;
    must(vs >>> 16 >= 1 && vs !== 0xffff_ffff, `VS is ${version}`);
    return version;
  }),
  step("7.3.2", "Controller reset: CC.EN = 0, CSTS.RDY follows", async (probe, found) => {
    probe.write(Register.CC, 0);
    const ms = await probe.waitStatus("CSTS.RDY = 0", found.readyMs, (csts) => bits(csts, 0, 0) === 0);
    return `after ${Math.round(ms)} ms`;
  }),
  step("3.1.8", "Admin queue registers keep what is written", async (probe) => {
    probe.setAdminQueues();
    for (const register of [Register.AQA, Register.ASQ, Register.ACQ])
      must(probe.read(register) !== 0, `register ${register.toString(16)}h reads as 0`);
    return `AQA ${probe.read(Register.AQA).toString(16).padStart(8, "0")}h`;
  }),
  step("7.6.1", "Initialization: CC.EN = 1, CSTS.RDY follows", async (probe, found) => {
    probe.write(Register.CC, 0x0046_0001);
    const ms = await probe.waitStatus("CSTS.RDY = 1", found.readyMs, (csts) => bits(csts, 0, 0) === 1);
    must(bits(probe.read(Register.CSTS), 1, 1) === 0, "CSTS.CFS: the controller reports a fatal error");
    return `after ${Math.round(ms)} ms`;
  }),
];

const ADMIN: readonly Step[] = [
  step("5.15.2.2", "Identify Controller", async (probe) => {
    const command = { opcode: Opcode.IDENTIFY, dw10: 1, bytes: 4096 };
    const { data } = await probe.expect(command, "Identify");
    const vendor = view(data).getUint16(0, true);
    must(vendor === probe.backend.identity.vendor, `VID ${vendor.toString(16)} is not that of the PCI header`);
    const [model, firmware] = [text(data.subarray(24, 64)), text(data.subarray(64, 72))];
    must(/^[\x20-\x7e]+$/.test(model), "the model number is not printable");
    // 5.15.2.2: required and maximum entry sizes.
    must((data[512]! & 15) <= 6 && data[512]! >>> 4 >= 6, `SQES is ${data[512]}`);
    must((data[513]! & 15) <= 4 && data[513]! >>> 4 >= 4, `CQES is ${data[513]}`);
    return `${model}, firmware ${firmware}, MDTS ${data[77]}, ${view(data).getUint32(516, true)} namespaces`;
  }),
  step("5.15.2.3", "Active namespaces", async (probe, found) => {
    const { data } = await probe.expect({ opcode: Opcode.IDENTIFY, dw10: 2, bytes: 4096 }, "Identify");
    found.namespace = view(data).getUint32(0, true);
    must(found.namespace !== 0, "there is none");
    return `the first one is ${found.namespace}`;
  }),
  step("5.15.2.1", "Identify Namespace", async (probe, found) => {
    const command = { opcode: Opcode.IDENTIFY, nsid: found.namespace, dw10: 0, bytes: 4096 };
    const { data } = await probe.expect(command, "Identify");
    const [size, capacity] = [0, 8].map((at) => view(data).getBigUint64(at, true)) as [bigint, bigint];
    must(size > 0n && capacity <= size, `NSZE ${size}, NCAP ${capacity}`);
    const format = view(data).getUint32(128 + (data[26]! & 15) * 4, true);
    const shift = bits(format, 23, 16);
    must(shift >= 9 && shift <= 12, `blocks of 2^${shift} bytes`);
    must((format & 0xffff) === 0, "blocks have metadata");
    found.blockBytes = 2 ** shift;
    found.blocks = Number(size);
    return `${size} blocks of ${found.blockBytes} bytes`;
  }),
  step(
    "5.14.1.2",
    "SMART / Health Information",
    async (probe) => {
      const dw10 = ((512 / 4 - 1) << 16) | 2;
      const command = { opcode: Opcode.GET_LOG_PAGE, nsid: 0xffff_ffff, dw10, bytes: 512 };
      const { data } = await probe.expect(command, "Get Log Page");
      const celsius = view(data).getUint16(1, true) - KELVIN;
      must(celsius > -60 && celsius < 150, `a temperature of ${celsius} °C`);
      must(data[0] === 0, `critical warning ${data[0]!.toString(16)}h`);
      return `${celsius} °C, ${data[5]} % used`;
    },
    false,
  ),
  step(
    "5.14.1.1",
    "Error Information",
    async (probe) => {
      const dw10 = ((64 / 4 - 1) << 16) | 1;
      const { data } = await probe.expect(
        { opcode: Opcode.GET_LOG_PAGE, nsid: 0xffff_ffff, dw10, bytes: 64 },
        "Get Log Page",
      );
      return `${view(data).getBigUint64(0, true)} errors so far`;
    },
    false,
  ),
  step(
    "5.13",
    "Get Features: Number of Queues",
    async (probe) => {
      const { dw0 } = await probe.expect({ opcode: Opcode.GET_FEATURES, dw10: 7 }, "Get Features");
      return `${bits(dw0, 15, 0) + 1} submission, ${bits(dw0, 31, 16) + 1} completion queues`;
    },
    false,
  ),
];

/** Reads one block: `lba` as the two words that it takes. */
const reading = (found: Found, lba: number) => ({
  opcode: Opcode.READ,
  nsid: found.namespace,
  dw10: lba % 2 ** 32,
  dw11: Math.floor(lba / 2 ** 32),
  bytes: found.blockBytes,
});

const IO: readonly Step[] = [
  step("5.3, 5.4", "Create I/O queues", async (probe, found) => {
    await probe.createQueues(found.vectors > 1 ? 1 : 0);
    return "queue pair 1, with interrupts";
  }),
  step(
    "6.9",
    "Read the first block",
    async (probe, found) => {
      const { status } = await probe.submit(1, reading(found, 0));
      must(status === 0, `status 0x${status.toString(16)}`);
      return `${found.blockBytes} bytes`;
    },
    false,
  ),
  step(
    "6.9",
    "Read the last block, then several at once",
    async (probe, found) => {
      const { status } = await probe.submit(1, reading(found, found.blocks - 1));
      must(status === 0, `status 0x${status.toString(16)} for block ${found.blocks - 1}`);
      const many = Math.min(8192 / found.blockBytes, found.blocks);
      const command = { ...reading(found, 0), dw12: many - 1, bytes: many * found.blockBytes };
      const again = await probe.submit(1, command);
      must(again.status === 0, `status 0x${again.status.toString(16)} for ${many} blocks`);
      return `block ${found.blocks - 1}; ${many} blocks over two pages`;
    },
    false,
  ),
  step(
    "6.9",
    "A block beyond the end is refused",
    async (probe, found) => {
      const { status } = await probe.submit(1, reading(found, found.blocks));
      must(status === 0x80, `status 0x${status.toString(16)}, not 0x80 (LBA Out of Range)`);
      return "LBA Out of Range";
    },
    false,
  ),
  step(
    "7.5",
    "An answer interrupts",
    async (probe, found) => {
      await probe.submit(1, reading(found, 0));
      const vector = found.vectors > 1 ? 1 : 0;
      must(await probe.interrupted(vector), `vector ${vector} did not fire within 1000 ms`);
      return `vector ${vector}`;
    },
    false,
  ),
  step(
    "5.5, 5.6",
    "Delete I/O queues",
    async (probe) => {
      await probe.expect({ opcode: Opcode.DELETE_SQ, dw10: 1 }, "Delete I/O Submission Queue");
      await probe.expect({ opcode: Opcode.DELETE_CQ, dw10: 1 }, "Delete I/O Completion Queue");
      return "queue pair 1";
    },
    false,
  ),
  step(
    "7.6.2",
    "Normal shutdown: CC.SHN = 01b, CSTS.SHST follows",
    async (probe) => {
      probe.write(Register.CC, 0x0046_4001);
      const ms = await probe.waitStatus("CSTS.SHST = 10b", 10_000, (csts) => bits(csts, 3, 2) === 2);
      return `after ${Math.round(ms)} ms`;
    },
    false,
  ),
  step(
    "3.1.6",
    "Reset by the bus: CC.EN and CSTS.RDY are 0",
    async (probe) => {
      await probe.backend.quiesce();
      probe.backend.start();
      must(bits(probe.read(Register.CC), 0, 0) === 0, "CC.EN is 1");
      must(bits(probe.read(Register.CSTS), 0, 0) === 0, "CSTS.RDY is 1");
      return "as new";
    },
    false,
  ),
];

const STEPS: readonly Step[] = [...BRING_UP, ...ADMIN, ...IO];

async function perform({ section, name, run }: Step, probe: NvmeProbe, found: Found): Promise<StepResult> {
  try {
    return { section, name, result: "PASS", detail: await run(probe, found) };
  } catch (error) {
    const { message } = error as Error;
    // The back end's own errors (no memory to lock, …) are findings too.
    return { section, name, result: "FAIL", detail: error instanceof Failure ? message : `the back end: ${message}` };
  }
}

/** A device that cannot be silenced is a finding too. */
async function silence(probe: NvmeProbe): Promise<StepResult | null> {
  try {
    await probe.end();
    return null;
  } catch (error) {
    const { message } = error as Error;
    return { section: "7.3.2", name: "is silent in the end", result: "FAIL", detail: `the back end: ${message}` };
  }
}

/**
 * Runs every step; the device is the test's alone, and closed at the end.
 * @param report gets each result as it comes
 */
export async function selfTest(
  backend: DeviceBackend,
  report: (step: StepResult) => void = () => {},
): Promise<SelfTest> {
  const probe = new NvmeProbe(backend);
  const found: Found = { vectors: 0, readyMs: 1000, namespace: 0, blockBytes: 512, blocks: 0 };
  const steps: StepResult[] = [];
  let failed: string | null = null;
  for (const each of STEPS) {
    const { section, name } = each;
    const result: StepResult =
      failed === null
        ? await perform(each, probe, found)
        : { section, name, result: "SKIP", detail: `needs "${failed}"` };
    if (result.result === "FAIL" && each.vital) failed = name;
    steps.push(result);
    report(result);
  }
  const loud = await silence(probe);
  if (loud !== null) {
    steps.push(loud);
    report(loud);
  }
  return { backend: backend.name, specification: "NVM Express 1.4", identity: backend.identity, steps };
}
