/**
 * Published figures, in core cycles, to stand beside ours. They were measured by their authors on other machines.
 *
 * Invariant: each row says which paper it is from, and nothing here is measured.
 */
import type { Mechanism } from "../mechanism.ts";

const OSDI = "RedLeaf, OSDI'20, table 1 (2.6 GHz)";
const PLOS =
  "Understanding the Overheads of Hardware and Language-Based IPC Mechanisms, PLOS'21 (2.6 GHz, chains of 1 to 16)";
const REDLEAF =
  "By Rust's types: ownership and what may cross. By the proxy, as the paper describes it: the callee is " +
  "alive, a crash is contained. Not checked: domains not written in safe Rust, time, stack.";

interface Paper {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly source: string;
  readonly checks: string;
}

const one = (name: string, cycles: number, source: string, checks: string): Paper => ({
  name,
  low: cycles,
  high: cycles,
  source,
  checks,
});

const PAPERS: readonly Paper[] = [
  one("paper-sel4", 834, OSDI, "Separate address spaces, entered by capability. Not checked: what the message means."),
  one(
    "paper-vmfunc",
    396,
    OSDI,
    "Separate extended page tables, switched by VMFUNC. Not checked: arguments, ownership, time.",
  ),
  one("paper-redleaf", 124, OSDI, REDLEAF),
  one("paper-redleaf-rref", 141, `${OSDI}, with one RRef passed`, REDLEAF),
  one("paper-redleaf-shadow", 279, `${OSDI}, through a shadow`, REDLEAF),
  one("paper-redleaf-shadow-rref", 297, `${OSDI}, through a shadow, with one RRef passed`, REDLEAF),
  {
    name: "paper-redleaf-unwinder",
    low: 16,
    high: 18,
    source: `${PLOS}, with an unwinder instead of saved state`,
    checks: REDLEAF,
  },
  {
    name: "paper-redleaf-continuations",
    low: 73,
    high: 120,
    source: `${PLOS}, with continuations`,
    checks: REDLEAF,
  },
];

export const mechanism: Mechanism = {
  name: "papers",
  cases: PAPERS.map(({ name }) => name),
  checks: "see the paper",
  order: 90,
  available: async () => null,
  async measure(context) {
    for (const p of PAPERS) context.constant(p.name, p.low, p.high, p.source, p.checks);
  },
};
