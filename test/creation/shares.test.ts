/**
 * Shares against a simple model: whatever is created, killed, restarted and filled in whatever order, each creator has
 * left exactly what the model says, and everything comes back.
 */
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Left } from "./image.ts";
import { IDLE, image, LIMITS, makeWorld, type World } from "./world.ts";

const RUNS = Number(process.env["SAMARA_PROPERTY_OPS"] ?? 0) > 0 ? 100 : 12;
const NAMES = ["x", "y", "z"] as const;
/** What `create` itself needs while it runs: a page for the image, the creator's thread, and the child. */
const DURING: Left = { memoryPages: 1, heapBytes: 0, heapObjects: 0, threads: 1, domains: 1 };
const KEYS = Object.keys(DURING) as (keyof Left)[];
const map = (f: (key: keyof Left) => number): Left => Object.fromEntries(KEYS.map((k) => [k, f(k)])) as unknown as Left;

class Node {
  readonly children = new Map<string, Node>();
  readonly path: string;
  readonly share: Left;
  constructor(path: string, share: Left) {
    this.path = path;
    this.share = share;
  }
  left({ lab }: World): Left {
    const { objects, bytes } = lab.info(this.path);
    const own = { memoryPages: 1, heapBytes: bytes, heapObjects: objects, threads: 0, domains: 0 };
    const given = (key: keyof Left): number =>
      [...this.children.values()].reduce((sum, c) => sum + c.share[key] + (key === "domains" ? 1 : 0), 0);
    return map((key) => Math.max(0, this.share[key] - own[key] - given(key)));
  }
  *all(): Iterable<Node> {
    yield this;
    for (const child of this.children.values()) yield* child.all();
  }
}

type Step =
  | { readonly do: "create"; readonly at: number; readonly name: string; readonly share: Left }
  | { readonly do: "kill" | "restart" | "hoard"; readonly at: number };
const amount = (max: number): fc.Arbitrary<number> => fc.nat(max);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("create" as const),
      at: fc.nat(9),
      name: fc.constantFrom(...NAMES),
      share: fc.record({
        memoryPages: fc.integer({ min: 1, max: 16 }),
        heapBytes: amount(1 << 17),
        heapObjects: amount(40),
        threads: amount(5),
        domains: amount(5),
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("kill" as const, "restart" as const, "hoard" as const), at: fc.nat(9) }),
  },
);

let bytes: Uint8Array;
beforeAll(async () => {
  bytes = await image({ makes: true });
});

async function take(world: World, root: Node, action: Step): Promise<void> {
  const nodes = [...root.all()];
  const node = nodes[action.at % nodes.length]!;
  if (action.do === "hoard") {
    world.lab.client<{ hoard(count: number): unknown }>(`${node.path}.program`).hoard(5);
  } else if (action.do === "create") {
    const left = node.left(world);
    const fits = KEYS.every((key) => action.share[key] + DURING[key] <= left[key]);
    const expected = left.memoryPages < 1 || !fits ? "LimitExceeded" : null;
    const made = await world.create(action.name, bytes, {
      by: node.path,
      provides: "maker: Domains, program: Program",
      uses: "domains = domains",
      limits: KEYS.map((key) => action.share[key]),
    });
    // Nobody asks for the child of this image any more.
    if (made === "busy") world.maker(node.path).begin(0);
    // Without a thread to create in, the maker is busy.
    if (node.share.threads - [...node.children.values()].reduce((sum, c) => sum + c.share.threads, 0) === 0)
      expect(made).toMatch(/busy|LimitExceeded/);
    else if (node.children.has(action.name) && left.memoryPages > 0) expect(made).toBe("NameTaken");
    else expect(made).toBe(expected);
    if (made === null) node.children.set(action.name, new Node(`${node.path}/${action.name}`, action.share));
  } else {
    if (action.do === "kill" && node !== root) {
      world.lab.system.kill(node.path);
      for (const other of nodes)
        for (const [name, child] of other.children) if (child === node) other.children.delete(name);
    } else world.lab.system.restart(node.path);
    node.children.clear();
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

function agree(world: World, root: Node): void {
  const nodes = [...root.all()];
  expect(world.names().toSorted()).toEqual(["b", "other", ...nodes.map((n) => n.path)].toSorted());
  for (const node of nodes) expect(world.maker(node.path).left().value, node.path).toEqual(node.left(world));
  world.lab.audit();
}

test("what is left is what the model says, and everything comes back", { timeout: 120_000 }, async () => {
  let created = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const world = await makeWorld();
      const root = new Node("a", LIMITS);
      try {
        for (const action of steps) {
          await take(world, root, action);
          agree(world, root);
          created += action.do === "create" ? 1 : 0;
        }
        world.lab.system.restart("a");
        for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => void setImmediate(resolve));
        expect(world.names()).toEqual(["other", "a", "b"]);
        expect(world.maker().left().value).toEqual(IDLE);
      } finally {
        await world.lab.close();
      }
    }),
    { numRuns: RUNS },
  );
  expect(created).toBeGreaterThan(20);
});
