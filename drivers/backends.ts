/**
 * The back ends of a system's devices: made from what the manifest says, wrapped so that people can look and interfere.
 *
 * Owns which kinds of back ends there are. Invariant: what is wrong with a back end's name or options is an Error
 * before the system runs; what only real devices need (the native library) is loaded when one is asked for.
 */
import { readFileSync } from "node:fs";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { MODEL_BACKENDS, modelBackend } from "./models/backend.ts";
import type { Native } from "./vfio/native.ts";
import { connectVfioUser } from "./vfio/vfio-user.ts";
import { openVfio } from "./vfio/vfio.ts";
import { FaultBackend } from "./wrappers/fault.ts";
import { parseRecord } from "./wrappers/record.ts";
import { Recorder } from "./wrappers/recording.ts";
import { ReplayBackend } from "./wrappers/replay.ts";
import { TracingBackend } from "./wrappers/tracing.ts";

/** What the manifest says of a device. */
export interface DeviceEntry {
  readonly name: string;
  /** `KIND:WHICH`. */
  readonly backend: string;
  readonly options?: Readonly<Record<string, string | number | boolean>> | undefined;
}

export interface DeviceSetOptions {
  /** The native library, for back ends of other processes and of silicon. @throws Error why there is none */
  readonly native?: () => Native;
  /** Options of devices, in place of those that the manifest gives. */
  readonly settings?: ReadonlyMap<string, Readonly<Record<string, string | number | boolean>>>;
  /** Devices that are recorded, and where: from their first access on. */
  readonly record?: ReadonlyMap<string, string>;
  /** Devices in whose place a record answers. */
  readonly replay?: ReadonlyMap<string, string>;
}

const KINDS = [...MODEL_BACKENDS, "vfio:BDF", "vfio-user:PATH", "replay:FILE"];

/** `vfio:0000:00:04.0` → the kind and what follows. */
export function splitBackend(backend: string): [kind: string, which: string] {
  const colon = backend.indexOf(":");
  return colon < 0 ? [backend, ""] : [backend.slice(0, colon), backend.slice(colon + 1)];
}

/** PCI addresses of the real devices among a manifest's. */
export function vfioAddresses(entries: readonly DeviceEntry[]): string[] {
  return entries.flatMap(({ backend }) => {
    const [kind, which] = splitBackend(backend);
    return kind === "vfio" ? [which] : [];
  });
}

function openReplay(path: string): ReplayBackend {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`the record ${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
  return new ReplayBackend(parseRecord(text, path));
}

export class DeviceSet {
  readonly #options: DeviceSetOptions;
  readonly #devices = new Map<string, TracingBackend>();
  readonly #recorders: Recorder[] = [];

  constructor(options: DeviceSetOptions = {}) {
    this.#options = options;
  }

  /**
   * Makes one device's back end; a function of its own, so that it can be handed to `System`.
   * @throws Error that says what is wrong
   */
  readonly make = (entry: DeviceEntry): TracingBackend => {
    const replay = this.#options.replay?.get(entry.name);
    const backend = replay === undefined ? this.#open(entry) : openReplay(replay);
    const file = this.#options.record?.get(entry.name);
    const recorder = file === undefined ? null : new Recorder(backend, file);
    if (recorder !== null) this.#recorders.push(recorder);
    const device = new TracingBackend(backend, recorder);
    this.#devices.set(entry.name, device);
    return device;
  };

  #open({ name, backend, options: given }: DeviceEntry): DeviceBackend {
    const options = { ...given, ...this.#options.settings?.get(name) };
    const [kind, which] = splitBackend(backend);
    if (kind === "model") return modelBackend(backend, options);
    const [option] = Object.keys(options);
    if (option !== undefined) throw new Error(`${kind} takes no options, not ${option} either`);
    if (kind === "vfio") return new FaultBackend(openVfio(this.#native(backend), which));
    if (kind === "vfio-user") return new FaultBackend(connectVfioUser(this.#native(backend), which));
    if (kind === "replay") return openReplay(which);
    throw new Error(`there is no back end "${backend}"; there are ${KINDS.join(", ")}`);
  }

  #native(backend: string): Native {
    if (this.#options.native === undefined) throw new Error(`${backend} needs the native library, which is not here`);
    return this.#options.native();
  }

  /** The devices that were made, by name. */
  get devices(): ReadonlyMap<string, TracingBackend> {
    return this.#devices;
  }

  /** What replays found, by device: null when the driver did what the record has, and all of it. */
  differences(): Map<string, string | null> {
    const found = new Map<string, string | null>();
    for (const [name, { inner }] of this.#devices) {
      if (!(inner instanceof ReplayBackend)) continue;
      found.set(name, inner.difference ?? (inner.finished ? null : "the driver stopped before the record's end"));
    }
    return found;
  }

  /** Ends the records. The devices themselves are the kernel's to close. */
  close(): void {
    for (const recorder of this.#recorders) recorder.close();
  }
}
