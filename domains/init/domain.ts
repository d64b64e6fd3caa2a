/**
 * Descriptor of init, which looks at the system and writes on the console.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "The first domain: says on the console what was loaded",
  uses: { system: "System", console: "Console" },
});
