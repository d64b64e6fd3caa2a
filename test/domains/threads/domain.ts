/**
 * Descriptor of threads: uses everything that the guest library has for threads.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A bounded buffer between producers and a consumer, and one thread for each kind of wait",
  provides: { program: "Shell" },
  limits: { threads: 8 },
  runtime: "stub",
});
