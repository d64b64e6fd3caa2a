/**
 * Admitted and compiled modules, by content.
 *
 * One compiled module serves every instance of the same bytes under the same policy: owner and record are globals that
 * the kernel sets. The lowered bytes can also be kept between runs by the host. Invariant: the key covers everything
 * that the result depends on, the loader's own version included.
 */
import { admit } from "./admit.ts";
import type { Admitted, LowerOptions, Policy } from "./policy.ts";

/** Bumped whenever admission or lowering changes what it produces. */
const LOADER_VERSION = 1;

export interface CompiledModule {
  readonly admitted: Admitted;
  readonly module: WebAssembly.Module;
}

export interface ByteStore {
  get(key: string): Promise<Uint8Array | null>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

export class ModuleCache {
  readonly #store: ByteStore | null;
  readonly #options: LowerOptions;
  readonly #compiled = new Map<string, CompiledModule>();

  constructor(store: ByteStore | null, options: LowerOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** @throws AdmissionError */
  async get(bytes: Uint8Array, policy: Policy): Promise<CompiledModule> {
    const key = await cacheKey(bytes, policy, this.#options);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const stored = (await this.#store?.get(key)) ?? null;
    const found = stored === null ? null : unpack(stored);
    const admitted = found ?? admit(bytes, policy, this.#options);
    // Compiling runs on V8's own threads: this one goes on.
    const compiled = { admitted, module: await WebAssembly.compile(admitted.bytes) };
    if (found === null) await this.#store?.put(key, pack(admitted));
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

async function cacheKey(bytes: Uint8Array, policy: Policy, options: LowerOptions): Promise<string> {
  const rest = JSON.stringify([LOADER_VERSION, options, policy.maxPages, [...policy.functions], [...policy.methods]]);
  const text = new TextEncoder().encode(rest);
  const all = new Uint8Array(bytes.length + text.length);
  all.set(bytes);
  all.set(text, bytes.length);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Length of the description, the description as JSON, then offsets and bytes. */
function pack(a: Admitted): Uint8Array {
  const { bytes, offsets, exports, ...rest } = a;
  const json = JSON.stringify({ ...rest, exports: [...exports], offsets: offsets.length, bytes: bytes.length });
  const text = new TextEncoder().encode(json.padEnd((json.length + 3) & ~3));
  const out = new Uint8Array(4 + text.length + offsets.byteLength + bytes.length);
  new DataView(out.buffer).setUint32(0, text.length, true);
  out.set(text, 4);
  out.set(new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength), 4 + text.length);
  out.set(bytes, 4 + text.length + offsets.byteLength);
  return out;
}

/** Null for anything that is not what `pack` wrote: the module is then admitted again. */
function unpack(data: Uint8Array): Admitted | null {
  try {
    const own = data.slice();
    const length = new DataView(own.buffer).getUint32(0, true);
    const json = JSON.parse(new TextDecoder().decode(own.subarray(4, 4 + length)));
    const offsets = new Uint32Array(own.buffer.slice(4 + length, 4 + length + json.offsets * 4));
    const bytes = own.slice(4 + length + json.offsets * 4);
    if (bytes.length !== json.bytes) return null;
    return { ...json, exports: new Map(json.exports), offsets, bytes };
  } catch {
    return null;
  }
}
