/**
 * Edges: makes the proxies through which one domain calls one object of another, and counts their calls.
 *
 * Invariant: a proxy is bound to one instance (id and generation) on each side; when either is gone it answers "dead"
 * or throws into a frame that is being unwound, and never reaches another instance.
 */
import { derive, keepRoot, revokeDerived, revokeGrant, ROOT } from "../capability/derivation.ts";
import type { Capability, CapabilityTable, Target } from "../capability/table.ts";
import { sameSignature, type Domain } from "../domain/domain.ts";
import { KernelError } from "../errors.ts";
import {
  clientSignature,
  exportName,
  RpcFault,
  serverSignature,
  type Interface,
  type Model,
} from "../interface/model.ts";
import type { Trace, TracedEdge } from "../trace/trace.ts";
import type { Admitted } from "../wasm/policy.ts";
import { EDGE_CALLS, EDGE_SHIFT, EDGES, FIRST_HANDLE, MAX_EDGES } from "../../shared-heap/layout.ts";
import { generateProxy, PROXY_SCOPE, type Ablation } from "./generate.ts";
import type { AsyncEdge, Threads } from "../thread/threads.ts";
import { room } from "./room.ts";
import { bridge, EMPTY_MEMORY, makeBridge, makeCopier, type BridgeEntry, type Copier } from "./modules.ts";

/** What proxies call back for; all of it is off the hot path. */
export interface ProxyKernel {
  readonly ledger: Int32Array;
  readonly trap: WebAssembly.RuntimeError;
  readonly model: Model;
  readonly typeIds: ReadonlyMap<string, number>;
  readonly omit: ReadonlySet<Ablation>;
  /** The domain of this id, dead or alive, unless the id belongs to a later instance. */
  instance(id: number, generation: number): Domain | null;
  /** Notes the blame and throws the trap object. */
  blame(domain: Domain, message: string): never;
  /** Ends the domain (once), from what it threw or, when null, from what was noted. */
  fault(domain: Domain, error: unknown): void;
  /** The exported function, or the host service's, that implements one method. */
  implementation(domain: Domain, name: string): Function | null;
  readonly hostDomain: Domain;
  readonly threads: Threads;
  readonly trace: Trace;
  /** The domain (or built-in provider) of this name; one that is always dead, when it is another instance. */
  provider(name: string, generation?: number): Domain | null;
  /** All who may hold capabilities. */
  holders(): Iterable<Domain>;
}

export interface EdgeInfo extends TracedEdge {
  readonly calls: number;
}

/** Of this process: see "text of its own" in generate.ts. Several systems in one process have equal names and ids. */
let serial = 0;

export class EdgeLinker {
  readonly #kernel: ProxyKernel;
  readonly #bridges = new Map<string, WebAssembly.Module>();
  readonly #copiers = new WeakMap<WebAssembly.Memory, WeakMap<WebAssembly.Memory, Copier>>();
  readonly #edges: (TracedEdge | null)[] = [];
  readonly #freeCounters: number[] = [];

  constructor(kernel: ProxyKernel) {
    this.#kernel = kernel;
  }

  /**
   * The holder's capability to `target`: one more reference, or a new one. A fault code when there is no room.
   * @param source the capability that it is passed from
   */
  grant(holder: Domain, target: Target, source: Capability | typeof ROOT = ROOT): number {
    const table = holder.capabilities!;
    const callee = this.#kernel.instance(target.domain, target.generation);
    if (callee === null) return RpcFault.dead;
    const known = table.find(target);
    if (known !== null) known.references++;
    const capability = known ?? this.#add(holder, callee, target, source !== ROOT);
    if (capability === null) return RpcFault.exhausted;
    if (source === ROOT) capability.sources.add(ROOT);
    else derive(source, capability);
    return capability.number;
  }

