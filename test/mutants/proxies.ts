/** Seeded bugs in proxies, linker, kernel calls, slices and the life of domains. */
import type { Mutant } from "./mutant.ts";

const GENERATE = "kernel/proxy/generate.ts";
const LINK = "kernel/proxy/link.ts";
const KERNEL = "kernel/kernel.ts";
const ATTACKS = "test/proxy/attacks.test.ts";
const CALLS = "test/proxy/calls.test.ts";
const FAULTS = "test/proxy/faults.test.ts";
const RULES = "test/proxy/rules.test.ts";

const ARGUMENTS: readonly Mutant[] = [
  {
    name: "dead-callee-called",
    file: GENERATE,
    find: "return ${RpcFault.dead};`",
    replace: "{}`",
    why: "a dead domain is called",
    killers: [CALLS],
    modes: "both",
  },
  {
    name: "argument-owner-unchecked",
    file: GENERATE,
    find: 'if (!this.#omits("owner"))\n',
    replace: 'if (this.#omits("owner"))\n',
    why: "H1: a caller gives away what is not its own",
    killers: [CALLS],
    modes: "both",
  },
  {
    name: "lent-object-moved-on",
    file: GENERATE,
    find: ": `if (L[e${i} + ${TYPE}] !== ${id}) badArgument(",
    replace: ": `if ((L[e${i} + ${TYPE}] & ${~LENT}) !== ${id}) badArgument(",
    why: "a borrower moves on what it only borrowed",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "same-object-twice",
    file: GENERATE,
    find: "for (const other of this.#objects) this.#checks",
    replace: "for (const other of this.#objects.slice(1)) this.#checks",
    why: "P1: one object is moved twice in one call",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "enum-not-checked",
    file: GENERATE,
    find: "if (a${i} >>> 0 >= ${this.#members(type.name)}) badArgument",
    replace: "if (a${i} >= ${this.#members(type.name)}) badArgument",
    why: "a negative number passes as a member of an enum",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "out-buffer-unchecked",
    file: GENERATE,
    find: "this.#checks.push(`checkOut(q${i}, n${i});`);",
    replace: "",
    why: "P2: a caller's bad buffer is found when the callee has run, and blamed on it",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "arguments-overflow-region",
    file: GENERATE,
    find: "`if (p${i} + b${i} > args.end) return ${RpcFault.tooLarge};`,",
    replace: "",
    why: "text is written behind the callee's argument region, over its own data",
    killers: [RULES],
    modes: "both",
  },
];

const RETURN: readonly Mutant[] = [
  {
    name: "loan-not-restored-after-trap",
    file: GENERATE,
    find: "[`L[${DEPTH}] = depth;`, ...this.#restore,",
    replace: "[`L[${DEPTH}] = depth;`,",
    why: "P1: what was lent to a domain that crashed never comes back",
    killers: [FAULTS],
    modes: "both",
  },
  {
    name: "depth-not-restored-after-trap",
    file: GENERATE,
    find: "[`L[${DEPTH}] = depth;`, ...this.#restore,",
    replace: "[...this.#restore,",
    why: "the frame of a domain that crashed stays on the stack, and nothing is ever buried",
    killers: [FAULTS],
    modes: "both",
  },
  {
    name: "argument-stack-not-restored",
    file: GENERATE,
    find: 'this.#restore.push("args.top = top;");',
    replace: "",
    why: "the argument region is used up after a few calls",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "caller-killed-meanwhile",
    file: GENERATE,
    find: "throw TRAP;`",
    replace: "{}`",
    why: "a domain that was killed while it waited runs on",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "result-owner-unchecked",
    file: GENERATE,
    find: '...(this.#omits("owner") ? [] :',
    replace: '...(!this.#omits("owner") ? [] :',
    why: "H1: a callee returns what is not its own",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "result-type-unchecked",
    file: GENERATE,
    find: '...(this.#omits("type") ? [] : [`L[${entry} + ${TYPE}]',
    replace: '...(!this.#omits("type") ? [] : [`L[${entry} + ${TYPE}]',
    why: "a callee returns an object of another type, or one that it borrowed",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "same-result-twice",
    file: GENERATE,
    find: "if (x${i} === x${k}) return",
    replace: "if (r${i} === x${k}) return",
    why: "one object arrives as two",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "status-signed",
    file: GENERATE,
    find: "`if (result !== 0) { if (result >>> 0 > ${errors}) ${lied} }`",
    replace: "`if (result !== 0) { if (result > ${errors}) ${lied} }`",
    why: "a callee answers with a status that no interface has",
    killers: [CALLS],
    modes: "both",
  },
  {
    name: "result-length-unchecked",
    file: GENERATE,
    find: 'if (m${i} > ${type.max}) return badResult("more than ${type.max} bytes");',
    replace: "",
    why: "a callee returns more bytes than its interface allows, and nobody blames it",
    killers: [ATTACKS],
    modes: "both",
  },
];

