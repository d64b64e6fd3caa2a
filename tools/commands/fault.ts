/**
 * fault DEVICE FAULT: makes a device of a running system misbehave.
 *
 *   --system NAME   which system, when several run
 *   --json          one JSON object
 *
 * FAULT is KIND or KIND:key=value,…, by default for the next I/O command: `lost-completion`, `error:count=3`,
 * `late-completion:delayMs=500`, `corrupt-completion`, `hang`, `removal`, `power-cut`. drivers/models/README.md has
 * all of them. For real devices, on the way between driver and device: `removal`, `lost-write`, `corrupt-read`,
 * `lost-interrupt`, `late-interrupt` (offset=, vector=, mask=, delayMs=, count=, after=).
 *
 *   npm run samara -- fault nvme0 lost-completion
 */
import type { Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import type { FaultAnswer } from "../device/handlers.ts";

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [2, 2],
  run: (args) =>
    withSystem(args, async (client) => {
      const [device, fault] = args.positionals;
      const answer = await client.request<FaultAnswer>("fault", { device, fault });
      show(answer, args, () => `${answer.device}: ${answer.fault} it will be`);
      return 0;
    }),
};
