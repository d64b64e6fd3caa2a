/**
 * Values between the host program and the flat calling convention: clients that call domains, services that domains
 * call. The host is a caller and a callee like any other: its private memory holds text and bytes while they cross.
 *
 * Invariant: buffers are taken from the host's memory like a stack and given back when the call ends.
 */
import type { Domain } from "../domain/domain.ts";
import { KernelError } from "../errors.ts";
import {
  resultWords,
  exportName,
  isDirect,
  outBuffers,
  RPC_MAX_ERROR,
  RPC_OK,
  RpcFault,
  type Interface,
  type Method,
  type Model,
  type Param,
  type RpcFaultName,
  type ValueType,
} from "../interface/model.ts";
import type { AsyncAnswer } from "../thread/threads.ts";
import { DOMAIN_RETURN, DOMAIN_SHIFT, DOMAINS, FIRST_HANDLE, OWNER_HOST } from "../../shared-heap/layout.ts";
import { HostObject } from "./object.ts";

export type RpcResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: string }
  | { readonly ok: false; readonly fault: RpcFaultName };

/** A capability as the host holds it. Generated client types describe the methods of its subclass-like instances. */
export interface HostClient {
  readonly capability: number;
  readonly [method: string]: unknown;
}

export interface MarshalKernel {
  readonly model: Model;
  readonly ledger: Int32Array;
  readonly trap: WebAssembly.RuntimeError;
  readonly hostDomain: Domain;
  settle(): void;
}

export interface Wrapping {
  /** The generated record class's instance, or a plain HostObject. */
  object(type: string, handle: number): HostObject;
  client(interfaceName: string, capability: number): HostClient;
}

const RETURN = (DOMAINS + (OWNER_HOST << DOMAIN_SHIFT) + DOMAIN_RETURN) >> 2;
const FAULT_NAMES = new Map<number, RpcFaultName>(
  Object.entries(RpcFault).map(([name, code]) => [code, name as RpcFaultName]),
);

export class Marshal {
  readonly #kernel: MarshalKernel;
  readonly #wrap: Wrapping;
  readonly #bytes: Uint8Array;
  readonly #floats32: Float32Array;
  readonly #floats64: Float64Array;
  #top: number;
  /** Buffers that outlive a call are taken from the end downwards and kept. */
  #bottom: number;

  constructor(kernel: MarshalKernel, wrap: Wrapping, buffersStart: number) {
    this.#kernel = kernel;
    this.#wrap = wrap;
    this.#bytes = new Uint8Array(kernel.hostDomain.memory!.buffer);
    this.#floats32 = new Float32Array(kernel.ledger.buffer);
    this.#floats64 = new Float64Array(kernel.ledger.buffer);
    this.#top = buffersStart;
    this.#bottom = this.#bytes.length;
  }

  /** A client for one object: `proxy(i)` is that of method i, asked for at each call, because it may change. */
  client(interface_: Interface, capability: number, proxy: (method: number) => Function): HostClient {
    const methods = interface_.methods.map((method, i) => [
      method.name,
      this.#caller(interface_, method, () => proxy(i)),
    ]);
    return Object.freeze({ capability, ...Object.fromEntries(methods) }) as HostClient;
  }