const LINKER: readonly Mutant[] = [
  {
    name: "blame-callee-for-argument",
    file: LINK,
    find: "kernel.blame(holder, `argument",
    replace: "kernel.blame(callee, `argument",
    why: "P2: the victim of a bad argument dies for it",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "blame-caller-for-crash",
    file: LINK,
    find: "kernel.fault(callee, error);",
    replace: "kernel.fault(holder, error);",
    why: "P2: whoever calls a domain that crashes dies instead of it",
    killers: [FAULTS],
    modes: "both",
  },
  {
    name: "capability-interface-not-compared",
    file: LINK,
    find: "if (capability === null || capability.interface !== interfaceName) return -1;",
    replace: "if (capability === null) return -1;",
    why: "D1: a capability passes as one of another interface",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "dropped-capability-stays",
    file: "kernel/capability/table.ts",
    find: "for (let i = 0; i < capability.methods; i++) this.#table.set(slot + i, null);",
    replace: "",
    why: "D1: a capability that was given back can be called",
    killers: [ATTACKS],
    modes: "both",
  },
  {
    name: "granted-name-of-any-interface",
    file: "kernel/domain/imports.ts",
    find: "(u) => u.name === name && u.interface === interface_.name)",
    replace: "(u) => u.name === name)",
    why: "D1: a name that is granted for one interface gives any other of the same provider",
    killers: [RULES],
    modes: "both",
  },
];

const LIFE: readonly Mutant[] = [
  {
    name: "buried-on-the-stack",
    file: KERNEL,
    find: "if (this.ledger[CORE_DEPTH >> 2] !== 0) return;",
    replace: "",
    why: "D2: a domain is reclaimed while its frames are on the stack",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "stale-capability-to-new-instance",
    file: KERNEL,
    find: "return domain !== null && domain.generation === generation ? domain : null;",
    replace: "return domain;",
    why: "D2: a capability to a dead domain becomes one to whoever got its id",
    killers: [RULES],
    modes: "both",
  },
  {
    name: "slice-charged-to-outermost",
    file: "kernel/domain/slice.ts",
    find: "this.#charge(depth - 1, units);",
    replace: "this.#charge(0, units);",
    why: "the caller of an endless callee is condemned for it",
    killers: ["kernel/domain/slice.test.ts"],
    modes: "any",
  },
  {
    name: "overrun-traps-the-innocent",
    file: "kernel/domain/slice.ts",
    find: "if (running !== null && !running.alive) throw trap;",
    replace: "if (running !== null) throw trap;",
    why: "P2: every domain that ticks dies",
    killers: ["kernel/domain/slice.test.ts"],
    modes: "any",
  },
];

export const PROXY_MUTANTS: readonly Mutant[] = [...ARGUMENTS, ...RETURN, ...LINKER, ...LIFE];
