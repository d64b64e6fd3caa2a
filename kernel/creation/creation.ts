/**
 * Domains that domains start: from bytes, below their creator, out of its limits, with its capabilities.
 *
 * Invariants: a child holds a share of its creator's limits from before it is compiled until it is buried and all its
 * own children are; it is granted what its creator is granted at that time, of the same interface, or less; it does not
 * outlive the life of its creator that asked for it; nothing of it stays after its burial.
 */
import type { Domain } from "../domain/domain.ts";
import { KernelError, type KernelErrorCode } from "../errors.ts";
import type { Model } from "../interface/model.ts";
import { DOMAINS, type ResolvedDomain, type ResolvedUse } from "../manifest/manifest.ts";
import { isName } from "../manifest/report.ts";
import type { CompiledModule } from "../wasm/cache.ts";
import { AdmissionError } from "../wasm/errors.ts";
import { MAX_MODULE_BYTES } from "../wasm/limits.ts";
import type { ExchangeHeap } from "../../shared-heap/heap.ts";
import { MAX_DOMAINS } from "../../shared-heap/layout.ts";
import { CreationError, readProvides, readUses, type Refusal } from "./description.ts";
import { hasLent, lacking, lend, NOTHING, type Share } from "./quota.ts";

const PAGE = 65536;
/** Of a whole name, with those of all creators above. */
const MAX_NAME = 255;

export interface CreationKernel {
  readonly model: Model;
  readonly heap: ExchangeHeap;
  /** Waits until control is in the host and no frame is on the stack. */
  calm(): Promise<void>;
  /** Admits and compiles a module; nothing of it is kept. @throws AdmissionError, KernelError (link) */
  admit(entry: ResolvedDomain, bytes: Uint8Array): Promise<CompiledModule>;
  /** A new domain, of which no code has run. @throws KernelError (instantiate, limit) */
  place(entry: ResolvedDomain, compiled: CompiledModule): Domain;
  /** Runs its first code. @throws KernelError (start) */
  begin(domain: Domain): void;
  end(domain: Domain, why: string): void;
  /** Takes a buried domain out of all tables. */
  remove(domain: Domain): void;
  find(name: string): Domain | null;
}

export interface Description {
  readonly name: string;
  readonly provides: string;
  readonly uses: string;
  readonly share: Readonly<Share>;
}

interface Image {
  readonly bytes: Uint8Array;
  filled: number;
}

export class Creation {
  readonly #kernel: CreationKernel;
  /** The images that lives of creators are collecting. */
  readonly #images = new Map<Domain, Image>();
  /** Whole names of those that are being compiled. */
  readonly #coming = new Set<string>();
  /** Children that may have children, by the number of their object of the interface; never given twice. */
  readonly #creators = new Map<number, Domain>();
  #nextObject = MAX_DOMAINS;

  constructor(kernel: CreationKernel) {
    this.#kernel = kernel;
  }

  /** The child in whose name this object of the interface acts. */
  creator(object: number): Domain | null {
    return this.#creators.get(object) ?? null;
  }

  // ── images ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws CreationError (LimitExceeded) */
  begin(creator: Domain, bytes: number): void {
    this.#drop(creator);
    if (bytes > MAX_MODULE_BYTES) refuse("LimitExceeded", `an image has ${MAX_MODULE_BYTES} bytes at most`);
    this.#lend(creator, room(bytes));
    this.#images.set(creator, { bytes: new Uint8Array(bytes), filled: 0 });
  }

  /** @throws CreationError (NoImage, TooLarge) */
  append(creator: Domain, piece: Uint8Array): void {
    const image = this.#images.get(creator) ?? refuse("NoImage", "no image was begun");
    const { bytes, filled } = image;
    if (filled + piece.length > bytes.length) refuse("TooLarge", `the image was begun with ${bytes.length} bytes`);
    bytes.set(piece, filled);
    image.filled += piece.length;
  }

  #drop(creator: Domain): void {
    const image = this.#images.get(creator);
    if (image === undefined) return;
    this.#images.delete(creator);
    lend(this.#kernel.heap, creator, room(image.bytes.length), -1);
  }

  // ── birth ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a child of the image that was collected, and runs its first code.
   * @throws CreationError
   */
  async create(creator: Domain, description: Description): Promise<void> {
    const image = this.#images.get(creator);
    if (image === undefined || image.filled < image.bytes.length)
      refuse("NoImage", image === undefined ? "no image was begun" : "the image is not complete");
    const { incarnation } = creator;
    const held = room(image.bytes.length);
    this.#images.delete(creator);
    try {
      // What died before this call is buried first: its name and its share are free then.
      await this.#kernel.calm();
      await this.#make(creator, incarnation, description, image.bytes);
    } finally {
      lend(this.#kernel.heap, creator, held, -1);
      this.#release(creator);
    }
  }

  async #make(creator: Domain, incarnation: number, what: Description, bytes: Uint8Array): Promise<void> {
    const { heap, model } = this.#kernel;
    this.#mayCreate(creator, incarnation);
    const name = this.#freeName(creator, what.name);
    const provides = readProvides(model, what.provides);
    const uses = this.#uses(creator, what.uses);
    const { limits, arena } = creator.entry;
    const { sliceMs, entryMs } = limits;
    const own = { limits: { ...what.share, sliceMs, entryMs }, ...(arena === undefined ? {} : { arena }) };
    const entry = { name, domain: name, provides, uses, ...own };
    const share = { ...what.share, domains: what.share.domains + 1 };
    this.#lend(creator, share);
    this.#coming.add(name);
    let child: Domain | null = null;
    try {
      const compiled = await this.#kernel.admit(entry, bytes);
      await this.#kernel.calm();
      this.#mayCreate(creator, incarnation);
      // What was revoked or has died meanwhile is not granted any more.
      this.#uses(creator, what.uses);
      child = this.#kernel.place(entry, compiled);
      this.#adopt(creator, child);
      this.#kernel.begin(child);
    } catch (error) {
      if (child === null) lend(heap, creator, share, -1);
      throw asRefusal(error);
    } finally {
      this.#coming.delete(name);
    }
  }

