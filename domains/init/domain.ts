/**
 * Descriptor of init.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "The first domain: says on the console what was loaded",
  uses: { system: "System", console: "Console" },
});
