/**
 * JavaScript in the place of intrinsics and proxies, for modules that were not lowered.
 *
 * Owns a model of heap and result words that is as simple as it can be, so that a test of stubs tests stubs. Invariant:
 * it believes everything; who may do what is tested where the real loader and kernel are.
 */
import { RpcFault } from "#kernel/interface/model.ts";

interface FakeObject {
  bytes: Uint8Array;
  readonly slots: number[];
  readonly queue: number[];
}

export class FakeKernel {
  readonly words = new DataView(new ArrayBuffer(32));
  readonly objects = new Map<number, FakeObject>();
  /** Calls of imports that are not intrinsics: `module.name(arguments)`. */
  readonly calls: string[] = [];
  readonly aborts: string[] = [];
  exhausted = false;
  instance!: WebAssembly.Instance;
  #next = 1024;

  /** Instantiates a module; `methods` answers imports that are neither intrinsics nor types. */
  async start(
    bytes: Uint8Array<ArrayBuffer>,
    methods: (module: string, name: string) => ((...args: number[]) => number) | null,
    init = "_init",
  ): Promise<void> {
    const module = await WebAssembly.compile(bytes);
    const imports: WebAssembly.Imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      const own = this.#intrinsic(from, name) ?? methods(from, name);
      if (own === null) throw new Error(`nothing answers the import ${from}.${name}`);
      (imports[from] ??= {})[name] = own;
    }
    this.instance = await WebAssembly.instantiate(module, imports);
    this.call(init);
  }

  call(name: string, ...args: number[]): number {
    return (this.instance.exports[name] as (...args: number[]) => number)(...args);
  }

  get memory(): Uint8Array {
    return new Uint8Array((this.instance.exports["memory"] as WebAssembly.Memory).buffer);
  }

  text(pointer: number, length: number): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.memory.slice(pointer, pointer + length));
  }

  create(): number {
    this.objects.set(this.#next, { bytes: new Uint8Array(256), slots: [], queue: [] });
    return this.#next++;
  }

  object(handle: number): FakeObject {
    const object = this.objects.get(handle);
    if (object === undefined) throw new Error(`no object ${handle}`);
    return object;
  }

  #intrinsic(module: string, name: string): ((...args: never[]) => unknown) | null {
    if (module === "type") return () => (this.exhausted ? 0 : this.create());
    if (module === "rpc") return this.#returnWord(name);
    if (module === "heap") return this.#access(name) ?? this.#structure(name);
    if (module === "cap") return (capability: number) => void this.calls.push(`drop(${capability})`);
    if (module === "env" && name === "abort") return (message: number) => this.#abort(message);
    return null;
  }

  #abort(message: number): never {
    const length = new DataView(this.memory.buffer).getInt32(message - 4, true);
    const units = this.memory.slice(message, message + length);
    this.aborts.push(new TextDecoder("utf-16le").decode(units));
    throw new Error(this.aborts.at(-1));
  }

  #returnWord(name: string): (value: number) => unknown {
    const [, what, kind, index] = /^(get|set)([fd]?)([0-7])$/.exec(name)!;
    const at = Number(index) * 4;
    const { words } = this;
    if (kind === "f") return what === "get" ? () => words.getFloat32(at, true) : (v) => words.setFloat32(at, v, true);
    if (kind === "d") return what === "get" ? () => words.getFloat64(at, true) : (v) => words.setFloat64(at, v, true);
    return what === "get" ? () => words.getInt32(at, true) : (v) => words.setInt32(at, v, true);
  }

  #access(name: string): ((...args: never[]) => unknown) | null {
    const access = /^(load|store|peek)_(u8|i8|u16|i16|i32|i64|f32|f64)$/.exec(name);
    if (access === null) return null;
    const view = (handle: number): DataView => new DataView(this.object(handle).bytes.buffer);
    const accessor = {
      u8: "Uint8",
      i8: "Int8",
      u16: "Uint16",
      i16: "Int16",
      i32: "Int32",
      i64: "BigInt64",
      f32: "Float32",
      f64: "Float64",
    }[access[2]!]!;
    type Get = (at: number, littleEndian: boolean) => unknown;
    type Set = (at: number, value: unknown, littleEndian: boolean) => void;
    const get = (v: DataView, at: number): unknown =>
      (v[`get${accessor}` as keyof DataView] as unknown as Get).call(v, at, true);
    if (access[1] === "load") return (handle: number, at: number) => get(view(handle), at);
    if (access[1] === "peek")
      return (container: number, slot: number, at: number) => {
        const { slots, queue } = this.object(container);
        return get(view(queue[slot] ?? slots[slot]!), at);
      };
    return (value: unknown, handle: number, at: number) => {
      const v = view(handle);
      (v[`set${accessor}` as keyof DataView] as unknown as Set).call(v, at, value, true);
    };
  }

  #structure(name: string): (...args: never[]) => unknown {
    const words = (pointer: number, count: number): Int32Array => new Int32Array(this.memory.buffer, pointer, count);
    const push = (handle: number, deque: number): number =>
      this.object(deque).queue.length < 4 ? +(this.object(deque).queue.push(handle) > 0) : 0;
    const take = (container: number, slot: number): number => {
      const handle = this.object(container).slots[slot] ?? 0;
      this.object(container).slots[slot] = 0;
      return handle;
    };
    const operations: Record<string, (...args: never[]) => unknown> = {
      size: (handle: number) => this.object(handle).bytes.length,
      free: (handle: number) => void this.objects.delete(handle),
      resize: (handle: number, bytes: number) =>
        +((this.object(handle).bytes = new Uint8Array(bytes)).length === bytes),
      put: (handle: number, container: number, slot: number) => void (this.object(container).slots[slot] = handle),
      take,
      has: (container: number, slot: number) => +((this.object(container).slots[slot] ?? 0) !== 0),
      push,
      pop: (deque: number) => this.object(deque).queue.shift() ?? 0,
      len: (deque: number) => this.object(deque).queue.length,
      push_n: (pointer: number, count: number, deque: number) =>
        words(pointer, count).reduce((moved, handle) => moved + push(handle, deque), 0),
      pop_n: (pointer: number, count: number, deque: number) => {
        const handles = this.object(deque).queue.splice(0, count);
        words(pointer, count).set(handles);
        return handles.length;
      },
      copy_in: (pointer: number, length: number, handle: number, at: number) =>
        this.object(handle).bytes.set(this.memory.slice(pointer, pointer + length), at),
      copy_out: (pointer: number, length: number, handle: number, at: number) =>
        this.memory.set(this.object(handle).bytes.slice(at, at + length), pointer),
      copy: (from: number, fromAt: number, length: number, to: number, toAt: number) =>
        this.object(to).bytes.set(this.object(from).bytes.slice(fromAt, fromAt + length), toAt),
      fill: (byte: number, length: number, handle: number, at: number) =>
        void this.object(handle).bytes.fill(byte, at, at + length),
    };
    const operation = operations[name];
    if (operation === undefined) throw new Error(`no heap intrinsic ${name}`);
    return operation;
  }

  // ── a proxy that calls the module's own server ───────────────────────────────────────────────────────────────────

  #argumentTop = 0;

  /**
   * A client import that is answered by the same module's export.
   *
   * @param texts positions of pointer/length pairs among the parameters, with the most bytes of each
   * @param outs number of out buffers; `outWords` are the result words that hold their pointer and length
   */
  loop(
    name: string,
    key: string,
    texts: readonly (readonly [number, number])[],
    outWords: readonly number[],
    self = 0,
  ): (...args: number[]) => number {
    return (...args) => {
      const flat = args.slice(0, args.length - 1 - outWords.length * 2);
      const out = args.slice(flat.length, -1);
      this.calls.push(`${name}(${args.join(", ")})`);
      const top = this.#argumentTop;
      for (const [at, max] of texts) {
        const length = flat[at + 1]!;
        if (length >>> 0 > max) return RpcFault.tooLarge;
        const to = this.call("samara_args") + this.#argumentTop;
        this.memory.copyWithin(to, flat[at]!, flat[at]! + length);
        flat[at] = to;
        this.#argumentTop += (length + 7) & ~7;
      }
      const status = this.call(`${key}$${name}`, self, ...flat);
      this.#argumentTop = top;
      outWords.forEach((word, i) => {
        const from = this.words.getInt32(word * 4, true);
        const length = this.words.getInt32(word * 4 + 4, true);
        if (status !== 0) return;
        this.memory.copyWithin(out[i * 2]!, from, from + length);
        this.words.setInt32(word * 4, out[i * 2]!, true);
      });
      return status;
    };
  }
}
