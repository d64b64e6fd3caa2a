/**
 * Writes random values: expressions of every type, operands of every import, handles from everywhere.
 *
 * Keeps: `value(type)` leaves exactly one value of that type on the stack. Handles come from locals, globals, memory,
 * intrinsics and constants; floats that can be NaN, whose bits the engine may choose, only become integers.
 */
import { append, type Code } from "../support/wasm-builder/bytes.ts";
import * as op from "../support/wasm-builder/op.ts";
import { BINARY_I32, BINARY_I64, LOADS, WIDTHS } from "./opcode-tables.ts";
import type { FunctionShape, Surroundings } from "./generator.ts";

const { I32, I64, F32, F64, V128 } = op;
/** i32 locals after the parameters; the first ones are used as handles. */
export const I32_LOCALS = 6;
export const HANDLE_LOCALS = 4;
export const MAX_DEPTH = 4;
export abstract class ValueWriter {
  protected readonly in: Surroundings;
  protected readonly shape: FunctionShape;
  protected readonly out: number[] = [];
  /** Types that a branch to each open block, loop or if carries, outermost first. */
  protected readonly labels: number[] = [];
  protected budget: number;
  /** First i32 and first i64 local. */
  protected readonly i32: number;
  protected readonly i64: number;

  constructor(surroundings: Surroundings, shape: FunctionShape) {
    this.in = surroundings;
    this.shape = shape;
    this.budget = 15 + surroundings.random.below(60);
    this.i32 = shape.params.length;
    this.i64 = this.i32 + I32_LOCALS;
  }

  protected abstract statement(depth: number): void;

  protected emit(...codes: Code[]): void {
    for (const code of codes) append(this.out, code);
  }

  protected open(head: Code, body: () => void): void {
    this.emit(head);
    this.labels.push(head[1]!);
    body();
    this.labels.pop();
    this.emit(op.end);
  }

  // ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────

  protected value(type: number, depth: number): void {
    if (type === I32) this.#i32Value(depth);
    else if (type === I64) this.#i64Value(depth);
    else if (type === V128) this.vector(depth);
    else this.float(type, depth);
  }

