/**
 * Descriptor of the client.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Exercises the key-value store once at boot and says how it went",
  uses: { store: "KeyValue", console: "Console" },
});
