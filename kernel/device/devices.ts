/**
 * All devices of a system, and the methods of `PciDevice` as the proxies call them.
 *
 * The functions take and return what lies on the wire (numbers; a handle that the proxy has checked and lent), because
 * submit, complete and the registers are called for every command. Who calls stands on the frame stack, below the
 * kernel's own frame: a capability that was passed on does not make a second driver. Invariant: nobody but the driver
 * reaches the device; who breaks a rule dies as by a trap, named with the device and the rule.
 */
import type { Domain } from "../domain/domain.ts";
import { KernelError } from "../errors.ts";
import { exportName, type Model } from "../interface/model.ts";
import { PCI_DEVICE, type ResolvedDevice } from "../manifest/manifest.ts";
import type { Host } from "../host/host.ts";
import type { Threads } from "../thread/threads.ts";
import type { Trace } from "../trace/trace.ts";
import type { ExchangeHeap } from "../../shared-heap/heap.ts";
import {
  CORE_DEPTH,
  DOMAIN_ALIVE,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  FRAME_DOMAIN_MASK,
  FRAMES,
  GENERATION_BITS,
  OWNER_HOST,
} from "../../shared-heap/layout.ts";
import { ADDRESS, RECORD_SHIFT, SIZE } from "../../shared-heap/records.ts";
import type { DeviceBackend } from "./backend.ts";
import { Device, Status, type DeviceEventKind, type DeviceInfo } from "./device.ts";
import { RuleError } from "./nvme.ts";

const DEPTH = CORE_DEPTH >> 2;
const CALLER = (FRAMES >> 2) - 2;
const ALIVE = (DOMAINS + DOMAIN_ALIVE) >> 2;
const RESULT = (DOMAINS + (OWNER_HOST << DOMAIN_SHIFT) + DOMAIN_RETURN) >> 2;
const COMMAND_SHIFT = 6;
const COMPLETION_SHIFT = 4;
/** How long `stop` waits for all devices to be silent, and for all to be closed. */
const STOP_MS = 5000;
const MAX_COMMANDS = 64;
const MAX_COMPLETIONS = 256;

/** Something that happened to a device. */
export interface DeviceReport {
  readonly device: string;
  /** The domain that drove it then. */
  readonly driver: string | null;
  readonly kind: DeviceEventKind;
  readonly text: string;
}

export interface DevicesKernel {
  readonly model: Model;
  readonly heap: ExchangeHeap;
  readonly heapMemory: WebAssembly.Memory;
  readonly ledger: Int32Array;
  readonly hostDomain: Domain;
  readonly trace: Trace;
  readonly threads: Threads;
  /** The domain that has this id. */
  at(id: number): Domain | null;
  /** Notes the blame and throws the trap object. */
  blame(domain: Domain, message: string): never;
}

type Flat = (self: number, ...values: number[]) => number;

export class Devices {
  readonly #kernel: DevicesKernel;
  readonly #host: Host;
  readonly #devices: Device[] = [];
  readonly #words: Int32Array;

  constructor(kernel: DevicesKernel, host: Host) {
    this.#kernel = kernel;
    this.#host = host;
    this.#words = kernel.ledger;
  }

  /**
   * Adds a device, with what its back end may reach of the heap.
   * @throws KernelError (link) when the back end cannot be used
   */
  async add(entry: ResolvedDevice, backend: DeviceBackend): Promise<Device> {
    const { heap, heapMemory, trace, threads } = this.#kernel;
    const number = this.#devices.length;
    const notify = (domain: Domain): void => threads.notify(domain);
    const event = (driver: Domain | null, kind: DeviceEventKind, text: string): void => {
      if (driver !== null) trace.event("device", driver.id, trace.deviceDetail(kind, number));
      this.#host.onDevice?.({ device: entry.name, driver: driver?.name ?? null, kind, text });
    };
    const device = new Device({ heap, notify, event }, entry, number, backend);
    this.#devices.push(device);
    try {
      await backend.map(heapMemory.buffer as unknown as SharedArrayBuffer, device.windows);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new KernelError("link", `device ${entry.name} (${backend.name}): ${why}`, { cause: error });
    }
    return device;
  }

  /** In the manifest's order. */
  get all(): readonly Device[] {
    return this.#devices;
  }

  info(): DeviceInfo[] {
    return this.#devices.map((device) => device.info());
  }

