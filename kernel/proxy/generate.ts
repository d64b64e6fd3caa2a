/**
 * The proxy generator: readable JavaScript for one method of one edge (caller → callee object).
 *
 * Invariants of every generated function:
 *  - head room, liveness and all arguments are checked before the first store; a failed check leaves no trace;
 *  - after the callee, in whatever way it ended, depth, lent objects and argument stack are as before the call;
 *  - an error of the caller throws into the caller, an error of the callee becomes a fault code: blame is explicit;
 *  - nothing else than the kernel's trap object, or what V8 throws in the caller's own name, reaches the caller.
 *
 * Every edge gets source text of its own. Functions made from equal text share type feedback, and a shared call site
 * is megamorphic: the call costs twice as much.
 */
import {
  isDirect,
  resultWords,
  returnWords,
  RPC_MAX_ERROR,
  RpcFault,
  type Interface,
  type Method,
  type Model,
  type ValueType,
} from "../interface/model.ts";
import {
  CORE_DEPTH,
  CORE_SEQUENCE,
  DOMAIN_ALIVE,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  EDGE_CALLS,
  EDGE_RING,
  EDGE_RING_MASK,
  EDGE_SHIFT,
  EDGES,
  FIRST_HANDLE,
  FRAMES,
  GENERATION_BITS,
  GENERATION_MASK,
  LENT,
  MAX_FRAMES,
  OBJECT_SHIFT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OBJECTS,
} from "../../shared-heap/layout.ts";

/** Checks that the crossing laboratory can leave out to show what each costs. The kernel never leaves one out. */
export type Ablation = "stack" | "alive" | "owner" | "type" | "catch" | "count" | "trace" | "epoch";

/** Everything about an edge that is baked into the source as a constant. */
export interface EdgeConstants {
  readonly model: Model;
  readonly interface: Interface;
  readonly method: Method;
  readonly caller: { readonly name: string; readonly id: number; readonly generation: number };
  readonly callee: { readonly name: string; readonly id: number; readonly generation: number };
  /** The object in the callee that the capability names. */
  readonly self: number;
  /** Index of the edge's record. */
  readonly counter: number;
  /** Ledger type id of each exchangeable type, by its key in the model. */
  readonly typeIds: ReadonlyMap<string, number>;
  readonly omit?: ReadonlySet<Ablation>;
}

/** Names that the generated source refers to, bound by `link.ts`. */
export const PROXY_SCOPE = [
  "L", // Int32Array over the ledger
  "callee", // the server's export
  "room", // (depth): throws RangeError when less than the guaranteed head room is left
  "TRAP", // the one genuine trap object
  "badArgument", // (index, why): throws into the caller
  "crashed", // (error) → fault code; the callee is dying afterwards. Throws into a caller that is dying itself
  "badResult", // (why) → the same for a result that breaks a rule
  "args", // the callee's region for text and bytes
  "copyIn", // (to, from, length): caller's memory → callee's; traps beyond the caller's memory
  "copyOut", // (to, from, length): callee's memory → caller's
  "checkOut", // (pointer, capacity): traps beyond the caller's memory
  "passIn", // (capability, interface name) → the callee's capability, a fault code, or -1: not the caller's
  "dropIn", // (capability): takes back what passIn has just given
  "refused", // () → a fault code when the callee can have no thread more, else 0 (async methods)
  "launch", // (depth, arguments, restore, conclude) → promise of the status, or a fault code (async methods)
  "passOut", // (capability, interface name) → the caller's capability, a fault code, or -1: not the callee's
  "dropOut", // (capability): takes back what passOut has just given
] as const;

const word = (byteOffset: number): number => byteOffset >> 2;
const aliveWord = (id: number): number => word(DOMAINS + (id << DOMAIN_SHIFT) + DOMAIN_ALIVE);
const returnWord = (id: number): number => word(DOMAINS + (id << DOMAIN_SHIFT) + DOMAIN_RETURN);
/** Condition: the instance that the edge was made for is no longer alive. */
const isDead = (who: { readonly id: number; readonly generation: number }): string =>
  `L[${aliveWord(who.id)}] !== ${who.generation}`;
