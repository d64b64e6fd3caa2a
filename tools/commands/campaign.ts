/**
 * campaign: spoils a disk's driver, counts what reaches clients.
 *
 *   --faults N   faults for each set-up (default 1000): a third each in memory, code and results
 *   --seed S     which ones (default 1)
 *   --setup X    only bare, shadow or guard
 *   --json       one JSON object
 *
 * Exit code 1 when wrong data got through the integrity shadow. docs/recovery.md says what the numbers mean.
 */
import type { CampaignResult } from "../campaign/campaign.ts";
import type { SetUp } from "../campaign/setup.ts";
import { UsageError, type Command } from "../lib/command.ts";

function number(name: string, text: string | boolean | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text === "" || !Number.isInteger(value) || value < 1 || value > max)
    throw new UsageError(`campaign: --${name}: ${JSON.stringify(text)} is not a whole number from 1 to ${max}`);
  return value;
}

/** Once in a while, for people who wait. */
function progress(setup: SetUp, done: number, total: number): void {
  if (done % 100 === 0 || done === total) process.stderr.write(`\r${setup}: ${done} of ${total} faults `);
  if (done === total) process.stderr.write("\n");
}

export const command: Command = {
  options: {
    faults: { type: "string" },
    seed: { type: "string" },
    setup: { type: "string" },
    json: { type: "boolean" },
  },
  positionals: [0, 0],
  async run({ options }) {
    const { runCampaign } = await import("../campaign/campaign.ts");
    const { SETUPS } = await import("../campaign/setup.ts");
    const { campaignTable } = await import("../campaign/table.ts");
    const setups = options["setup"] === undefined ? SETUPS : SETUPS.filter((s) => s === options["setup"]);
    if (setups.length === 0)
      throw new UsageError(`campaign: --setup: "${options["setup"]}" is not one of ${SETUPS.join(", ")}`);
    const result: CampaignResult = await runCampaign({
      faults: number("faults", options["faults"], 1000, 10_000_000),
      seed: number("seed", options["seed"], 1, 0x7fffffff),
      setups,
      onFault: progress,
    });
    process.stdout.write(options["json"] === true ? `${JSON.stringify(result)}\n` : campaignTable(result));
    return result.silent.some(({ setup }) => setup === "guard") ? 1 : 0;
  },
};
