/**
 * Writes what attacks the removal of checks: accesses through one local, and whatever ends what is known about it.
 */
import type { Code } from "../support/wasm-builder/bytes.ts";
import * as op from "../support/wasm-builder/op.ts";
import { WIDTHS } from "./opcode-tables.ts";
import { HANDLE_LOCALS, I32_LOCALS, ValueWriter } from "./value-writer.ts";

const { I32 } = op;
/** Global 0 is the fuel that an attacker spends at loop heads and function entries. */
export const FUEL = 0;
/** Imports that take an object from the domain, or a part of it. */
const GIVING: readonly string[] = ["put", "push", "free", "resize", "poke"];

export abstract class AttackWriter extends ValueWriter {
  /** Ends the function when the fuel is used up. */
  protected burn(): void {
    this.emit(op.globalGet(FUEL), op.i32(1), op.i32sub, op.globalSet(FUEL));
    this.emit(op.globalGet(FUEL), op.i32(0), [0x48], op.ifElse(op.unreachable));
  }

  /** A loop of a second turn, so that the end of the first one meets its head. */
  protected twice(body: () => void): void {
    const counter = this.i32 + I32_LOCALS - 1;
    this.emit(op.i32(0), op.set(counter));
    this.open([0x03, op.VOID], () => {
      if (this.in.fuelled) this.burn();
      body();
      this.emit(op.get(counter), op.i32(1), op.i32add, op.tee(counter), op.i32(2), [0x48], op.brIf(0));
    });
  }

  /** One load or store of a local's object, its result dropped. */
  protected accessThrough(local: number, depth: number, beyond = false): void {
    const { random } = this.in;
    const [name, shape] = random.pick(this.in.accesses);
    const width = WIDTHS[name.slice(name.lastIndexOf("_") + 1)]!;
    if (shape.results.length === 0) this.value(shape.params[0]!, depth + 2);
    this.emit(op.get(local));
    // The local is assigned while its former value waits on the stack.
    if (random.chance(0.1)) this.emit(op.i32(this.constantHandle()), op.set(local));
    if (random.chance(0.1)) this.emit(op.tee(this.handleLocal()));
    const hostile = beyond || random.chance(0.02 + this.in.hostility / 2);
    const offset = op.i32(
      hostile ? random.pick([64, 65 - width, 63, 70_000, -1, -width]) : random.below(64 - width + 1),
    );
    const holder = this.i32 + HANDLE_LOCALS;
    switch (random.below(7)) {
      case 5: {
        // Operands wait below a block that leaves a value.
        const arms = [0, 1].map(() => op.get(this.handleLocal())) as [Code, Code];
        this.emit(op.get(this.anyI32()), op.ifElse(arms[0], arms[1], I32), op.i32(31), [0x71]);
        break;
      }
      case 0:
        this.emit(offset, op.set(holder), op.get(holder));
        break;
      case 1:
        this.emit(offset, op.tee(holder));
        break;
      default:
        this.emit(offset);
    }
    this.emit(op.call(shape.index));
    if (shape.results.length > 0) this.emit(op.drop);
  }

  /** Gives a local another handle, or its object another owner or size. */
  protected change(local: number, depth: number): void {
    switch (this.in.random.below(4)) {
      case 0:
        return this.giveAway(local);
      case 1:
        return this.callWith(local, depth);
      default:
        return this.emit(op.i32(this.in.random.pick(this.in.handles.plain)), op.set(local));
    }
  }

  /** Moves, frees or shrinks the object in a local, by whatever the module imports for it. */
  protected giveAway(local: number): void {
    const { random, handles } = this.in;
    const ways = this.in.importList.filter(([name]) => GIVING.includes(name.slice(name.indexOf(".") + 1)));
    if (ways.length === 0) return;
    const [name, shape] = random.pick(ways);
    this.emit(op.get(local));
    if (name.endsWith("put")) this.emit(op.i32(random.pick(handles.slotted)), op.i32(random.below(2)));
    else if (name.endsWith("push")) this.emit(op.i32(random.pick(handles.deques)));
    else if (name.endsWith("resize")) this.emit(op.i32(random.below(64)));
    else if (name.endsWith("poke")) this.emit(op.i32(1), op.i32(1024));
    this.emit(op.call(shape.index));
    for (let i = 0; i < shape.results.length; i++) this.emit(op.drop);
  }

  /** Calls a function of the module with the local as each i32; many functions give their first parameter away. */
  protected callWith(local: number, depth: number): void {
    const { random } = this.in;
    const taking = this.in.functions.filter((f) => f.params.includes(I32));
    const target = random.chance(0.5) ? this.in.giver : random.pick(taking);
    for (const type of target.params) {
      if (type === I32) this.emit(op.get(local));
      else this.value(type, depth + 1);
    }
    if (random.chance(0.6)) this.emit(op.call(target.index));
    else this.emit(op.i32(target.index - this.in.functions[0]!.index), op.callIndirect(this.in.type(target)));
    for (let i = 0; i < target.results.length; i++) this.emit(op.drop);
  }
}
