/**
 * Writes one random function body with the stack discipline of Wasm.
 *
 * Keeps: `value(type)` leaves exactly one value of that type, `statement()` leaves the stack as it found it. Handles
 * come from locals, globals, memory, intrinsics and constants, so that every fact that the loader's check removal
 * keeps about a local is also attacked: reassigned, aliased, moved in a callee, behind branches and loops.
 */
import { append, type Code } from "../support/wasm-builder/bytes.ts";
import * as op from "../support/wasm-builder/op.ts";
import { FUEL, type FunctionShape, type Surroundings } from "./generator.ts";

const { I32, I64, F32, F64, V128 } = op;
/** i32 locals after the parameters; the first ones are used as handles. */
const I32_LOCALS = 6;
const HANDLE_LOCALS = 4;
const MAX_DEPTH = 4;
const BINARY_I32 = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x46, 0x48, 0x49, 0x4d];
const BINARY_I64 = [0x7c, 0x7d, 0x7e, 0x83, 0x84, 0x85, 0x86, 0x88];
/** Loads and stores of memory 0 by value type: opcode and alignment. */
const LOADS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  [I32]: [[0x28, 2], [0x2c, 0], [0x2d, 0], [0x2e, 1], [0x2f, 1]],
  [I64]: [[0x29, 3], [0x30, 0], [0x33, 1], [0x34, 2], [0x35, 2]],
};
const STORES: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  [I32]: [[0x36, 2], [0x3a, 0], [0x3b, 1]],
  [I64]: [[0x37, 3], [0x3c, 0], [0x3e, 2]],
  [F32]: [[0x38, 2]],
  [F64]: [[0x39, 3]],
};
const WIDTHS: Readonly<Record<string, number>> = { u8: 1, i8: 1, u16: 2, i16: 2, i32: 4, i64: 8, f32: 4, f64: 8 };

export class FunctionWriter {
  readonly #in: Surroundings;
  readonly #shape: FunctionShape;
  readonly #out: number[] = [];
  /** Types that a branch to each open block, loop or if carries, outermost first. */
  readonly #labels: number[] = [];
  #budget: number;
  readonly #i32: number;
  readonly #i64: number;

  constructor(surroundings: Surroundings, shape: FunctionShape) {
    this.#in = surroundings;
    this.#shape = shape;
    this.#budget = 15 + surroundings.random.below(60);
    this.#i32 = shape.params.length;
    this.#i64 = this.#i32 + I32_LOCALS;
  }

  write(): { code: Code; locals: Code } {
    if (this.#in.fuelled) this.#burn();
    for (let i = 0; i < HANDLE_LOCALS; i++) {
      if (this.#in.random.chance(0.8)) this.#emit(op.i32(this.#constantHandle()), op.set(this.#i32 + i));
    }
    const statements = 2 + this.#in.random.below(8);
    for (let i = 0; i < statements; i++) this.#statement(0);
    this.#finish();
    return { code: this.#out, locals: [...Array<number>(I32_LOCALS).fill(I32), I64, I64] };
  }

  #emit(...codes: Code[]): void {
    for (const code of codes) append(this.#out, code);
  }

  /** Results of the function, sometimes by a tail call. */
  #finish(): void {
    const { random } = this.#in;
    const { results } = this.#shape;
    const same = [...this.#in.importList.map(([, shape]) => shape), ...this.#in.functions].filter((f) => f.results.join() === results.join());
    if (same.length > 0 && random.chance(0.15)) {
      const target = random.pick(same);
      this.#arguments(target);
      this.#emit(op.returnCall(target.index));
      return;
    }
    for (const type of results) this.#value(type, 1);
  }

  /** Ends the function when the fuel is used up. */
  #burn(): void {
    this.#emit(op.globalGet(FUEL), op.i32(1), op.i32sub, op.globalSet(FUEL));
    this.#emit(op.globalGet(FUEL), op.i32(0), [0x48], op.ifElse(op.unreachable));
  }

  // ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #value(type: number, depth: number): void {
    if (type === I32) this.#i32Value(depth);
    else if (type === I64) this.#i64Value(depth);
    else if (type === V128) this.#vector(depth);
    else this.#float(type, depth);
  }

  #i32Value(depth: number): void {
    const { random } = this.#in;
    if (depth >= MAX_DEPTH || --this.#budget < 0) return this.#leaf();
    switch (random.below(11)) {
      case 0: return this.#handle(depth);
      case 1: return this.#callFor(I32, depth);
      case 2:
      case 3: return this.#intrinsicFor(I32, depth);
      case 4:
        this.#value(I32, depth + 1);
        this.#value(I32, depth + 1);
        return this.#emit([random.pick(BINARY_I32)]);
      case 5: return this.#memoryLoad(I32, depth);
      case 6:
        this.#value(I64, depth + 1);
        return this.#emit([0xa7]);
      case 7:
        this.#float(random.pick([F32, F64]), depth + 1, true);
        return;
      case 8: return this.#choice(depth);
      case 9:
        this.#vector(depth + 1);
        return this.#emit(op.simd(27, random.below(4)));
      default: return this.#leaf();
    }
  }

  #leaf(): void {
    const { random } = this.#in;
    switch (random.below(5)) {
      case 0: return this.#emit(op.get(this.#anyI32()));
      case 1: return this.#emit(op.globalGet(1));
      case 2: return this.#emit(op.i32(random.below(72)));
      case 3: return this.#emit(op.i32(random.pick([0, 1, -1, 64, 0x7fffffff, -2147483648, random.next() | 0])));
      default: return this.#emit([0xfc, 16, 0]);
    }
  }

