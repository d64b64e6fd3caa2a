/** Seeded bugs in the creation of domains by domains. */
import type { Mutant } from "./mutant.ts";

const CREATION = "kernel/creation/creation.ts";
const QUOTA = "kernel/creation/quota.ts";
const ATTACKS = "test/creation/attacks.test.ts";
const LIVES = "test/creation/lives.test.ts";

export const CREATION_MUTANTS: readonly Mutant[] = [
  {
    name: "share-not-taken",
    file: QUOTA,
    find: "for (const key of KEYS) domain.lent[key] += sign * share[key];",
    replace: "",
    why: "children have limits of their own beside their creator's: a bomb of them takes everything",
    killers: [ATTACKS],
    modes: "any",
  },
  {
    name: "share-not-enforced",
    file: QUOTA,
    find: "heap.setLimits(id, limits.heapBytes - lent.heapBytes, limits.heapObjects - lent.heapObjects);",
    replace: "heap.setLimits(id, limits.heapBytes, limits.heapObjects);",
    why: "a creator goes on using what it has given to children",
    killers: [ATTACKS],
    modes: "any",
  },
  {
    name: "grant-not-checked",
    file: CREATION,
    find: "const use = own ?? this.#ofChild(creator, source, null);",
    replace: 'const use = own ?? { name: "", interface: "Other", provider: "other", object: "other", self: 0 };',
    why: "a creator grants what it does not have",
    killers: [ATTACKS],
    modes: "any",
  },
  {
    name: "revoked-grant-passed-on",
    file: CREATION,
    find: "(use) => use.name === source && !creator.revoked.has(source)",
    replace: "(use) => use.name === source",
    why: "what was taken back lives on in children",
    killers: [ATTACKS],
    modes: "any",
  },
  {
    name: "child-outlives-creator",
    file: CREATION,
    find: 'this.#kernel.end(child, "its creator died");',
    replace: "",
    why: "a child goes on without the one who answers for it",
    killers: [LIVES],
    modes: "any",
  },
  {
    name: "born-after-creators-death",
    file: CREATION,
    find: "if (!creator.alive || creator.incarnation !== incarnation)",
    replace: "if (false)",
    why: "a child is born to a creator that has died, or to its next life",
    killers: [LIVES],
    modes: "any",
  },
  {
    name: "share-back-before-grandchildren-end",
    file: CREATION,
    find: "if (creator === null || !buried || hasLent(domain)) return;",
    replace: "if (creator === null || !buried) return;",
    why: "a share comes back while descendants still use it",
    killers: [LIVES],
    modes: "any",
  },
  {
    name: "own-object-shared-with-child",
    file: CREATION,
    find: "return use === null || !isCreation(use) ? use : { ...use, self: this.#nextObject++ };",
    replace: "return use;",
    why: "a child creates in its creator's name",
    killers: [ATTACKS],
    modes: "any",
  },
  {
    name: "any-instance-of-the-name",
    file: "kernel/domain/registry.ts",
    find: "return generation === undefined || domain?.generation === generation ? domain : this.#nobody;",
    replace: "return domain;",
    why: "a grant of a former child reaches a later one of its name",
    killers: [LIVES],
    modes: "any",
  },
];
