/**
 * Descriptor of the shadow in the crossing benchmark.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Stands in front of an Echo, restarts it when it fails, and calls again",
  provides: { echo: "Echo" },
  uses: { echo: "Echo", life: "Lifecycle" },
  runtime: "stub",
});
