/**
 * Descriptor of the welcomer: a program for others to start.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Greets whoever it is told of, and dies when told to",
  provides: { program: "Shell" },
  uses: { console: "Console" },
  limits: { memoryPages: 4 },
});