const TAG = word(OBJECTS + OBJECT_TAG);
const TYPE = word(OBJECTS + OBJECT_TYPE);
const DEPTH = word(CORE_DEPTH);
/** Handle → word index of its record, relative to TAG or TYPE. */
const record = (handle: string): string => `(${handle} >>> ${GENERATION_BITS}) << ${OBJECT_SHIFT - 2}`;
const bumped = (handle: string): string => `${handle} & ${~GENERATION_MASK} | ${handle} + 1 & ${GENERATION_MASK}`;

const NO_CAPABILITY = 'badResult("not a capability of its own")';
type Phases = Record<"checks" | "copies" | "grants" | "moves", string[]>;

/** Source of the function for one method: `(function name(flat parameters) { … })`. */
export function generateProxy(edge: EdgeConstants): string {
  return new ProxyWriter(edge).write();
}

class ProxyWriter {
  readonly #e: EdgeConstants;
  readonly #params: string[] = [];
  /** What the callee is called with. */
  readonly #pass: string[] = [];
  /** Conditions on the arguments; none has an effect. */
  readonly #checks: string[] = [];
  /** Copies to the argument stack: they can fail, but leave nothing that anyone can see. */
  readonly #copies: string[] = [];
  /** Passes capabilities; one that cannot be passed takes those before it back. */
  readonly #grants: string[] = [];
  /** Plain stores that cannot fail: from here on the arguments are the callee's. */
  readonly #moves: string[] = [];
  /** Plain stores that undo what ends with the call; in the catch block too. */
  readonly #restore: string[] = [];
  readonly #objects: string[] = [];
  /** The end of the argument stack so far, as an expression. */
  #argsTop = "";

  constructor(edge: EdgeConstants) {
    this.#e = edge;
  }