  #add(holder: Domain, callee: Domain, target: Target, passed: boolean): Capability | null {
    const interface_ = this.#kernel.model.interfaces[target.interface]!;
    const counters = this.#takeCounters(holder, callee, interface_);
    if (counters === null) return null;
    const proxies = interface_.methods.map((_, i) => this.#compile(holder, callee, target, i, counters[i]!));
    const entries = this.#entries(interface_, proxies);
    const capability = holder.capabilities!.add(target, proxies, entries, counters, passed);
    const { trace } = this.#kernel;
    if (capability === null) counters.forEach((c) => this.#releaseCounter(c));
    else trace.event("grant", holder.id, trace.peerDetail(target.interface, callee.id));
    return capability;
  }

  /** Takes back, at once and transitively, what was derived from a capability; the capability itself stays. */
  revokeDerived(capability: Capability): void {
    this.#end(revokeDerived(capability), "revoked");
  }

  /** Takes a grant back from its holder, and from all to whom it was passed on. */
  revokeGrant(capability: Capability): void {
    this.#end(revokeGrant(capability), "revoked");
  }

  /** Calls through these answer the fault from now on. Calls that are under way finish. */
  #end(capabilities: readonly Capability[], how: "revoked" | "dead"): void {
    for (const capability of capabilities) {
      const holder = [...this.#kernel.holders()].find((h) => h.capabilities?.get(capability.number) === capability)!;
      this.#install(holder, capability, stubs(capability, how));
      holder.capabilities!.end(capability, how);
      const { trace } = this.#kernel;
      if (how === "revoked")
        trace.event("revoke", holder.id, trace.peerDetail(capability.interface, capability.domain));
    }
  }

  /** Gives one reference back. */
  drop(holder: Domain, capability: Capability): void {
    if (holder.capabilities!.drop(capability)) capability.counters.forEach((c) => this.#releaseCounter(c));
  }

  dropAll(holder: Domain): void {
    for (const capability of Array.from(holder.capabilities?.all() ?? [])) {
      capability.references = 1;
      this.drop(holder, capability);
    }
  }

  /**
   * At the burial of a domain that may live again: gives back what it held. The proxies of its manifest grants stay in
   * place, without a reference, so that its next life finds them.
   */
  releaseHeld(holder: Domain): void {
    for (const capability of Array.from(holder.capabilities!.all())) {
      const { interface: name, self } = capability;
      const callee = this.#kernel.instance(capability.domain, capability.generation);
      const granted = holder.entry.uses.some(
        (use) =>
          use.interface === name &&
          use.self === self &&
          !holder.revoked.has(use.name) &&
          this.#kernel.provider(use.provider, use.generation) === callee,
      );
      if (granted && capability.ended === null) {
        capability.references = 0;
        keepRoot(capability);
      } else {
        capability.references = 1;
        this.drop(holder, capability);
      }
    }
  }

  /**
   * At the burial of a domain: capabilities to objects that it minted answer "dead" for ever, or to all of its objects
   * when it is not to live again.
   */
  severMinted(callee: Domain, all = false): void {
    const lost = [...this.#capabilitiesTo(callee)].filter((c) => (all || !provides(callee, c)) && c.ended === null);
    this.#end(lost, "dead");
  }

  /** After a domain got a new instance: capabilities to what it provides get new proxies, under the same numbers. */
  rebind(callee: Domain): void {
    for (const holder of this.#kernel.holders())
      for (const capability of holder.capabilities?.all() ?? [])
        if (leadsTo(callee, capability) && provides(callee, capability)) this.#renew(holder, callee, capability);
  }

  /** After a domain got a new instance: what the former one held, under the same numbers. */
  rehold(holder: Domain, former: CapabilityTable): void {
    for (const capability of Array.from(former.all())) {
      const callee = this.#kernel.instance(capability.domain, capability.generation);
      holder.capabilities!.adopt(capability);
      if (callee === null) this.#install(holder, capability, stubs(capability, "dead"));
      else this.#renew(holder, callee, capability);
    }
  }

  *#capabilitiesTo(callee: Domain): Iterable<Capability> {
    for (const holder of this.#kernel.holders())
      for (const capability of holder.capabilities?.all() ?? []) if (leadsTo(callee, capability)) yield capability;
  }

  /** New proxies, because holder or callee has a new instance. */
  #renew(holder: Domain, callee: Domain, capability: Capability): void {
    const { ended, counters } = capability;
    const proxies =
      ended === null
        ? counters.map((counter, i) => this.#compile(holder, callee, capability, i, counter))
        : stubs(capability, ended);
    this.#install(holder, capability, proxies);
  }

  #install(holder: Domain, capability: Capability, proxies: readonly Function[]): void {
    const interface_ = this.#kernel.model.interfaces[capability.interface]!;
    holder.capabilities!.replace(capability, proxies, this.#entries(interface_, proxies));
  }

  #entries(interface_: Interface, proxies: readonly Function[]): Function[] {
    return bridge(this.#bridge(interface_), proxies, this.#kernel.threads.scheduler.parked);
  }

  /** Passes a capability on: the number in `to`, a fault code, or -1 when `from` holds no such capability. */
  pass(from: Domain, to: Domain, number: number, interfaceName: string): number {
    const capability = from.capabilities?.get(number) ?? null;
    if (capability === null || capability.interface !== interfaceName) return -1;
    if (capability.ended !== null) return RpcFault[capability.ended];
    const passed = this.grant(to, capability, capability);
    const { trace } = this.#kernel;
    if (passed >= FIRST_HANDLE) trace.event("pass", from.id, trace.peerDetail(interfaceName, to.id));
    return passed;
  }

  edges(): EdgeInfo[] {
    return this.#edges.flatMap((edge, i) => (edge === null ? [] : [{ ...edge, calls: this.#count(i) }]));
  }

  /** By index of the record in the ledger. */
  edgeRecords(): readonly (TracedEdge | null)[] {
    return this.#edges;
  }

  /** Calls of all methods through one capability. */
  calls({ counters }: Capability): number {
    return counters.reduce((sum, counter) => sum + this.#count(counter), 0);
  }

  #count(edge: number): number {
    return this.#kernel.ledger[callsWord(edge)]! >>> 0;
  }

  /** The generated source of one method, for people who want to read it. */
  source(holder: Domain, callee: Domain, target: Target, method: number, counter = 0): string {
    const { model, typeIds, omit } = this.#kernel;
    const interface_ = model.interfaces[target.interface]!;
    return generateProxy({
      model,
      interface: interface_,
      method: interface_.methods[method]!,
      caller: holder,
      callee,
      self: target.self,
      counter,
      typeIds,
      omit,
    });
  }

  #compile(holder: Domain, callee: Domain, target: Target, index: number, counter: number): Function {
    const kernel = this.#kernel;
    const interface_ = kernel.model.interfaces[target.interface]!;
    const method = interface_.methods[index]!;
    const exported = kernel.implementation(callee, exportName(interface_, method));
    if (exported === null && callee.alive)
      throw new KernelError("link", `${callee.name} does not export ${exportName(interface_, method)}`);
    // A capability to the dead can still be asked for and passed on; its proxy answers before it gets here.
    const implementation = exported ?? ((): number => RpcFault.dead);
    const place = `${interface_.name}.${method.name}`;
    const failed = (error: unknown): number => {
      // A service of the kernel's ended its caller: that is no failure of the service.
      if (callee === kernel.hostDomain && error === kernel.trap && !holder.alive) throw error;
      kernel.fault(callee, error);
      if (!holder.alive) throw kernel.trap;
      return RpcFault.crashed;
    };
    const badResult = (why: string): number => {
      callee.blame ??= { kind: "rule", message: `result of ${place}: ${why}`, error: null, chain: [] };
      return failed(null);
    };
    const badArgument = (i: number, why: string): never =>
      kernel.blame(holder, `argument ${method.params[i]!.name} of ${place}: ${why}`);
    const copier = this.#copier(holder, callee);
    const edge: AsyncEdge = {
      caller: holder,
      callee,
      method,
      start: (exported === null || callee === kernel.hostDomain
        ? implementation
        : kernel.threads.starter(method, implementation)) as AsyncEdge["start"],
      fault: (error) => kernel.fault(callee, error),
    };
    const launch = kernel.threads.launch.bind(kernel.threads, edge);
    const scope: Record<(typeof PROXY_SCOPE)[number], unknown> = {
      L: kernel.ledger,
      callee: implementation,
      room,
      TRAP: kernel.trap,
      badArgument,
      crashed: failed,
      badResult,
      args: callee.args,
      refused: () => kernel.threads.refused(holder, callee),
      launch,
      ...copier,
      passIn: (number: number, name: string) => this.pass(holder, callee, number, name),
      dropIn: (number: number) => this.drop(callee, callee.capabilities!.get(number)!),
      passOut: (number: number, name: string) => this.pass(callee, holder, number, name),
      dropOut: (number: number) => this.drop(holder, holder.capabilities!.get(number)!),
    };
    const source = `${this.source(holder, callee, target, index, counter)}#${serial++}`;
    return new Function(...PROXY_SCOPE, `return ${source}`)(...PROXY_SCOPE.map((n) => scope[n])) as Function;
  }

  #copier(caller: Domain, callee: Domain): Copier {
    const [from, to] = [caller.memory ?? EMPTY_MEMORY, callee.memory ?? EMPTY_MEMORY];
    let row = this.#copiers.get(from);
    if (row === undefined) this.#copiers.set(from, (row = new WeakMap()));
    let copier = row.get(to);
    if (copier === undefined) row.set(to, (copier = makeCopier(from, to)));
    return { copyIn: copier.copyIn, copyOut: copier.copyOut, checkOut: copier.checkOut };
  }

  #bridge(interface_: Interface): WebAssembly.Module {
    let module = this.#bridges.get(interface_.name);
    if (module === undefined) this.#bridges.set(interface_.name, (module = makeBridge(bridgeEntries(interface_))));
    return module;
  }

  #takeCounters(holder: Domain, callee: Domain, interface_: Interface): number[] | null {
    const free = this.#freeCounters.length + MAX_EDGES - this.#edges.length;
    if (free < interface_.methods.length) return null;
    return interface_.methods.map((method) => {
      const counter = this.#freeCounters.pop() ?? this.#edges.push(null) - 1;
      this.#edges[counter] = {
        caller: holder.name,
        callee: callee.name,
        interface: interface_.name,
        method: method.name,
      };
      this.#kernel.ledger[callsWord(counter)] = 0;
      this.#kernel.trace.clearEdge(counter);
      return counter;
    });
  }

  #releaseCounter(counter: number): void {
    this.#edges[counter] = null;
    this.#freeCounters.push(counter);
  }
}

