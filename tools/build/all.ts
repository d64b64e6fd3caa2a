/**
 * Builds everything that the tree holds: interfaces, every domain, and every system's manifest checked.
 *
 * Invariant: one thing that does not build hides no other; each gets its message.
 */
import { clangMissing, cSources } from "./clang.ts";
import { buildDomain, findDomains } from "./domain.ts";
import type { OnOwnership } from "./assemblyscript.ts";
import { buildInterfaces, buildSystem, listSystems, loadSystem } from "./index.ts";

/** Also what only tests and benchmarks use. */
export const ALL_ROOTS = ["domains", "drivers", "test/domains", "bench/domains"];

/**
 * @param only name of the one domain to build; null: all of them, and every system is checked.
 * @param onCompile called before each compilation.
 * @param onOwnership makes mistakes that the ownership check finds warnings.
 * @returns the message of everything that does not build. C domains are left out where clang is missing: the tests
 *   that need them say so.
 */
export async function buildAll(
  only: string | null = null,
  onCompile?: (dir: string) => void,
  onOwnership?: OnOwnership,
): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (build: () => Promise<unknown>): Promise<void> => {
    try {
      await build();
    } catch (error) {
      problems.push((error as Error).message);
    }
  };
  const model = await buildInterfaces();
  for (const [name, dir] of findDomains(ALL_ROOTS)) {
    if (only !== null && only !== name) continue;
    if (cSources(dir).length > 0 && clangMissing() !== null) continue;
    await attempt(() => buildDomain(dir, model, onCompile, "full", onOwnership));
  }
  // A domain that does not build is named above; a manifest is checked only when its domains are there.
  if (problems.length > 0 || only !== null) return problems;
  const options = onOwnership === undefined ? {} : { onOwnership: () => undefined };
  for (const name of listSystems()) await attempt(async () => buildSystem(await loadSystem(name), options));
  return problems;
}
