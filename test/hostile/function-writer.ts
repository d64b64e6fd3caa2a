/**
 * Writes one random function body: statements, each of which leaves the stack as it found it.
 *
 * Bursts attack the removal of checks: every fact that the loader keeps about a local is met by reassignment, aliases,
 * moves here and in callees, branches, loops and dead code.
 */
import type { Code } from "../support/wasm-builder/bytes.ts";
import * as op from "../support/wasm-builder/op.ts";
import { AttackWriter } from "./attack-writer.ts";
import { STORES } from "./opcode-tables.ts";
import { HANDLE_LOCALS, I32_LOCALS, MAX_DEPTH } from "./value-writer.ts";

const { I32, I64, F32, F64 } = op;
export class FunctionWriter extends AttackWriter {
  write(): { code: Code; locals: Code } {
    if (this.in.fuelled) this.burn();
    for (let i = 0; i < HANDLE_LOCALS; i++) {
      if (this.in.random.chance(0.8)) this.emit(op.i32(this.constantHandle()), op.set(this.i32 + i));
    }
    const first = this.shape.params.indexOf(I32);
    if (first >= 0 && this.in.random.chance(0.4)) this.giveAway(first);
    const statements = 2 + this.in.random.below(8);
    for (let i = 0; i < statements; i++) this.statement(0);
    this.#finish();
    return { code: this.out, locals: [...Array<number>(I32_LOCALS).fill(I32), I64, I64] };
  }

  /** A body that gives the first parameter away, so that a callee ends what the caller's facts say. */
  writeGiver(): { code: Code; locals: Code } {
    this.giveAway(0);
    return { code: this.out, locals: [] };
  }

