/**
 * Who exists: domains by id and by name.
 *
 * Invariants: a name leads to one domain, the last that was loaded under it; an id is given again only when its former
 * domain is buried and forgotten.
 */
import { KernelError } from "../errors.ts";
import { SUPERVISOR } from "../manifest/manifest.ts";
import { FIRST_DOMAIN, MAX_DOMAINS, OWNER_HOST, OWNER_NONE } from "../../shared-heap/layout.ts";
import type { Domain } from "./domain.ts";

/** Providers whose objects are services of the host program. */
const BUILT_IN = ["host", "kernel", SUPERVISOR];

export class Registry {
  readonly #byId: (Domain | null)[] = [];
  readonly #byName = new Map<string, Domain>();
  readonly #host: Domain;
  /** Always dead: what leads to a domain that is gone leads here. */
  readonly #nobody: Domain;

  constructor(host: Domain, nobody: Domain) {
    this.#byId[OWNER_HOST] = this.#host = host;
    this.#byId[OWNER_NONE] = this.#nobody = nobody;
  }

  at(id: number): Domain | null {
    return this.#byId[id] ?? null;
  }

  /** The domain of this id, dead or alive, unless the id belongs to a later instance. */
  instance(id: number, generation: number): Domain | null {
    const domain = this.at(id);
    return domain?.generation === generation ? domain : null;
  }

  find(name: string): Domain | null {
    return this.#byName.get(name) ?? null;
  }

  /** The domain (or built-in provider) of this name; one that is always dead, when it is another instance. */
  provider(name: string, generation?: number): Domain | null {
    if (BUILT_IN.includes(name)) return this.#host;
    const domain = this.find(name);
    return generation === undefined || domain?.generation === generation ? domain : this.#nobody;
  }

  /** In the order of their names' first load. */
  named(): Domain[] {
    return [...this.#byName.values()];
  }

  /** All who may hold capabilities. */
  all(): Domain[] {
    return this.#byId.filter((domain) => domain !== null && domain !== undefined);
  }

  /** @throws KernelError (limit) */
  freeId(): number {
    for (let id = FIRST_DOMAIN; id < MAX_DOMAINS; id++) {
      const former = this.at(id);
      if (former === null) return id;
      if (former.state === "dead" && former.reclaim === null && this.find(former.name) !== former) return id;
    }
    throw new KernelError("limit", `more than ${MAX_DOMAINS - FIRST_DOMAIN} domains`);
  }

  add(domain: Domain): void {
    this.#byId[domain.id] = domain;
    this.#byName.set(domain.name, domain);
  }

  remove(domain: Domain): void {
    this.#byId[domain.id] = null;
    this.#byName.delete(domain.name);
  }
}
