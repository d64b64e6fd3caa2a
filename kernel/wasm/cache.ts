/**
 * Admitted and compiled modules, by content.
 *
 * One compiled module serves every instance of the same bytes under the same policy: owner and record are globals that
 * the kernel sets. The lowered bytes can also be kept between runs by the host. Invariant: the key covers everything
 * that the result depends on, the loader's own version included.
 */
import { admit } from "./admit.ts";
import { Section } from "./module.ts";
import { Writer } from "./writer.ts";
import type { Admitted, LowerOptions, Policy } from "./policy.ts";

/** Bumped whenever admission or lowering changes what it produces. */
const LOADER_VERSION = 4;
/** Compiled modules that are kept in memory: a session that replaces domains all day must not keep every version. */
export const MAX_MODULES = 256;

export interface CompiledModule {
  readonly admitted: Admitted;
  readonly module: WebAssembly.Module;
}

export interface ByteStore {
  get(key: string): Promise<Uint8Array | null>;
  put(key: string, bytes: Uint8Array): Promise<void>;
}

export type SourceMapUrl = (original: Uint8Array, offsets: Uint32Array) => string | null;

export class ModuleCache {
  readonly #store: ByteStore | null;
  readonly #options: LowerOptions;
  readonly #sourceMapUrl: SourceMapUrl;
  readonly #compiled = new Map<string, CompiledModule>();

  /** @param sourceMapUrl what debuggers are told of a module; see `Host` */
  constructor(store: ByteStore | null, options: LowerOptions, sourceMapUrl: SourceMapUrl = () => null) {
    this.#store = store;
    this.#sourceMapUrl = sourceMapUrl;
    this.#options = options;
  }

  /**
   * @param keep false: for bytes that nobody has vouched for, which could fill every store
   * @throws AdmissionError
   */
  async get(bytes: Uint8Array, policy: Policy, keep = true): Promise<CompiledModule> {
    const key = await cacheKey(bytes, policy, this.#options);
    const known = this.#compiled.get(key);
    if (known !== undefined) return this.#remember(key, known);
    const stored = (await this.#store?.get(key)) ?? null;
    const found = stored === null ? null : await unpack(stored);
    const admitted = found ?? admit(bytes, policy, this.#options);
    // Compiling runs on V8's own threads: this one goes on.
    const url = this.#sourceMapUrl(bytes, admitted.offsets);
    const code = url === null ? admitted.bytes : withSourceMapUrl(admitted.bytes, url);
    const compiled = { admitted, module: await WebAssembly.compile(code) };
    if (!keep) return compiled;
    if (found === null) await this.#store?.put(key, await pack(admitted));
    return this.#remember(key, compiled);
  }

  /** The one that was asked for least lately makes room. Domains that run it hold on to it themselves. */
  #remember(key: string, compiled: CompiledModule): CompiledModule {
    this.#compiled.delete(key);
    this.#compiled.set(key, compiled);
    const [oldest] = this.#compiled.keys();
    if (this.#compiled.size > MAX_MODULES) this.#compiled.delete(oldest!);
    return compiled;
  }
}

/** Appends the section in which engines look for it: nothing shifts. */
function withSourceMapUrl(bytes: Uint8Array, url: string): Uint8Array<ArrayBuffer> {
  const content = new Writer(url.length + 32).name("sourceMappingURL").name(url);
  const out = new Writer(bytes.length + content.length + 8).bytes(bytes);
  return out.u8(Section.custom).u32(content.length).bytes(content.view()).view().slice();
}

async function cacheKey(bytes: Uint8Array, policy: Policy, options: LowerOptions): Promise<string> {
  const rest = JSON.stringify([LOADER_VERSION, options, policy.maxPages, [...policy.functions], [...policy.methods]]);
  const text = new TextEncoder().encode(rest);
  const all = new Uint8Array(bytes.length + text.length);
  all.set(bytes);
  all.set(text, bytes.length);
  return Array.from(await sha256(all), (b) => b.toString(16).padStart(2, "0")).join("");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

const DIGEST_BYTES = 32;

/** Digest of the rest, length of the description, the description as JSON, then offsets and bytes. */
async function pack(a: Admitted): Promise<Uint8Array> {
  const { bytes, offsets, exports, ...rest } = a;
  const json = JSON.stringify({ ...rest, exports: [...exports], offsets: offsets.length });
  const text = new TextEncoder().encode(json);
  const out = new Uint8Array(DIGEST_BYTES + 4 + text.length + offsets.byteLength + bytes.length);
  const content = out.subarray(DIGEST_BYTES);
  new DataView(content.buffer, content.byteOffset).setUint32(0, text.length, true);
  content.set(text, 4);
  content.set(new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength), 4 + text.length);
  content.set(bytes, 4 + text.length + offsets.byteLength);
  out.set(await sha256(content));
  return out;
}

/** Null for anything that is not what `pack` wrote, bit for bit: the module is then admitted again. */
async function unpack(data: Uint8Array): Promise<Admitted | null> {
  // A copy with a buffer of its own: what a host hands over may be a view of something larger.
  const content = new Uint8Array(data.subarray(DIGEST_BYTES));
  const digest = await sha256(content);
  if (data.length < DIGEST_BYTES + 4 || digest.some((byte, i) => byte !== data[i])) return null;
  const length = new DataView(content.buffer).getUint32(0, true);
  const json = JSON.parse(new TextDecoder().decode(content.subarray(4, 4 + length)));
  const offsets = new Uint32Array(content.buffer.slice(4 + length, 4 + length + json.offsets * 4));
  const bytes = content.slice(4 + length + json.offsets * 4);
  return { ...json, exports: new Map(json.exports), offsets, bytes };
}