  /** Results of the function, sometimes by a tail call. */
  #finish(): void {
    const { random } = this.in;
    const { results } = this.shape;
    const same = [...this.in.importList.map(([, shape]) => shape), ...this.in.functions].filter(
      (f) => f.results.join() === results.join(),
    );
    if (same.length > 0 && random.chance(0.15)) {
      const target = random.pick(same);
      this.arguments(target);
      this.emit(op.returnCall(target.index));
      return;
    }
    for (const type of results) this.value(type, 1);
  }

  #memoryStatement(depth: number): void {
    const { random } = this.in;
    if (!this.in.memory) return this.emit(op.nop);
    switch (random.below(8)) {
      case 0:
        this.address();
        this.value(I32, depth + 1);
        this.length(100);
        return this.emit(op.memoryFill());
      case 1:
        this.address();
        this.address();
        this.length(100);
        return this.emit(op.memoryCopy());
      case 2:
        this.address();
        this.emit(op.i32(random.below(9)));
        this.length(9);
        return this.emit(op.memoryInit(random.below(this.in.dataSegments)));
      case 3:
        this.emit(op.i32(random.below(3)), op.memoryGrow(), op.drop);
        return;
      case 4:
        this.emit(op.i32(4 * random.below(64)));
        this.value(I32, depth + 1);
        return this.emit(op.atomic(0x1e, 2, random.below(8) * 4), op.drop);
      case 5:
        this.address();
        this.vector(depth + 1);
        return this.emit(op.access([0xfd, 11], 0, random.below(64)));
      default: {
        const type = random.pick([I32, I32, I64, F32, F64]);
        const [code, align] = random.pick(STORES[type]!);
        this.address();
        this.value(type, depth + 1);
        this.emit(op.access([code], align, random.below(256)));
      }
    }
  }

  #tableStatement(): void {
    const { random, tableSize, functions, elemSegments } = this.in;
    const slot = (): Code => op.i32(random.chance(0.95) ? random.below(tableSize) : tableSize + random.below(3));
    switch (random.below(5)) {
      case 0:
        return this.emit(slot(), op.refFunc(random.pick(functions).index), [0x26, 0]);
      case 1:
        return this.emit(slot(), slot(), [0x25, 0], [0x26, 0]);
      case 2:
        return this.emit(slot(), slot(), op.i32(random.below(3)), [0xfc, 14, 0, 0]);
      case 3:
        return this.emit(slot(), op.i32(0), op.i32(random.below(2)), [0xfc, 12, random.below(elemSegments), 0]);
      default:
        return this.emit(slot(), op.refNull(op.FUNCREF), op.i32(random.below(2)), [0xfc, 17, 0]);
    }
  }

  #block(depth: number): void {
    const { random } = this.in;
    const statements = 1 + random.below(4);
    for (let i = 0; i < statements; i++) this.statement(depth + 1);
  }

  protected override statement(depth: number): void {
    const { random } = this.in;
    if (depth >= MAX_DEPTH + 1 || --this.budget < 0) return this.emit(op.nop);
    switch (random.below(15)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#anyImport(depth);
      case 4:
      case 14:
        return this.#burst(depth);
      case 5:
        return this.emit(op.get(this.anyI32()), op.set(this.handleLocal()));
      case 6:
        this.value(I32, depth);
        return this.emit(op.set(this.i32 + random.below(I32_LOCALS)));
      case 7:
        return this.open([0x02, op.VOID], () => this.#block(depth));
      case 8:
        return this.#loop(depth);
      case 9:
        this.value(I32, depth);
        return this.open([0x04, op.VOID], () => {
          this.#block(depth);
          if (random.chance(0.6)) this.emit([0x05]);
          this.#block(depth);
        });
      case 10:
        return this.#branch(depth);
      case 11:
        return random.chance(0.5) ? this.#memoryStatement(depth) : this.#tableStatement();
      case 12:
        return random.chance(0.3) ? this.#dead(depth) : this.#burst(depth);
      default:
        return random.chance(0.15) ? this.#leave(depth) : this.#other(depth);
    }
  }

  /** A call of any import; its results go to locals or away. */
  #anyImport(depth: number): void {
    const { random } = this.in;
    const [name, shape] = random.pick(this.in.importList);
    if (name === "env.abort" && random.chance(0.9)) return;
    this.intrinsic(name, shape, depth);
    for (const type of shape.results) {
      if (type === I32) this.emit(random.chance(0.5) ? op.set(this.i32 + random.below(I32_LOCALS)) : op.drop);
      else if (type === I64) this.emit(random.chance(0.5) ? op.set(this.i64) : op.drop);
      else this.emit(op.drop);
    }
  }

  /** Accesses through one local, between things that end what is known about it and things that do not. */
  #burst(depth: number): void {
    const { random, handles } = this.in;
    const local = this.handleLocal();
    if (random.chance(0.7)) {
      this.emit(op.i32(random.pick(handles.plain)));
      this.emit(random.chance(0.7) ? op.set(local) : [...op.tee(local), ...op.drop]);
    }
    if (random.chance(0.5)) this.accessThrough(local, depth);
    const accesses = (): void => {
      for (let i = 2 + random.below(5); i > 0; i--) {
        if (random.chance(0.3)) this.#disturb(local, depth);
        else this.accessThrough(local, depth);
      }
    };
    const shape = random.below(4);
    if (shape === 0 && depth < MAX_DEPTH) this.open([0x02, op.VOID], accesses);
    else if (shape === 1 && depth < MAX_DEPTH)
      this.twice(() => {
        this.accessThrough(local, depth);
        if (random.chance(0.5)) accesses();
        if (random.chance(0.7)) this.change(local, depth);
      });
    else accesses();
    if (random.chance(0.5)) this.accessThrough(local, depth);
  }

  #disturb(local: number, depth: number): void {
    const { random } = this.in;
    switch (random.below(12)) {
      case 0:
        return this.emit(op.get(this.handleLocal()), op.set(local));
      case 1:
        return this.emit(op.get(local), op.set(this.handleLocal()));
      case 2:
        this.open([0x02, op.VOID], () => {
          if (random.chance(0.3)) this.accessThrough(local, depth);
          if (random.chance(0.5)) this.emit(op.get(this.anyI32()), op.brIf(0));
          this.change(local, depth);
        });
        return this.accessThrough(local, depth);
      case 3:
        this.emit(op.get(this.anyI32()));
        this.open([0x04, op.VOID], () => {
          this.accessThrough(local, depth);
          if (random.chance(0.3)) this.change(local, depth);
          if (random.chance(0.6)) this.emit([0x05]);
          if (random.chance(0.3)) this.change(local, depth);
          if (random.chance(0.6)) this.accessThrough(local, depth);
        });
        return this.accessThrough(local, depth);
      case 4:
        return depth < MAX_DEPTH ? this.#loop(depth + 1) : this.emit(op.nop);
      case 5:
        return this.#anyImport(depth + 1);
      case 6:
        this.emit(op.get(local));
        this.emit(random.chance(0.5) ? op.tee(local) : [], op.set(this.i32 + random.below(I32_LOCALS)));
        return;
      case 7:
        return this.#branch(depth + 1);
      case 10:
        return this.open([0x02, op.VOID], () => {
          // A trap behind a branch must not come before it.
          this.accessThrough(local, depth);
          this.emit(op.get(this.anyI32()), op.brIf(0));
          this.accessThrough(local, depth, true);
        });
      case 8:
        this.giveAway(local);
        return this.accessThrough(local, depth);
      case 9:
        this.callWith(local, depth);
        return this.accessThrough(local, depth);
      default:
        return this.statement(depth + 1);
    }
  }

  /** Leaves the function through a tail call, under a condition. */
  #leave(depth: number): void {
    const { random, importList, functions } = this.in;
    const same = [...importList.map(([, shape]) => shape), ...functions].filter(
      (f) => f.results.join() === this.shape.results.join(),
    );
    if (same.length === 0) return;
    this.value(I32, depth + 1);
    this.open([0x04, op.VOID], () => {
      const target = random.pick(same);
      this.arguments(target);
      this.emit(op.returnCall(target.index));
    });
  }

  #loop(depth: number): void {
    this.open([0x03, op.VOID], () => {
      if (this.in.fuelled) this.burn();
      this.#block(depth);
      if (this.in.random.chance(0.4)) {
        this.value(I32, depth + 1);
        this.emit(op.brIf(0));
      } else if (!this.in.fuelled && this.in.random.chance(0.2)) {
        this.emit(op.br(0));
      }
    });
  }

  /** Branches to an enclosing block or loop head, with a value where the label takes one. */
  #branch(depth: number): void {
    const { random } = this.in;
    const count = this.labels.length;
    if (count === 0) return this.emit(op.nop);
    const target = random.below(count);
    const type = this.labels[count - 1 - target]!;
    if (type !== op.VOID) this.value(type, depth + 1);
    this.value(I32, depth + 1);
    const same = [...this.labels.keys()].filter((label) => this.labels[count - 1 - label] === type);
    if (random.chance(0.5)) this.emit(op.brIf(target), type === op.VOID ? [] : op.drop);
    else
      this.emit(
        op.brTable(
          Array.from({ length: random.below(3) }, () => random.pick(same)),
          target,
        ),
      );
  }

  /** Code that is never reached, where the stack has any type. */
  #dead(depth: number): void {
    const { random } = this.in;
    const [, shape] = random.pick(this.in.importList);
    this.open([0x02, op.VOID], () => {
      this.emit(random.pick([op.br(0), [...op.i32(0), ...op.brTable([], 0)]]));
      if (random.chance(0.5)) this.statement(depth + 1);
      this.emit(op.call(shape.index));
      for (let i = 0; i < shape.results.length; i++) this.emit(op.drop);
    });
  }

  #other(depth: number): void {
    const { random } = this.in;
    switch (random.below(4)) {
      case 0:
        this.handle(depth);
        return this.emit(op.globalSet(1));
      case 1:
        this.value(I64, depth);
        return this.emit(random.pick([op.globalSet(2), op.set(this.i64)]));
      default: {
        const target = random.pick(this.in.functions);
        this.call(target, depth);
        for (let i = 0; i < target.results.length; i++) this.emit(op.drop);
      }
    }
  }
}