  #i64Value(depth: number): void {
    const { random } = this.#in;
    if (depth >= MAX_DEPTH || --this.#budget < 0) return this.#emit(op.i64(BigInt(random.next() | 0)));
    switch (random.below(6)) {
      case 0: return this.#emit(op.get(this.#i64 + random.below(2)));
      case 1: return this.#memoryLoad(I64, depth);
      case 2: return this.#intrinsicFor(I64, depth);
      case 3:
        this.#value(I64, depth + 1);
        this.#value(I64, depth + 1);
        return this.#emit([random.pick(BINARY_I64)]);
      case 4:
        this.#value(I32, depth + 1);
        return this.#emit([random.pick([0xac, 0xad])]);
      default: return this.#callFor(I64, depth);
    }
  }

  /** A float that is no NaN; `asInteger` also allows any float, truncated to an i32 at once. */
  #float(type: number, depth: number, asInteger = false): void {
    const { random } = this.#in;
    const fitting = this.#in.importList.filter(([, s]) => s.results[0] === type);
    if (asInteger && fitting.length > 0 && random.chance(0.6)) {
      const [name, shape] = random.pick(fitting);
      this.#intrinsic(name, shape, depth + 1);
    } else if (random.chance(0.5)) {
      this.#emit(type === F32 ? op.f32(random.below(1000)) : op.f64(random.below(1000) / 8));
    } else {
      this.#value(I32, depth + 1);
      this.#emit([type === F32 ? 0xb2 : 0xb7]);
    }
    if (asInteger) this.#emit([0xfc, type === F32 ? 0 : 2]);
  }

  #vector(depth: number): void {
    const { random } = this.#in;
    if (depth < MAX_DEPTH && this.#in.memory && random.chance(0.4)) {
      this.#address();
      return this.#emit(op.access([0xfd, random.pick([0, 7, 8, 9, 92, 93])], 0, random.below(64)));
    }
    this.#value(I32, depth + 1);
    this.#emit(op.simd(17));
    if (random.chance(0.5)) {
      this.#value(I32, depth + 1);
      this.#emit(op.simd(17), op.simd(random.pick([0xae, 0xb1, 0x4e, 0x51])));
    }
  }

  /** An if with a value, or a select. */
  #choice(depth: number): void {
    if (this.#in.random.chance(0.5)) {
      this.#value(I32, depth + 1);
      this.#value(I32, depth + 1);
      this.#value(I32, depth + 1);
      return this.#emit([0x1b]);
    }
    this.#value(I32, depth + 1);
    this.#open([0x04, I32], () => {
      this.#statement(depth + 1);
      this.#value(I32, depth + 1);
      this.#emit([0x05]);
      this.#value(I32, depth + 1);
    });
  }

  #callFor(type: number, depth: number): void {
    const fitting = this.#in.functions.filter((f) => f.results.length === 1 && f.results[0] === type);
    if (fitting.length === 0) return this.#emit(type === I32 ? op.i32(5) : op.i64(5n));
    this.#call(this.#in.random.pick(fitting), depth);
  }

  /** Calls directly or through the table; the table may hold something else, which traps. */
  #call(target: FunctionShape, depth: number): void {
    const { random } = this.#in;
    this.#arguments(target, depth);
    if (random.chance(0.7)) return this.#emit(op.call(target.index));
    if (random.chance(0.9)) this.#emit(op.i32(random.below(this.#in.tableSize)));
    else this.#value(I32, depth + 1);
    this.#emit(op.callIndirect(this.#in.type(target)));
  }

  #arguments(target: FunctionShape, depth = MAX_DEPTH - 1): void {
    const name = this.#in.importList.find(([, shape]) => shape === target)?.[0];
    if (name !== undefined) return this.#operands(name, target, depth);
    for (const type of target.params) {
      if (type === I32 && this.#in.random.chance(0.5)) this.#handle(depth);
      else this.#value(type, depth + 1);
    }
  }

  // ── handles, intrinsics ──────────────────────────────────────────────────────────────────────────────────────────

  #constantHandle(): number {
    const { random, handles, hostility } = this.#in;
    if (random.chance(hostility)) return random.pick(handles.foreign);
    return random.pick([handles.plain, handles.plain, handles.slotted, handles.deques, handles.lent].flat());
  }

  #handleLocal(): number {
    return this.#i32 + this.#in.random.below(HANDLE_LOCALS);
  }

  #anyI32(): number {
    const { random } = this.#in;
    const params = this.#shape.params.flatMap((type, i) => (type === I32 ? [i] : []));
    return params.length > 0 && random.chance(0.3) ? random.pick(params) : this.#i32 + random.below(I32_LOCALS);
  }

  #handle(depth: number, wanted?: readonly number[]): void {
    const { random, hostility } = this.#in;
    if (random.chance(hostility)) {
      this.#emit(op.i32(this.#constantHandle()));
      if (random.chance(0.2)) this.#emit(op.i32(random.pick([1, -1, 1024, -1024, random.next() | 0])), op.i32add);
      return;
    }
    if (wanted !== undefined && random.chance(0.5)) {
      this.#emit(op.i32(random.pick(wanted)));
      if (random.chance(0.4)) this.#emit(op.tee(this.#handleLocal()));
      return;
    }
    switch (depth >= MAX_DEPTH ? 0 : random.below(8)) {
      case 1: return this.#emit(op.i32(this.#constantHandle()), op.tee(this.#handleLocal()));
      case 2: return this.#emit(op.i32(this.#constantHandle()));
      case 3: return this.#emit(op.globalGet(1));
      case 4: return this.#intrinsicFor(I32, depth + 1, ["heap.take", "heap.pop"]);
      default: return this.#emit(op.get(this.#handleLocal()));
    }
  }

  #intrinsicFor(type: number, depth: number, among?: readonly string[]): void {
    const fitting = this.#in.importList.filter(([name, s]) => s.results[0] === type && (among?.includes(name) ?? true));
    if (fitting.length === 0) return this.#emit(type === I32 ? op.get(this.#handleLocal()) : op.i64(1n));
    const [name, shape] = this.#in.random.pick(fitting);
    this.#intrinsic(name, shape, depth);
  }

  #intrinsic(name: string, shape: FunctionShape, depth: number): void {
    this.#operands(name, shape, depth + 1);
    this.#emit(op.call(shape.index));
  }

  /** Operands of an import: sensible ones mostly, any of the type when hostile. */
  #operands(name: string, shape: FunctionShape, depth: number): void {
    const { random, handles, hostility } = this.#in;
    const field = name.slice(name.indexOf(".") + 1);
    const slotted = (): void => this.#handle(depth, handles.slotted);
    const deque = (): void => this.#handle(depth, handles.deques);
    const slot = (): void => this.#emit(op.i32(random.chance(hostility) ? random.pick([2, 3, 4, -1, 0x40000000]) : random.below(2)));
    if (name.startsWith("heap.load_")) return this.#place(field, depth);
    if (name.startsWith("heap.store_")) {
      this.#value(shape.params[0]!, depth);
      return this.#place(field, depth);
    }
    if (name.startsWith("heap.peek_")) {
      this.#handle(depth, [...handles.slotted, ...handles.deques, ...handles.lent]);
      slot();
      return this.#offset(WIDTHS[field.slice(5)]!, depth);
    }
    switch (name) {
      case "heap.put": this.#handle(depth, handles.plain); slotted(); return slot();
      case "heap.take":
      case "heap.has": slotted(); return slot();
      case "heap.push": this.#handle(depth, handles.plain); return deque();
      case "heap.pop":
      case "heap.len": return deque();
      case "heap.push_n":
      case "heap.pop_n": this.#address(); this.#length(5); return deque();
      case "heap.copy_in":
      case "heap.copy_out": this.#address(); this.#length(40); return this.#place("_i8", depth);
      case "heap.copy": this.#handle(depth, handles.plain); this.#offset(8, depth); this.#length(40); return this.#place("_i8", depth);
      case "heap.fill": this.#value(I32, depth); this.#length(40); return this.#place("_i8", depth);
      case "heap.resize": this.#handle(depth, handles.plain); return this.#length(80);
    }
    for (const [i, type] of shape.params.entries()) {
      const capability = i === shape.params.length - 1 && /poke|mix|ping/.test(name);
      if (capability) this.#capability();
      else if (type === I32 && random.chance(0.5)) this.#handle(depth);
      else this.#value(type, depth);
    }
  }

  #capability(): void {
    const { random, hostility } = this.#in;
    this.#emit(op.i32(random.chance(hostility) ? random.pick([1023, 1022, 1025, 1026, 1028, 0, -1, 2046, 2047]) : random.pick([1024, 1027])));
  }

  #place(field: string, depth: number): void {
    this.#handle(depth, this.#in.handles.plain);
    this.#offset(WIDTHS[field.slice(field.indexOf("_") + 1)]!, depth);
  }

  #offset(width: number, depth: number): void {
    const { random, hostility } = this.#in;
    if (random.chance(hostility)) {
      return this.#emit(op.i32(random.pick([64, 65 - width, 40, 70_000, -1, -width, 1 - width, 0x7fffffff, -2147483648])));
    }
    if (depth < MAX_DEPTH && random.chance(0.15)) {
      this.#value(I32, depth + 1);
      return this.#emit(op.i32(31), [0x71]);
    }
    this.#emit(op.i32(random.below(33) & -width));
  }

  #length(limit: number): void {
    const { random, hostility } = this.#in;
    this.#emit(op.i32(random.chance(hostility) ? random.pick([-1, 65, 0x10000, 0x7fffffff, 70_000]) : random.below(limit)));
  }

  // ── memory 0 and tables ──────────────────────────────────────────────────────────────────────────────────────────

  #address(): void {
    const { random, hostility } = this.#in;
    this.#emit(op.i32(random.chance(hostility) ? random.pick([65_533, 65_536, -1, -4, 131_072, 0x7fffffff]) : random.below(4096)));
  }

  #memoryLoad(type: number, depth: number): void {
    if (!this.#in.memory || depth >= MAX_DEPTH) return this.#emit(type === I32 ? op.i32(3) : op.i64(3n));
    const [code, align] = this.#in.random.pick(LOADS[type]!);
    this.#address();
    this.#emit(op.access([code], align, this.#in.random.below(256)));
  }

  #memoryStatement(depth: number): void {
    const { random } = this.#in;
    if (!this.#in.memory) return this.#emit(op.nop);
    switch (random.below(8)) {
      case 0: this.#address(); this.#value(I32, depth + 1); this.#length(100); return this.#emit(op.memoryFill());
      case 1: this.#address(); this.#address(); this.#length(100); return this.#emit(op.memoryCopy());
      case 2: this.#address(); this.#emit(op.i32(random.below(9))); this.#length(9);
        return this.#emit(op.memoryInit(random.below(this.#in.dataSegments)));
      case 3: this.#emit(op.i32(random.below(3)), op.memoryGrow(), op.drop); return;
      case 4:
        this.#emit(op.i32(4 * random.below(64)));
        this.#value(I32, depth + 1);
        return this.#emit(op.atomic(0x1e, 2, random.below(8) * 4), op.drop);
      case 5: this.#address(); this.#vector(depth + 1); return this.#emit(op.access([0xfd, 11], 0, random.below(64)));
      default: {
        const type = random.pick([I32, I32, I64, F32, F64]);
        const [code, align] = random.pick(STORES[type]!);
        this.#address();
        this.#value(type, depth + 1);
        this.#emit(op.access([code], align, random.below(256)));
      }
    }
  }

  #tableStatement(): void {
    const { random, tableSize, functions, elemSegments } = this.#in;
    const slot = (): Code => op.i32(random.chance(0.95) ? random.below(tableSize) : tableSize + random.below(3));
    switch (random.below(5)) {
      case 0: return this.#emit(slot(), op.refFunc(random.pick(functions).index), [0x26, 0]);
      case 1: return this.#emit(slot(), slot(), [0x25, 0], [0x26, 0]);
      case 2: return this.#emit(slot(), slot(), op.i32(random.below(3)), [0xfc, 14, 0, 0]);
      case 3: return this.#emit(slot(), op.i32(0), op.i32(random.below(2)), [0xfc, 12, random.below(elemSegments), 0]);
      default: return this.#emit(slot(), op.refNull(op.FUNCREF), op.i32(random.below(2)), [0xfc, 17, 0]);
    }
  }

  // ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────

  #open(head: Code, body: () => void): void {
    this.#emit(head);
    this.#labels.push(head[1]!);
    body();
    this.#labels.pop();
    this.#emit(op.end);
  }

  #block(depth: number): void {
    const { random } = this.#in;
    const statements = 1 + random.below(4);
    for (let i = 0; i < statements; i++) this.#statement(depth + 1);
  }

  #statement(depth: number): void {
    const { random } = this.#in;
    if (depth >= MAX_DEPTH + 1 || --this.#budget < 0) return this.#emit(op.nop);
    switch (random.below(15)) {
      case 0:
      case 1:
      case 2:
      case 3: return this.#anyImport(depth);
      case 4:
      case 14: return this.#burst(depth);
      case 5: return this.#emit(op.get(this.#anyI32()), op.set(this.#handleLocal()));
      case 6: this.#value(I32, depth); return this.#emit(op.set(this.#i32 + random.below(I32_LOCALS)));
      case 7: return this.#open([0x02, op.VOID], () => this.#block(depth));
      case 8: return this.#loop(depth);
      case 9:
        this.#value(I32, depth);
        return this.#open([0x04, op.VOID], () => {
          this.#block(depth);
          if (random.chance(0.6)) this.#emit([0x05]);
          this.#block(depth);
        });
      case 10: return this.#branch(depth);
      case 11: return random.chance(0.5) ? this.#memoryStatement(depth) : this.#tableStatement();
      case 12: return random.chance(0.3) ? this.#dead(depth) : this.#burst(depth);
      default: return this.#other(depth);
    }
  }

  /** A call of any import; its results go to locals or away. */
  #anyImport(depth: number): void {
    const { random } = this.#in;
    const [name, shape] = random.pick(this.#in.importList);
    if (name === "env.abort" && random.chance(0.9)) return;
    this.#intrinsic(name, shape, depth);
    for (const type of shape.results) {
      if (type === I32) this.#emit(random.chance(0.5) ? op.set(this.#i32 + random.below(I32_LOCALS)) : op.drop);
      else if (type === I64) this.#emit(random.chance(0.5) ? op.set(this.#i64) : op.drop);
      else this.#emit(op.drop);
    }
  }

  /**
   * Accesses through one local with constant offsets, between things that end what is known about it or do not:
   * what the removal of checks feeds on.
   */
  #burst(depth: number): void {
    const { random } = this.#in;
    const local = this.#handleLocal();
    if (random.chance(0.7)) {
      this.#emit(op.i32(random.pick(this.#in.handles.plain)));
      this.#emit(random.chance(0.7) ? op.set(local) : [...op.tee(local), ...op.drop]);
    }
    const count = 2 + random.below(6);
    for (let i = 0; i < count; i++) {
      if (random.chance(0.2)) this.#disturb(local, depth);
      else this.#accessThrough(local, depth);
    }
  }

  /** One load or store of a local's object at a constant offset, its result dropped. */
  #accessThrough(local: number, depth: number): void {
    const { random } = this.#in;
    const [name, shape] = random.pick(this.#in.accesses);
    const width = WIDTHS[name.slice(name.lastIndexOf("_") + 1)]!;
    if (shape.results.length === 0) this.#value(shape.params[0]!, depth + 2);
    this.#emit(random.chance(0.9) ? op.get(local) : [...op.get(local), ...op.tee(this.#handleLocal())]);
    if (random.chance(this.#in.hostility / 2)) this.#emit(op.i32(random.pick([64, 65 - width, 60, 70_000, -1, -width])));
    else this.#emit(op.i32(random.below(64 - width + 1)));
    this.#emit(op.call(shape.index));
    if (shape.results.length > 0) this.#emit(op.drop);
  }

  #disturb(local: number, depth: number): void {
    const { random } = this.#in;
    switch (random.below(8)) {
      case 0: return this.#emit(op.get(this.#handleLocal()), op.set(local));
      case 1: return this.#emit(op.get(local), op.set(this.#handleLocal()));
      case 2: return this.#open([0x02, op.VOID], () => {
        if (random.chance(0.5)) this.#branch(depth + 1);
        this.#accessThrough(local, depth);
        if (random.chance(0.3)) this.#disturb(local, depth + 1);
      });
      case 3:
        this.#emit(op.get(this.#anyI32()));
        return this.#open([0x04, op.VOID], () => {
          this.#accessThrough(local, depth);
          if (random.chance(0.5)) this.#emit([0x05]);
          if (random.chance(0.3)) this.#emit(op.i32(this.#constantHandle()), op.set(local));
        });
      case 4: return depth < MAX_DEPTH ? this.#loop(depth + 1) : this.#emit(op.nop);
      case 5: return this.#anyImport(depth + 1);
      case 6:
        this.#emit(op.get(local));
        this.#emit(random.chance(0.5) ? op.tee(local) : [], op.set(this.#i32 + random.below(I32_LOCALS)));
        return;
      default: return this.#statement(depth + 1);
    }
  }

  #loop(depth: number): void {
    this.#open([0x03, op.VOID], () => {
      if (this.#in.fuelled) this.#burn();
      this.#block(depth);
      if (this.#in.random.chance(0.4)) {
        this.#value(I32, depth + 1);
        this.#emit(op.brIf(0));
      } else if (!this.#in.fuelled && this.#in.random.chance(0.2)) {
        this.#emit(op.br(0));
      }
    });
  }

  /** Branches to an enclosing block or loop head, with a value where the label takes one. */
  #branch(depth: number): void {
    const { random } = this.#in;
    const count = this.#labels.length;
    if (count === 0) return this.#emit(op.nop);
    const target = random.below(count);
    const type = this.#labels[count - 1 - target]!;
    if (type !== op.VOID) this.#value(type, depth + 1);
    this.#value(I32, depth + 1);
    const same = [...this.#labels.keys()].filter((depth) => this.#labels[count - 1 - depth] === type);
    if (random.chance(0.5)) this.#emit(op.brIf(target), type === op.VOID ? [] : op.drop);
    else this.#emit(op.brTable(Array.from({ length: random.below(3) }, () => random.pick(same)), target));
  }

  /** Code that is never reached, where the stack has any type. */
  #dead(depth: number): void {
    const { random } = this.#in;
    const [, shape] = random.pick(this.#in.importList);
    this.#open([0x02, op.VOID], () => {
      this.#emit(random.pick([op.br(0), [...op.i32(0), ...op.brTable([], 0)]]));
      if (random.chance(0.5)) this.#statement(depth + 1);
      this.#emit(op.call(shape.index));
      for (let i = 0; i < shape.results.length; i++) this.#emit(op.drop);
    });
  }

  #other(depth: number): void {
    const { random } = this.#in;
    switch (random.below(4)) {
      case 0: this.#handle(depth); return this.#emit(op.globalSet(1));
      case 1: this.#value(I64, depth); return this.#emit(random.pick([op.globalSet(2), op.set(this.#i64)]));
      default: {
        const target = random.pick(this.#in.functions);
        this.#call(target, depth);
        for (let i = 0; i < target.results.length; i++) this.#emit(op.drop);
      }
    }
  }
}