  #adopt(creator: Domain, child: Domain): void {
    child.creator = creator;
    creator.children.add(child);
    for (const use of child.entry.uses) if (isCreation(use)) this.#creators.set(use.self, child);
  }

  #mayCreate(creator: Domain, incarnation: number): void {
    if (!creator.alive || creator.incarnation !== incarnation) refuse("NoCreator", `${creator.name} has died`);
    if (!creator.entry.uses.some((use) => isCreation(use) && !creator.revoked.has(use.name)))
      refuse("NoSuchGrant", `${creator.name} may not create domains any more`);
  }

  #freeName(creator: Domain, name: string): string {
    const whole = `${creator.name}/${name}`;
    if (!isName(name)) refuse("BadName", `"${name}" is no name`);
    if (whole.length > MAX_NAME) refuse("BadName", `${whole} has more than ${MAX_NAME} characters`);
    if (this.#coming.has(whole) || this.#kernel.find(whole) !== null) refuse("NameTaken", `${whole} exists`);
    return whole;
  }

  #uses(creator: Domain, text: string): ResolvedUse[] {
    return readUses(text, (source) => {
      const own = creator.entry.uses.find((use) => use.name === source && !creator.revoked.has(source));
      const use = own ?? this.#ofChild(creator, source, null);
      // A right to create is one to create in one's own name.
      return use === null || !isCreation(use) ? use : { ...use, self: this.#nextObject++ };
    });
  }

  #lend(creator: Domain, share: Readonly<Share>): void {
    const { heap } = this.#kernel;
    const key = lacking(heap, creator, share);
    if (key !== null) refuse("LimitExceeded", `${creator.name} has less than ${share[key]} ${key} left`);
    lend(heap, creator, share);
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws CreationError (NoSuchDomain) */
  child(creator: Domain, name: string): Domain {
    const whole = `${creator.name}/${name}`;
    const child = isName(name) ? this.#kernel.find(whole) : null;
    return child ?? refuse("NoSuchDomain", `${whole} does not exist`);
  }

  /**
   * What `use("child.object")` means for a domain that may create others. One whose child is gone, or never was, gets
   * a use of nobody: it cannot know in time that a child dies.
   * @returns null when the child provides no such object of this interface, or the domain may have no children
   */
  use(creator: Domain, path: string, interfaceName: string): ResolvedUse | null {
    if (!creator.entry.uses.some(isCreation)) return null;
    const [name = "", object, ...more] = path.split(".");
    if (!isName(name) || object === undefined || more.length > 0) return null;
    if (this.#kernel.find(`${creator.name}/${name}`)?.alive === true)
      return this.#ofChild(creator, path, interfaceName);
    return { name: path, interface: interfaceName, provider: name, object, self: 0, generation: 0 };
  }

  #ofChild(creator: Domain, path: string, interfaceName: string | null): ResolvedUse | null {
    const [name, object] = path.split(".");
    const child = object === undefined ? null : this.#kernel.find(`${creator.name}/${name}`);
    const provided = child?.entry.provides.find(
      (p) => p.name === object && (interfaceName === null || p.interface === interfaceName),
    );
    if (child === null || provided === undefined || !child.alive) return null;
    const { self, interface: type } = provided;
    return { name: path, interface: type, provider: child.name, object: object!, self, generation: child.generation };
  }

  // ── death ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A life has ended: its children's end with it. */
  ended(creator: Domain): void {
    this.#drop(creator);
    for (const child of creator.children) {
      child.restartAsked = false;
      this.#kernel.end(child, "its creator died");
      this.#release(child);
    }
  }

  /** Gives back what a domain had, once it is buried for good and its children are: then nothing is charged to it. */
  #release(domain: Domain): void {
    const { creator } = domain;
    const buried = domain.state === "dead" && domain.reclaim === null && !domain.restartAsked;
    if (creator === null || !buried || hasLent(domain)) return;
    this.#kernel.remove(domain);
    for (const use of domain.entry.uses) if (isCreation(use)) this.#creators.delete(use.self);
    creator.children.delete(domain);
    domain.creator = null;
    const { sliceMs: _, entryMs: __, domains, ...rest } = domain.entry.limits;
    lend(this.#kernel.heap, creator, { ...rest, domains: domains + 1 }, -1);
    this.#release(creator);
  }

  /** Called after each burial. */
  buried(domain: Domain): void {
    this.#release(domain);
  }
}

function isCreation(use: ResolvedUse): boolean {
  return use.interface === DOMAINS && use.provider === "kernel";
}

function room(bytes: number): Share {
  return { ...NOTHING, memoryPages: Math.ceil(bytes / PAGE) };
}

function refuse(code: Refusal, message: string): never {
  throw new CreationError(code, message);
}

const REFUSALS: Readonly<Partial<Record<KernelErrorCode, Refusal>>> = {
  link: "BadImage",
  instantiate: "BadImage",
  limit: "LimitExceeded",
  start: "Died",
};

/** What went wrong at birth, as an answer for the creator. What is nobody's mistake stays what it is. */
function asRefusal(error: unknown): unknown {
  if (error instanceof AdmissionError || error instanceof WebAssembly.CompileError)
    return new CreationError("BadImage", error.message);
  if (!(error instanceof KernelError)) return error;
  const code = REFUSALS[error.code];
  return code === undefined ? error : new CreationError(code, error.message);
}
