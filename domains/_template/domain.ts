/**
 * Descriptor of template: what it provides, what it needs, and its limits.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "template: answers every line with a greeting",
  provides: { program: "Shell" },
});