  /** Functions in the flat convention that serve `interface_`; `object` gives the host's object of a number. */
  service(interface_: Interface, object: (self: number) => Record<string, Function>): Map<string, Function> {
    return new Map(interface_.methods.map((method) => [exportName(interface_, method), this.#server(method, object)]));
  }

  // ── host → domain ────────────────────────────────────────────────────────────────────────────────────────────────

  #caller(interface_: Interface, method: Method, proxy: () => Function): Function {
    const capacities = outBuffers(method.result).map((out) => (out as { max: number }).max);
    const free: number[][] = [];
    return (...values: unknown[]): RpcResult | Promise<RpcResult> => {
      const place = `${interface_.name}.${method.name}`;
      if (values.length !== method.params.length)
        throw new KernelError("argument", `${place} takes ${method.params.length} arguments, got ${values.length}`);
      const top = this.#top;
      try {
        const flat = method.params.flatMap((p, i) => this.#lower(p, values[i], place));
        // The callee of an async method answers when this frame is gone: each call has buffers of its own.
        const buffers = method.async === true ? (free.pop() ?? capacities.map((c) => this.#keep(c, place))) : null;
        capacities.forEach((c, i) => flat.push(buffers?.[i] ?? this.#take(c, place), c));
        const answer = this.#call(proxy(), flat, place);
        if (answer instanceof Promise) {
          this.#markMoved(method.params, values);
          return answer.then((a) => {
            if (buffers !== null) free.push(buffers);
            return this.#asyncResult(method, a);
          });
        }
        if (buffers !== null) free.push(buffers);
        const status = answer >>> 0;
        if (status !== RpcFault.dead) this.#markMoved(method.params, values);
        return this.#result(method, status);
      } finally {
        this.#top = top;
        // Last, because a domain that is restarted may call the host, whose result words are read by now.
        this.#kernel.settle();
      }
    };
  }

  /** The words that came with the answer are the host's own when the result is read, whatever ran meanwhile. */
  #asyncResult(method: Method, { status, words }: AsyncAnswer): RpcResult {
    this.#kernel.ledger.set(words, RETURN);
    return this.#result(method, status >>> 0);
  }

  #call(proxy: Function, flat: number[], place: string): number | Promise<AsyncAnswer> {
    try {
      return proxy(...flat) as number | Promise<AsyncAnswer>;
    } catch (error) {
      if (error !== this.#kernel.trap) throw error;
      const why = this.#kernel.hostDomain.blame?.message ?? place;
      this.#kernel.hostDomain.blame = null;
      throw new KernelError("argument", why);
    }
  }

  #lower(param: Param, value: unknown, place: string): number[] {
    const type = param.type;
    const wrong = (): never => {
      throw new KernelError("argument", `${place}: argument ${param.name} is not a ${typeName(type)}`);
    };
    switch (type.kind) {
      case "scalar":
        if (type.scalar === "u64" || type.scalar === "i64")
          return typeof value === "bigint"
            ? [Number(value & 0xffffffffn) | 0, Number((value >> 32n) & 0xffffffffn) | 0]
            : wrong();
        if (type.scalar === "bool") return [value ? 1 : 0];
        return typeof value === "number" ? [value] : wrong();
      case "enum":
        return typeof value === "number" ? [value] : wrong();
      case "rref":
      case "borrow":
        return value instanceof HostObject ? [value.handle] : wrong();
      case "interface":
        return [(value as HostClient | undefined)?.capability ?? wrong()];
      case "str":
      case "slice": {
        const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
        if (!(bytes instanceof Uint8Array)) return wrong();
        if (bytes.length > type.max)
          throw new KernelError(
            "argument",
            `${place}: argument ${param.name} has ${bytes.length} bytes, at most ${type.max}`,
          );
        const at = this.#take(bytes.length, place);
        this.#bytes.set(bytes, at);
        return [at, bytes.length];
      }
      default:
        return wrong();
    }
  }

  #take(length: number, place: string): number {
    const at = this.#top;
    if (at + length > this.#bottom) throw new KernelError("limit", `${place}: the host's buffers are full`);
    this.#top = (at + length + 7) & ~7;
    return at;
  }

  #keep(length: number, place: string): number {
    const at = (this.#bottom - length) & ~7;
    if (at < this.#top) throw new KernelError("limit", `${place}: the host's buffers are full`);
    return (this.#bottom = at);
  }

  #markMoved(params: readonly Param[], values: readonly unknown[]): void {
    params.forEach((p, i) => {
      if (p.type.kind === "rref") (values[i] as HostObject).handle = 0;
    });
  }

  #result(method: Method, status: number): RpcResult {
    if (isDirect(method.result) && status >= FIRST_HANDLE)
      return { ok: true, value: this.#lift(directType(method), status, 0) };
    if (status !== RPC_OK) {
      const fault = FAULT_NAMES.get(status);
      if (fault !== undefined) return { ok: false, fault };
      return { ok: false, error: this.#kernel.model.enums[method.error!]!.members[status - 1]!.name };
    }
    const { result } = method;
    if (result.kind === "void") return { ok: true, value: undefined };
    if (result.kind === "value") return { ok: true, value: this.#liftWord(result.type, 0) };
    const words = resultWords(result.fields.map((f) => f.type));
    const value = Object.fromEntries(result.fields.map((f, i) => [f.name, this.#liftWord(f.type, words[i]!)]));
    return { ok: true, value };
  }

  #liftWord(type: ValueType, word: number): unknown {
    const at = RETURN + word;
    if (type.kind === "scalar" && type.scalar === "f32") return this.#floats32[at];
    if (type.kind === "scalar" && type.scalar === "f64") return this.#floats64[at >> 1];
    return this.#lift(type, this.#kernel.ledger[at]!, this.#kernel.ledger[at + 1]!);
  }

  /** One flat value (two words at most) as a JavaScript value. */
  #lift(type: ValueType, low: number, high: number): unknown {
    switch (type.kind) {
      case "scalar":
        return liftScalar(type.scalar, low, high);
      case "enum":
        return low;
      case "rref":
      case "borrow":
        return this.#wrap.object(type.type, low);
      case "interface":
        return this.#wrap.client(type.name, low);
      case "str":
        return new TextDecoder().decode(this.#bytes.subarray(low, low + high));
      case "slice":
        return this.#bytes.slice(low, low + high);
      default:
        throw new Error("unknown value");
    }
  }

  // ── domain → host ────────────────────────────────────────────────────────────────────────────────────────────────

  #server(method: Method, object: (self: number) => Record<string, Function>): Function {
    return (self: number, ...flat: number[]): number | Promise<() => number> => {
      let at = 0;
      const values = method.params.map((p) => {
        const [low, high] = [flat[at]!, flat[at + 1] ?? 0];
        at += p.type.kind === "str" || p.type.kind === "slice" || isWide(p.type) ? 2 : 1;
        return this.#lift(p.type, low, high);
      });
      const answer = object(self)[method.name]!(...values) as RpcResult | Promise<RpcResult>;
      return answer instanceof Promise
        ? answer.then((late) => () => this.#answer(method, late))
        : this.#answer(method, answer);
    };
  }

  #answer(method: Method, answer: RpcResult): number {
    if (!answer.ok) {
      if ("fault" in answer) throw new KernelError("argument", `a service cannot answer the fault ${answer.fault}`);
      const index =
        this.#kernel.model.enums[method.error ?? ""]?.members.findIndex((m) => m.name === answer.error) ?? -1;
      if (index < 0 || index >= RPC_MAX_ERROR)
        throw new KernelError("argument", `${answer.error} is no error of ${method.name}`);
      return index + 1;
    }
    const { result } = method;
    if (result.kind === "void") return RPC_OK;
    if (isDirect(result))
      return this.#lower({ name: "result", type: directType(method) }, answer.value, method.name)[0]!;
    const fields = result.kind === "value" ? [{ name: "result", type: result.type }] : result.fields;
    const words = resultWords(fields.map((f) => f.type));
    const top = this.#top;
    fields.forEach((f, i) => {
      const value = result.kind === "value" ? answer.value : (answer.value as Record<string, unknown>)[f.name];
      this.#store(f, value, RETURN + words[i]!, method.name);
    });
    // The proxy copies the bytes before anything else can run in the host.
    this.#top = top;
    return RPC_OK;
  }

  #store(field: Param, value: unknown, at: number, place: string): void {
    if (field.type.kind === "scalar" && field.type.scalar === "f32") this.#floats32[at] = value as number;
    else if (field.type.kind === "scalar" && field.type.scalar === "f64") this.#floats64[at >> 1] = value as number;
    else this.#lower(field, value, place).forEach((word, k) => (this.#kernel.ledger[at + k] = word));
  }
}

function directType(method: Method): ValueType {
  if (method.result.kind !== "value") throw new Error(`${method.name} has no direct result`);
  return method.result.type;
}

function isWide(type: ValueType): boolean {
  return type.kind === "scalar" && (type.scalar === "u64" || type.scalar === "i64");
}

function liftScalar(scalar: string, low: number, high: number): unknown {
  switch (scalar) {
    case "bool":
      return low !== 0;
    case "u32":
      return low >>> 0;
    case "u64":
      return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    case "i64":
      return (BigInt(high) << 32n) | BigInt(low >>> 0);
    default:
      return low;
  }
}

function typeName(type: ValueType): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "enum":
    case "interface":
      return type.name;
    case "rref":
    case "borrow":
      return type.type;
    default:
      return type.kind === "str" ? `text of at most ${type.max} bytes` : `Uint8Array of at most ${type.max} bytes`;
  }
}