  #omits(what: Ablation): boolean {
    return this.#e.omit?.has(what) ?? false;
  }

  write(): string {
    const { method, caller, callee, self } = this.#e;
    method.params.forEach((p, i) => this.#param(p.type, i));
    const results = this.#results();
    const unless = (what: Ablation, line: string): string[] => (this.#omits(what) ? [] : [line]);
    const body = [
      `const depth = L[${DEPTH}];`,
      ...unless("stack", "room(depth);"),
      ...unless("alive", `if (${isDead(callee)}) return ${RpcFault.dead};`),
      ...(method.async === true ? ["const no = refused();", "if (no !== 0) return no;"] : []),
      ...this.#checks,
      `if (depth >= ${MAX_FRAMES}) return ${RpcFault.exhausted};`,
      ...this.#copies,
      ...this.#grants,
      ...this.#moves,
      ...this.#record(),
      ...unless("epoch", `L[${word(FRAMES)} + depth] = ${callee.id};`),
      `L[${DEPTH}] = depth + 1;`,
      ...(method.async === true ? this.#launch(results) : this.#callAndReturn(results)),
    ];
    return [
      // `$`, because methods may have the names of keywords: `delete`.
      `(function $${method.name}(${this.#params.join(", ")}) {`,
      ...body.map((line) => `  ${line}`),
      "})",
      `//# sourceURL=samara://proxy/${caller.name}/${callee.name}.${self}/${this.#e.interface.name}.${method.name}`,
    ].join("\n");
  }

  /** Counts the call, and notes its place in the order of all calls in the edge's ring. */
  #record(): string[] {
    const edge = EDGES + (this.#e.counter << EDGE_SHIFT);
    if (this.#omits("count")) return [];
    const calls = `L[${word(edge + EDGE_CALLS)}]`;
    const sequence = `L[${word(CORE_SEQUENCE)}]`;
    // Not `++`: V8 would check for overflow, and throw its code away when a counter wraps.
    const count = [`const calls = ${calls} + 1 | 0; ${calls} = calls;`];
    if (this.#omits("trace")) return count;
    return [
      ...count,
      `const sequence = ${sequence} + 1 | 0; ${sequence} = sequence;`,
      `L[${word(edge + EDGE_RING)} + (calls & ${EDGE_RING_MASK})] = sequence;`,
    ];
  }

  /** The callee runs on a stack of its own; `conclude` runs when it has ended, whenever that is. */
  #launch(results: readonly string[]): string[] {
    const restore = this.#restore.length === 0 ? "null" : `() => { ${this.#restore.join(" ")} }`;
    return [
      `return launch(depth, [${[`${this.#e.self}`, ...this.#pass].join(", ")}], ${restore}, (result) => {`,
      ...results.map((line) => `  ${line}`),
      "  return result;",
      "});",
    ];
  }

  #callAndReturn(results: readonly string[]): string[] {
    const { caller, callee, self } = this.#e;
    const unless = (what: Ablation, line: string): string[] => (this.#omits(what) ? [] : [line]);
    const call = `result = callee(${[`${self}`, ...this.#pass].join(", ")}) | 0;`;
    return [
      "let result;",
      ...(this.#omits("catch")
        ? [call]
        : [
            `try { ${call} } catch (error) {`,
            ...[`L[${DEPTH}] = depth;`, ...this.#restore, "return crashed(error);"].map((line) => `  ${line}`),
            "}",
          ]),
      `L[${DEPTH}] = depth;`,
      ...this.#restore,
      ...unless("alive", `if (${isDead(callee)}) return crashed(null);`),
      ...results,
      // A caller that was killed while it waited must not run on: the kernel's trap ends its frame.
      ...unless("alive", `if (${isDead(caller)}) throw TRAP;`),
      "return result;",
    ];
  }

  #typeId(key: string): number {
    const id = this.#e.typeIds.get(key);
    if (id === undefined) throw new Error(`${this.#e.interface.name}.${this.#e.method.name}: type ${key} has no id`);
    return id;
  }

  #members(enumName: string): number {
    return this.#e.model.enums[enumName]!.members.length;
  }

  // ── parameters ───────────────────────────────────────────────────────────────────────────────────────────────────

  #param(type: ValueType, i: number): void {
    switch (type.kind) {
      case "rref":
      case "borrow":
        return this.#object(type, i);
      case "str":
      case "slice":
        return this.#bytes(type.max, i);
      case "interface":
        return this.#capability(type.name, i);
      case "enum":
        this.#params.push(`a${i}`);
        this.#pass.push(`a${i}`);
        this.#checks.push(
          `if (a${i} >>> 0 >= ${this.#members(type.name)}) badArgument(${i}, "no member of ${type.name}");`,
        );
        return;
      default:
        return this.#scalar(type.scalar, i);
    }
  }

  #scalar(scalar: string, i: number): void {
    if (scalar === "u64" || scalar === "i64") {
      this.#params.push(`a${i}`, `b${i}`);
      this.#pass.push(`a${i}`, `b${i}`);
      return;
    }
    const narrow: Readonly<Record<string, string>> = {
      bool: `a${i} !== 0 ? 1 : 0`,
      u8: `a${i} & 255`,
      i8: `a${i} << 24 >> 24`,
      u16: `a${i} & 65535`,
      i16: `a${i} << 16 >> 16`,
    };
    this.#params.push(`a${i}`);
    this.#pass.push(narrow[scalar] ?? `a${i}`);
  }

  #object(type: { readonly kind: "rref" | "borrow"; readonly type: string }, i: number): void {
    const { caller, callee } = this.#e;
    const id = this.#typeId(type.type);
    const callerTag = caller.id << GENERATION_BITS;
    const lends = type.kind === "borrow";
    this.#params.push(`a${i}`);
    this.#pass.push(`h${i}`);
    this.#checks.push(`const e${i} = ${record(`a${i}`)};`);
    if (!this.#omits("owner"))
      this.#checks.push(
        `if ((L[e${i} + ${TAG}] ^ a${i}) !== ${callerTag}) badArgument(${i}, "not an object of the caller's");`,
      );
    // What was lent may be lent on, so LENT is masked there. A move needs the exclusive right: LENT fails the compare.
    if (lends) this.#checks.push(`const t${i} = L[e${i} + ${TYPE}];`);
    if (!this.#omits("type"))
      this.#checks.push(
        lends
          ? `if ((t${i} & ${~LENT}) !== ${id}) badArgument(${i}, "not a ${type.type}");`
          : `if (L[e${i} + ${TYPE}] !== ${id}) badArgument(${i}, "borrowed, or not a ${type.type}");`,
      );
    for (const other of this.#objects)
      this.#checks.push(`if (e${i} === ${other}) badArgument(${i}, "the same object twice");`);
    this.#objects.push(`e${i}`);
    this.#moves.push(
      `const h${i} = ${bumped(`a${i}`)};`,
      `L[e${i} + ${TAG}] = h${i} ^ ${callee.id << GENERATION_BITS};`,
    );
    if (!lends) return;
    this.#moves.push(`L[e${i} + ${TYPE}] = t${i} | ${LENT};`);
    this.#restore.push(`L[e${i} + ${TAG}] = a${i} ^ ${callerTag};`, `L[e${i} + ${TYPE}] = t${i};`);
  }

  /**
   * Copied to the callee's argument stack, which a nested call finds grown and leaves as it was. Async calls, which end
   * in any order, take a region of their own from its other end.
   */
  #bytes(max: number, i: number): void {
    this.#params.push(`a${i}`, `b${i}`);
    this.#pass.push(`p${i}`, `b${i}`);
    this.#checks.push(`if (b${i} >>> 0 > ${max}) return ${RpcFault.tooLarge};`);
    if (this.#e.method.async === true) return this.#asyncBytes(i);
    if (this.#argsTop === "") {
      this.#copies.push("const top = args.top;");
      this.#restore.push("args.top = top;");
    }
    this.#copies.push(
      `const p${i} = ${this.#argsTop || "top"};`,
      `if (p${i} + b${i} > args.end) return ${RpcFault.tooLarge};`,
      `copyIn(p${i}, a${i}, b${i});`,
    );
    if (this.#argsTop !== "") this.#moves.pop();
    this.#argsTop = `(p${i} + b${i} + 7 & -8)`;
    this.#moves.push(`args.top = ${this.#argsTop};`);
  }

  #asyncBytes(i: number): void {
    if (this.#argsTop === "") {
      const sizes = this.#e.method.params.flatMap(({ type: { kind } }, k) =>
        kind === "str" || kind === "slice" ? [`(b${k} + 7 & -8)`] : [],
      );
      this.#copies.push(`const size = ${sizes.join(" + ")};`, "const top = args.find(size);");
      this.#copies.push(`if (top < 0) return ${RpcFault.tooLarge};`);
      this.#moves.push("args.take(top, size);");
      this.#restore.push("args.give(top);");
    }
    this.#copies.push(`const p${i} = ${this.#argsTop || "top"};`, `copyIn(p${i}, a${i}, b${i});`);
    this.#argsTop = `(p${i} + b${i} + 7 & -8)`;
  }

  #capability(name: string, i: number): void {
    this.#params.push(`a${i}`);
    this.#pass.push(`c${i}`);
    const refused = `badArgument(${i}, "not a capability to a ${name} of the caller's")`;
    passOn(this.#grants, "In", `c${i}`, `a${i}, ${JSON.stringify(name)}`, refused);
  }

  // ── results ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Statements after a normal return: all checks, then all copies, then the moves, so that a bad result moves
   * nothing.
   */
  #results(): string[] {
    const { result, error } = this.#e.method;
    const errors = error === null ? 0 : Math.min(this.#members(error), RPC_MAX_ERROR);
    const lied = 'return badResult("a status that its interface does not have");';
    if (result.kind === "value" && isDirect(result))
      return [
        `if (result >>> 0 < ${FIRST_HANDLE}) { if (result === 0 || result >>> 0 > ${errors}) ${lied} }`,
        "else {",
        ...this.#direct(result.type).map((line) => `  ${line}`),
        "}",
      ];
    const phases: Phases = { checks: [], copies: [], grants: [], moves: [] };
    const values =
      result.kind === "void" ? [] : result.kind === "value" ? [result.type] : result.fields.map((f) => f.type);
    const words = resultWords(values);
    values.forEach((type, i) => this.#value(type, i, words[i]!, phases));
    const lines = [...phases.checks, ...phases.copies, ...phases.grants, ...phases.moves];
    return [
      `if (result !== 0) { if (result >>> 0 > ${errors}) ${lied} }`,
      ...(lines.length === 0 ? [] : ["else {", ...lines.map((line) => `  ${line}`), "}"]),
    ];
  }

  #direct(type: ValueType): string[] {
    if (type.kind === "interface")
      return [`result = passOut(result, ${JSON.stringify(type.name)});`, `if (result === -1) return ${NO_CAPABILITY};`];
    if (type.kind !== "rref") throw new Error(`${this.#e.method.name}: not a direct result`);
    return [
      ...this.#ownedByCallee("result", "er", type.type),
      `result = ${bumped("result")};`,
      `L[er + ${TAG}] = result ^ ${this.#e.caller.id << GENERATION_BITS};`,
    ];
  }

  #ownedByCallee(handle: string, entry: string, key: string): string[] {
    const tests = [
      ...(this.#omits("owner")
        ? []
        : [`(L[${entry} + ${TAG}] ^ ${handle}) !== ${this.#e.callee.id << GENERATION_BITS}`]),
      ...(this.#omits("type") ? [] : [`L[${entry} + ${TYPE}] !== ${this.#typeId(key)}`]),
    ];
    return [
      `const ${entry} = ${record(handle)};`,
      ...(tests.length === 0 ? [] : [`if (${tests.join(" || ")}) return badResult("not a ${key} of its own");`]),
    ];
  }

  #value(type: ValueType, i: number, at: number, out: Phases): void {
    const from = returnWord(this.#e.callee.id) + at;
    const to = returnWord(this.#e.caller.id) + at;
    switch (type.kind) {
      case "rref":
        out.checks.push(`const r${i} = L[${from}];`, ...this.#ownedByCallee(`r${i}`, `x${i}`, type.type));
        for (let k = 0; k < i; k++)
          if (out.checks.some((line) => line.startsWith(`const x${k} `)))
            out.checks.push(`if (x${i} === x${k}) return badResult("the same object twice");`);
        out.moves.push(
          `const s${i} = ${bumped(`r${i}`)};`,
          `L[x${i} + ${TAG}] = s${i} ^ ${this.#e.caller.id << GENERATION_BITS};`,
          `L[${to}] = s${i};`,
        );
        return;
      case "interface":
        passOn(out.grants, "Out", `r${i}`, `L[${from}], ${JSON.stringify(type.name)}`, NO_CAPABILITY);
        out.moves.push(`L[${to}] = r${i};`);
        return;
      case "str":
      case "slice":
        this.#params.push(`q${i}`, `n${i}`);
        this.#checks.push(`checkOut(q${i}, n${i});`);
        out.checks.push(
          `const m${i} = L[${from + 1}] >>> 0;`,
          `if (m${i} > ${type.max}) return badResult("more than ${type.max} bytes");`,
          `if (m${i} > n${i} >>> 0) return ${RpcFault.tooLarge};`,
        );
        out.copies.push(
          `try { copyOut(q${i}, L[${from}], m${i}); } catch { return badResult("bytes outside its memory"); }`,
        );
        out.moves.push(`L[${to}] = q${i};`, `L[${to + 1}] = m${i};`);
        return;
      case "enum":
        out.checks.push(
          `if (L[${from}] >>> 0 >= ${this.#members(type.name)}) return badResult("no member of ${type.name}");`,
        );
        out.moves.push(`L[${to}] = L[${from}];`);
        return;
      default:
        for (let k = 0; k < returnWords(type); k++) out.moves.push(`L[${to + k}] = L[${from + k}];`);
    }
  }
}

/** Passes one capability more; when it cannot be passed, those before it are taken back. */
function passOn(grants: string[], way: "In" | "Out", as: string, what: string, refused: string): void {
  const takeBack = grants.map((line) => `drop${way}(${/\w+(?= =)/.exec(line)![0]});`).join(" ");
  const fails = `if (${as} < ${FIRST_HANDLE}) { ${takeBack} return ${as} === -1 ? ${refused} : ${as}; }`;
  grants.push(`const ${as} = pass${way}(${what}); ${fails}`);
}
