/**
 * Descriptor of the launcher: a domain that starts others. Pages of memory beyond its own are for its children.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Starts programs whose images lie in a key-value store, and passes lines on to them",
  provides: { shell: "Shell" },
  uses: { domains: "Domains", store: "KeyValue", console: "Console" },
  limits: { memoryPages: 8 },
});
