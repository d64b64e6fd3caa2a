/**
 * Derivation against a simple model: after any sequence of passing, giving up, revoking and dying, a capability works
 * exactly when the model can walk from it to a root.
 *
 * The model keeps the edges as a list, never removes a node, and walks. `SAMARA_PROPERTY_OPS` sets the size.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { derive, giveUp, isolate, keepRoot, revokeDerived, revokeGrant, ROOT } from "./derivation.ts";
import type { Capability } from "./table.ts";

const RUNS = Math.max(200, Number(process.env["SAMARA_PROPERTY_OPS"] ?? 0) / 500);
const NODES = 6;

const fresh = (number: number): Capability =>
  ({ number, sources: new Set(), derived: new Set(), ended: null }) as unknown as Capability;

/** Edges from a source (a node, or -1 for a root) to a node. */
class Model {
  edges: [number, number][] = [];
  readonly gone = new Set<number>();

  works(node: number): boolean {
    const seen = new Set<number>();
    const walk = (at: number): boolean => {
      if (at === -1) return true;
      if (seen.has(at)) return false;
      seen.add(at);
      return this.edges.some(([from, to]) => to === at && walk(from));
    };
    return !this.gone.has(node) && walk(node);
  }
  add(from: number, to: number): void {
    if (from !== to && !this.edges.some(([f, t]) => f === from && t === to)) this.edges.push([from, to]);
  }
  /** What hangs on nothing is gone for good. */
  sweep(): void {
    const lost = Array.from({ length: NODES }, (_, i) => i).filter((i) => !this.works(i));
    this.edges = this.edges.filter(([from, to]) => !lost.includes(from) && !lost.includes(to));
  }
}

type Step = readonly [
  kind: "root" | "pass" | "giveUp" | "revoke" | "revokeGrant" | "isolate" | "keepRoot",
  a: number,
  b: number,
];
const node = fc.integer({ min: 0, max: NODES - 1 });
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom("root", "pass", "pass", "pass", "pass", "giveUp", "revoke", "revokeGrant", "isolate", "keepRoot"),
  node,
  node,
);

/** The nodes that the real thing and the model agree to have lost. */
function run(steps: readonly Step[]): void {
  const nodes = Array.from({ length: NODES }, (_, i) => fresh(i));
  const model = new Model();
  const works = new Set<number>();
  const lose = (lost: readonly Capability[]): void =>
    lost.forEach((c) => {
      isolate(c);
      works.delete(c.number);
    });
  for (const [kind, a, b] of steps) {
    if (kind === "root") {
      nodes[a]!.sources.add(ROOT);
      works.add(a);
      model.add(-1, a);
    } else if (!works.has(a)) continue;
    else if (kind === "pass") {
      derive(nodes[a]!, nodes[b]!);
      works.add(b);
      model.add(a, b);
    } else if (kind === "giveUp" || kind === "isolate") {
      if (kind === "giveUp") {
        const above = model.edges.filter(([, to]) => to === a).map(([from]) => from);
        const below = model.edges.filter(([from]) => from === a).map(([, to]) => to);
        for (const from of above) for (const to of below) model.add(from, to);
        giveUp(nodes[a]!);
      } else isolate(nodes[a]!);
      works.delete(a);
      model.edges = model.edges.filter(([from, to]) => from !== a && to !== a);
      // Taking somebody out of the chains alone revokes nobody: callers do that for what has no root.
      if (kind === "isolate") lose(nodes.filter((c) => works.has(c.number) && !model.works(c.number)));
    } else if (kind === "keepRoot") {
      if (!nodes[a]!.sources.has(ROOT)) continue;
      keepRoot(nodes[a]!);
      model.edges = model.edges.filter(([from, to]) => to !== a || from === -1);
    } else if (kind === "revoke") {
      lose(revokeDerived(nodes[a]!));
      model.edges = model.edges.filter(([from]) => from !== a);
    } else {
      lose(revokeGrant(nodes[a]!));
      model.edges = model.edges.filter(([from, to]) => from !== -1 || to !== a);
    }
    model.sweep();
    const expected = nodes.map((c) => c.number).filter((i) => model.works(i));
    expect([...works].toSorted(), JSON.stringify([kind, a, b])).toEqual(expected);
    for (const c of nodes)
      for (const child of c.derived) expect(child.sources.has(c), `${c.number} → ${child.number}`).toBe(true);
  }
}

test("agrees with the model", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), run), { numRuns: RUNS });
});
