/**
 * Writes down all that passes between a device and its driver: accesses, interrupts, and, for NVM Express, commands,
 * answers and data. `replay.ts` can stand in for the device with it.
 *
 * Invariants: the file's lines are in the order in which things happened, as far as the driver could see it; when the
 * process is killed, what is missing is at the end.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { DeviceBackend, DmaWindow } from "#kernel/device/backend.ts";
import { NvmeMemory } from "./nvme-memory.ts";
import { formatEvent, RecordError, type RecordEvent, type RecordHeader } from "./record.ts";
import type { AccessKind, Observer } from "./tracing.ts";

const NVME = 0x010802;
const BUFFERED = 64 * 1024;

export class Recorder implements Observer {
  readonly path: string;
  readonly #file: number;
  readonly #nvme: NvmeMemory | null;
  #text = "";
  #closed = false;

  /**
   * @param device what is recorded
   * @param path of the file, which is written anew
   * @throws RecordError when it cannot be
   */
  constructor(device: Pick<DeviceBackend, "name" | "real" | "identity" | "bars">, path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, "w", 0o600);
    } catch (error) {
      throw new RecordError(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
    const { name, real, identity, bars } = device;
    const { vendor, device: id, classCode, revision, subsystemVendor, subsystem } = identity;
    const header: RecordHeader = {
      format: "samara-device-record",
      version: 1,
      name,
      real,
      identity: { vendor, device: id, classCode, revision, subsystemVendor, subsystem },
      bars: Array.from(bars, ({ bytes }) => ({ bytes })),
    };
    this.#text = `${JSON.stringify(header)}\n`;
    this.#nvme = identity.classCode !== NVME ? null : new NvmeMemory(this.#listener());
  }

  #listener() {
    return {
      command: (queue: number, bytes: Uint8Array) => this.#add({ kind: "command", queue, bytes }),
      completion: (queue: number, bytes: Uint8Array) => this.#add({ kind: "completion", queue, bytes }),
      data: (queue: number, command: number, bytes: Uint8Array) => this.#add({ kind: "data", queue, command, bytes }),
    };
  }

  mapped(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.#nvme?.map(memory, windows);
  }

  access(kind: AccessKind, bar: number, offset: number, width: number, value: number): void {
    // A doorbell shows what passed through memory before it.
    if (kind === "write" && bar === 0) this.#nvme?.write(offset, value);
    else if (kind === "read" && bar === 0) this.#nvme?.read(offset, value);
    else if (kind === "quiesce") this.#nvme?.reset();
    this.#add({ kind, bar, offset, width, value });
  }

  #add(event: RecordEvent): void {
    if (this.#closed) return;
    this.#text += `${formatEvent(event)}\n`;
    if (this.#text.length >= BUFFERED) this.flush();
  }

  /** Writes what is buffered. */
  flush(): void {
    if (this.#text === "") return;
    writeSync(this.#file, this.#text);
    this.#text = "";
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    closeSync(this.#file);
  }
}
