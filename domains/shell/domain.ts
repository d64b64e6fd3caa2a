/**
 * Descriptor of the shell: the brain of the console.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Executes command lines: shows and ends domains, calls the services, makes a domain crash",
  provides: { shell: "Shell" },
  uses: { system: "System", store: "KeyValue", disk: "BlockDevice", crasher: "Shell" },
});