  /** A life has ended: what it drove is silenced before anything that the device has is freed. */
  ended(domain: Domain): void {
    for (const device of this.#devices) if (device.driver === domain) device.close();
  }

  /** All devices silent and closed; no domain lives any more. A back end that does not answer is not waited for. */
  async stop(): Promise<void> {
    for (const device of this.#devices) device.close();
    await this.#patiently(this.#devices.map((device) => device.settled()));
    await this.#patiently(this.#devices.map(async ({ backend }) => backend.close()));
  }

  async #patiently(ends: readonly Promise<void>[]): Promise<void> {
    let giveUp = (): void => {};
    const late = new Promise<void>((resolve) => (giveUp = this.#host.after(STOP_MS, resolve)));
    await Promise.race([late, Promise.allSettled(ends)]);
    giveUp();
  }

  /** What contradicts the ledger, in words. */
  check(): string[] {
    return this.#devices.flatMap((device) => device.check());
  }

  // ── PciDevice ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The methods by export name, in the flat calling convention; none when the model lacks the interface. */
  functions(): Map<string, Function> {
    const interface_ = this.#kernel.model.interfaces[PCI_DEVICE];
    const methods: Readonly<Record<string, Flat>> = { ...this.#forAll(), ...this.#forDriver(), ...this.#hot() };
    return new Map(interface_?.methods.map((m) => [exportName(interface_, m), methods[m.name]!]));
  }

  /** A broken rule is its caller's end; what else was thrown is not. */
  #broken(error: unknown, self: number, method: string): never {
    if (!(error instanceof RuleError)) throw error;
    const place = `${PCI_DEVICE}.${method} of ${this.#devices[self]!.name}`;
    return this.#kernel.blame(this.#kernel.at(this.#caller())!, `${place}: ${error.message}`);
  }

  #caller(): number {
    const depth = this.#words[DEPTH]!;
    return depth < 2 ? OWNER_HOST : this.#words[CALLER + depth]! & FRAME_DOMAIN_MASK;
  }

  /** Whether the caller drives the device and is to go on living: 0, or a status. */
  #mayUse(device: Device, silent: boolean): number {
    const { driver, driverId } = device;
    if (driver === null || this.#caller() !== driverId) return Status.NotYours;
    if (this.#words[ALIVE + (driverId << (DOMAIN_SHIFT - 2))] !== driver.generation) return Status.NotYours;
    if (device.state !== "open") device.look();
    return device.state === "open" || silent ? Status.ok : Status.Busy;
  }

  /** Puts a value where the proxy finds it; a negative one is a status. */
  #answer(value: number): number {
    if (value < 0) return -value;
    this.#words[RESULT] = value;
    return Status.ok;
  }

  #fields(...values: number[]): number {
    values.forEach((value, i) => (this.#words[RESULT + i] = value));
    return Status.ok;
  }

  /** Methods for everybody who has the capability. */
  #forAll(): Record<string, Flat> {
    const devices = this.#devices;
    return {
      open: (self) => {
        const caller = this.#kernel.at(this.#caller());
        return caller?.alive === true && caller !== this.#kernel.hostDomain
          ? devices[self]!.open(caller)
          : Status.NotYours;
      },
      identity: (self) => {
        const { vendor, device, classCode, revision, subsystemVendor, subsystem } = devices[self]!.backend.identity;
        return this.#fields(vendor, device, classCode, revision, subsystemVendor, subsystem);
      },
      state: (self) => {
        devices[self]!.look();
        const { driver, state, gone, grammar, faults } = devices[self]!;
        const flags = [driver !== null, state === "resetting", gone, grammar.writable].map(Number);
        return this.#fields(...flags, faults);
      },
    };
  }

  /** Methods for the driver alone. */
  #forDriver(): Record<string, Flat> {
    const devices = this.#devices;
    /** Also while a reset is under way. */
    const always =
      (f: (device: Device) => number): Flat =>
      (self) =>
        this.#mayUse(devices[self]!, true) || f(devices[self]!);
    const open =
      (f: (device: Device, a: number, b: number, c: number) => number): Flat =>
      (self, a, b, c) =>
        this.#mayUse(devices[self]!, false) || f(devices[self]!, a! >>> 0, b! >>> 0, c! >>> 0);
    return {
      close: always((device) => device.close()),
      pending: always((device) => this.#fields(device.pending())),
      reset: open((device) => device.reset()),
      configRead: open((device, offset, width) => {
        const value = device.configRead(offset, width);
        return value < 0 ? -value : this.#fields(value);
      }),
      interrupts: open((device, vectors) => this.#answer(device.interrupts(vectors))),
      createQueue: open((device, id, entries, transfer) => device.createQueue(id, entries, transfer)),
      destroyQueue: open((device, id) => device.destroyQueue(id)),
    };
  }

  /** What is called for every command or so: each is one function, with nothing shared in between. */
  #hot(): Record<string, Flat> {
    const devices = this.#devices;
    const words = this.#words;
    return {
      read32: (self, bar, offset) => {
        const device = devices[self]!;
        const status = this.#mayUse(device, false);
        if (status !== Status.ok) return status;
        if (!device.mayRead(bar! >>> 0, offset! >>> 0)) return Status.Refused;
        words[RESULT] = device.read32(offset!);
        return Status.ok;
      },
      write32: (self, bar, offset, value) => {
        const device = devices[self]!;
        const status = this.#mayUse(device, false);
        if (status !== Status.ok) return status;
        try {
          return device.write32(bar! >>> 0, offset! >>> 0, value!);
        } catch (error) {
          return this.#broken(error, self, "write32");
        }
      },
      submit: (self, queue, batch, count) => {
        const device = devices[self]!;
        const status = this.#mayUse(device, false);
        if (status !== Status.ok) return status;
        const record = (batch! >>> GENERATION_BITS) << RECORD_SHIFT;
        const room = Math.min(MAX_COMMANDS, words[SIZE + record]! >> COMMAND_SHIFT);
        try {
          if (count! >>> 0 > room) throw new RuleError(`${count! >>> 0} commands in a batch of ${room}`);
          const taken = device.submit(queue! >>> 0, words[ADDRESS + record]! >> 2, count!);
          words[RESULT + 1] = device.outside ? 1 : 0;
          return this.#answer(taken);
        } catch (error) {
          return this.#broken(error, self, "submit");
        }
      },
      complete: (self, queue, batch) => {
        const device = devices[self]!;
        const status = this.#mayUse(device, false);
        if (status !== Status.ok) return status;
        const record = (batch! >>> GENERATION_BITS) << RECORD_SHIFT;
        const room = Math.min(MAX_COMPLETIONS, words[SIZE + record]! >> COMPLETION_SHIFT);
        return this.#answer(device.complete(queue! >>> 0, words[ADDRESS + record]! >> 2, room));
      },
    };
  }
}