const callsWord = (edge: number): number => (EDGES + (edge << EDGE_SHIFT) + EDGE_CALLS) >> 2;

/** What stands in the place of the proxies of a capability that has ended. */
function stubs({ proxies }: Capability, how: "revoked" | "dead"): Function[] {
  return proxies.map(() => (): number => RpcFault[how]);
}

function leadsTo(callee: Domain, { domain, generation }: Target): boolean {
  return domain === callee.id && generation === callee.generation;
}

/** Whether it names an object of the domain's manifest entry: those are there in its next life too. */
function provides(domain: Domain, target: Target): boolean {
  return domain.entry.provides.some((p) => p.interface === target.interface && p.self === target.self);
}

/** The capability argument was consumed by the indirect call, so proxies have the signature without it. */
function bridgeEntries(interface_: Interface): BridgeEntry[] {
  return interface_.methods.map((m) => {
    const { params, results } = clientSignature(m);
    return { signature: { params: params.slice(0, -1), results }, async: m.async === true };
  });
}

/** What a module must export to serve an interface; null when it does, else the reason. */
export function missingExport({ exports }: Admitted, interface_: Interface): string | null {
  for (const method of interface_.methods) {
    const name = exportName(interface_, method);
    const declared = exports.get(name);
    if (declared !== undefined && sameSignature(declared, serverSignature(method))) continue;
    const other = [...exports.keys()].find(
      (e) => e.startsWith(`${interface_.name}$`) && e.endsWith(`$${method.name}`) && e !== name,
    );
    if (other !== undefined)
      return (
        `was built against another version of ${interface_.name}: it exports ${other}, ` +
        `this system has ${name}; rebuild it`
      );
    return declared === undefined
      ? `does not export ${name}`
      : `exports ${name} with another signature than the interface has`;
  }
  return null;
}