  #i32Value(depth: number): void {
    const { random } = this.in;
    if (depth >= MAX_DEPTH || --this.budget < 0) return this.#leaf();
    switch (random.below(11)) {
      case 0:
        return this.handle(depth);
      case 1:
        return this.#callFor(I32, depth);
      case 2:
      case 3:
        return this.#intrinsicFor(I32, depth);
      case 4:
        this.value(I32, depth + 1);
        this.value(I32, depth + 1);
        return this.emit([random.pick(BINARY_I32)]);
      case 5:
        return this.#memoryLoad(I32, depth);
      case 6:
        this.value(I64, depth + 1);
        return this.emit([0xa7]);
      case 7:
        this.float(random.pick([F32, F64]), depth + 1, true);
        return;
      case 8:
        return this.#choice(depth);
      case 9:
        this.vector(depth + 1);
        return this.emit(op.simd(27, random.below(4)));
      default:
        return this.#leaf();
    }
  }

  #leaf(): void {
    const { random } = this.in;
    switch (random.below(5)) {
      case 0:
        return this.emit(op.get(this.anyI32()));
      case 1:
        return this.emit(op.globalGet(1));
      case 2:
        return this.emit(op.i32(random.below(72)));
      case 3:
        return this.emit(op.i32(random.pick([0, 1, -1, 64, 0x7fffffff, -2147483648, random.next() | 0])));
      default:
        return this.emit([0xfc, 16, 0]);
    }
  }

  #i64Value(depth: number): void {
    const { random } = this.in;
    if (depth >= MAX_DEPTH || --this.budget < 0) return this.emit(op.i64(BigInt(random.next() | 0)));
    switch (random.below(6)) {
      case 0:
        return this.emit(op.get(this.i64 + random.below(2)));
      case 1:
        return this.#memoryLoad(I64, depth);
      case 2:
        return this.#intrinsicFor(I64, depth);
      case 3:
        this.value(I64, depth + 1);
        this.value(I64, depth + 1);
        return this.emit([random.pick(BINARY_I64)]);
      case 4:
        this.value(I32, depth + 1);
        return this.emit([random.pick([0xac, 0xad])]);
      default:
        return this.#callFor(I64, depth);
    }
  }

  /** A float that is no NaN; `asInteger` also allows any float, truncated to an i32 at once. */
  protected float(type: number, depth: number, asInteger = false): void {
    const { random } = this.in;
    const fitting = this.in.importList.filter(([, s]) => s.results[0] === type);
    if (asInteger && fitting.length > 0 && random.chance(0.6)) {
      const [name, shape] = random.pick(fitting);
      this.intrinsic(name, shape, depth + 1);
    } else if (random.chance(0.5)) {
      this.emit(type === F32 ? op.f32(random.below(1000)) : op.f64(random.below(1000) / 8));
    } else {
      this.value(I32, depth + 1);
      this.emit([type === F32 ? 0xb2 : 0xb7]);
    }
    if (asInteger) this.emit([0xfc, type === F32 ? 0 : 2]);
  }

  protected vector(depth: number): void {
    const { random } = this.in;
    if (depth < MAX_DEPTH && this.in.memory && random.chance(0.4)) {
      this.address();
      return this.emit(op.access([0xfd, random.pick([0, 7, 8, 9, 92, 93])], 0, random.below(64)));
    }
    this.value(I32, depth + 1);
    this.emit(op.simd(17));
    if (random.chance(0.5)) {
      this.value(I32, depth + 1);
      this.emit(op.simd(17), op.simd(random.pick([0xae, 0xb1, 0x4e, 0x51])));
    }
  }

  /** An if with a value, or a select. */
  #choice(depth: number): void {
    if (this.in.random.chance(0.5)) {
      this.value(I32, depth + 1);
      this.value(I32, depth + 1);
      this.value(I32, depth + 1);
      return this.emit([0x1b]);
    }
    this.value(I32, depth + 1);
    this.open([0x04, I32], () => {
      this.statement(depth + 1);
      this.value(I32, depth + 1);
      this.emit([0x05]);
      this.value(I32, depth + 1);
    });
  }

  #callFor(type: number, depth: number): void {
    const fitting = this.in.functions.filter((f) => f.results.length === 1 && f.results[0] === type);
    if (fitting.length === 0) return this.emit(type === I32 ? op.i32(5) : op.i64(5n));
    this.call(this.in.random.pick(fitting), depth);
  }

  /** Calls directly or through the table; the table may hold something else, which traps. */
  protected call(target: FunctionShape, depth: number): void {
    const { random } = this.in;
    this.arguments(target, depth);
    if (random.chance(0.7)) return this.emit(op.call(target.index));
    if (random.chance(0.9)) this.emit(op.i32(random.below(this.in.tableSize)));
    else this.value(I32, depth + 1);
    this.emit(op.callIndirect(this.in.type(target)));
  }

  protected arguments(target: FunctionShape, depth = MAX_DEPTH - 1): void {
    const name = this.in.importList.find(([, shape]) => shape === target)?.[0];
    if (name !== undefined) return this.operands(name, target, depth);
    for (const type of target.params) {
      if (type === I32 && this.in.random.chance(0.5)) this.handle(depth);
      else this.value(type, depth + 1);
    }
  }

  // ── handles, intrinsics ──────────────────────────────────────────────────────────────────────────────────────────

  protected constantHandle(): number {
    const { random, handles, hostility } = this.in;
    if (random.chance(hostility)) return random.pick(handles.foreign);
    return random.pick([handles.plain, handles.plain, handles.slotted, handles.deques, handles.lent].flat());
  }

  protected handleLocal(): number {
    return this.i32 + this.in.random.below(HANDLE_LOCALS);
  }

  protected anyI32(): number {
    const { random } = this.in;
    const params = this.shape.params.flatMap((type, i) => (type === I32 ? [i] : []));
    return params.length > 0 && random.chance(0.3) ? random.pick(params) : this.i32 + random.below(I32_LOCALS);
  }

  protected handle(depth: number, wanted?: readonly number[]): void {
    const { random, hostility } = this.in;
    if (random.chance(hostility)) {
      this.emit(op.i32(this.constantHandle()));
      if (random.chance(0.2)) this.emit(op.i32(random.pick([1, -1, 1024, -1024, random.next() | 0])), op.i32add);
      return;
    }
    if (wanted !== undefined && random.chance(0.5)) {
      this.emit(op.i32(random.pick(wanted)));
      if (random.chance(0.4)) this.emit(op.tee(this.handleLocal()));
      return;
    }
    switch (depth >= MAX_DEPTH ? 0 : random.below(8)) {
      case 1:
        return this.emit(op.i32(this.constantHandle()), op.tee(this.handleLocal()));
      case 2:
        return this.emit(op.i32(this.constantHandle()));
      case 3:
        return this.emit(op.globalGet(1));
      case 4:
        return this.#intrinsicFor(I32, depth + 1, ["heap.take", "heap.pop"]);
      default:
        return this.emit(op.get(this.handleLocal()));
    }
  }

  #intrinsicFor(type: number, depth: number, among?: readonly string[]): void {
    const fitting = this.in.importList.filter(([name, s]) => s.results[0] === type && (among?.includes(name) ?? true));
    if (fitting.length === 0) return this.emit(type === I32 ? op.get(this.handleLocal()) : op.i64(1n));
    const [name, shape] = this.in.random.pick(fitting);
    this.intrinsic(name, shape, depth);
  }

  protected intrinsic(name: string, shape: FunctionShape, depth: number): void {
    this.operands(name, shape, depth + 1);
    this.emit(op.call(shape.index));
  }

  /** Operands of an import: sensible ones mostly, any of the type when hostile. */
  protected operands(name: string, shape: FunctionShape, depth: number): void {
    const { random, handles, hostility } = this.in;
    const field = name.slice(name.indexOf(".") + 1);
    const slotted = (): void => this.handle(depth, handles.slotted);
    const deque = (): void => this.handle(depth, handles.deques);
    const slot = (): void =>
      this.emit(op.i32(random.chance(hostility) ? random.pick([2, 3, 4, -1, 0x40000000]) : random.below(2)));
    if (name.startsWith("heap.load_")) return this.#place(field, depth);
    if (name.startsWith("heap.store_")) {
      this.value(shape.params[0]!, depth);
      return this.#place(field, depth);
    }
    if (name.startsWith("heap.peek_")) {
      this.handle(depth, [...handles.slotted, ...handles.deques, ...handles.lent]);
      slot();
      return this.offset(WIDTHS[field.slice(5)]!, depth);
    }
    switch (name) {
      case "heap.put":
        this.handle(depth, handles.plain);
        slotted();
        return slot();
      case "heap.take":
      case "heap.has":
        slotted();
        return slot();
      case "heap.push":
        this.handle(depth, handles.plain);
        return deque();
      case "heap.pop":
      case "heap.len":
        return deque();
      case "heap.push_n":
      case "heap.pop_n":
        this.address();
        this.length(5);
        return deque();
      case "heap.copy_in":
      case "heap.copy_out":
        this.address();
        this.length(40);
        return this.#place("_i8", depth);
      case "heap.copy":
        this.handle(depth, handles.plain);
        this.offset(8, depth);
        this.length(40);
        return this.#place("_i8", depth);
      case "heap.fill":
        this.value(I32, depth);
        this.length(40);
        return this.#place("_i8", depth);
      case "heap.resize":
        this.handle(depth, handles.plain);
        return this.length(80);
    }
    for (const [i, type] of shape.params.entries()) {
      const capability = i === shape.params.length - 1 && /poke|mix|ping/.test(name);
      if (capability) this.capability();
      else if (type === I32 && random.chance(0.5)) this.handle(depth);
      else this.value(type, depth);
    }
  }

  protected capability(): void {
    const { random, hostility } = this.in;
    this.emit(
      op.i32(
        random.chance(hostility)
          ? random.pick([1023, 1022, 1025, 1026, 1028, 0, -1, 2046, 2047])
          : random.pick([1024, 1027]),
      ),
    );
  }

  #place(field: string, depth: number): void {
    this.handle(depth, this.in.handles.plain);
    this.offset(WIDTHS[field.slice(field.indexOf("_") + 1)]!, depth);
  }

  protected offset(width: number, depth: number): void {
    const { random, hostility } = this.in;
    if (random.chance(hostility)) {
      return this.emit(
        op.i32(random.pick([64, 65 - width, 40, 70_000, -1, -width, 1 - width, 0x7fffffff, -2147483648])),
      );
    }
    if (depth < MAX_DEPTH && random.chance(0.15)) {
      this.value(I32, depth + 1);
      return this.emit(op.i32(31), [0x71]);
    }
    this.emit(op.i32(random.below(33) & -width));
  }

  protected length(limit: number): void {
    const { random, hostility } = this.in;
    const hostile = random.chance(hostility);
    this.emit(op.i32(hostile ? random.pick([-1, 65, 0x10000, 0x10001, 0x7fffffff, 70_000]) : random.below(limit)));
    // Not a constant any more: long operations are cut into pieces.
    if (random.chance(0.4)) this.emit(op.tee(this.i32 + HANDLE_LOCALS));
  }

  protected address(): void {
    const { random, hostility } = this.in;
    this.emit(
      op.i32(
        random.chance(hostility) ? random.pick([65_533, 65_536, -1, -4, 131_072, 0x7fffffff]) : random.below(4096),
      ),
    );
  }

  #memoryLoad(type: number, depth: number): void {
    if (!this.in.memory || depth >= MAX_DEPTH) return this.emit(type === I32 ? op.i32(3) : op.i64(3n));
    const [code, align] = this.in.random.pick(LOADS[type]!);
    this.address();
    this.emit(op.access([code], align, this.in.random.below(256)));
  }
}
