/**
 * The fault campaign, small: nothing wrong gets through the integrity shadow, and the campaign sees what gets through
 * where none is. SAMARA_CAMPAIGN_FAULTS makes it larger.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { noCounts, OUTCOMES, runCampaign, type CampaignResult, type Counts } from "../../tools/campaign/campaign.ts";
import { FAULT_KINDS, type LIES } from "../../tools/campaign/faults.ts";
import { campaignTable } from "../../tools/campaign/table.ts";

const FAULTS = Number(process.env["SAMARA_CAMPAIGN_FAULTS"] ?? 300);
const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
/** Alone, a driver gets fewer: they only show that the campaign is not blind. */
const BARE_FAULTS = 150;

function total(setup: Readonly<Record<string, Counts>>): Counts {
  const sum = noCounts();
  for (const counts of Object.values(setup)) for (const outcome of OUTCOMES) sum[outcome] += counts[outcome];
  return sum;
}

describe("behind the integrity shadow", () => {
  let result: CampaignResult;
  let guard: Readonly<Record<string, Counts>>;
  beforeAll(async () => {
    result = await runCampaign({ faults: FAULTS, seed: SEED, setups: ["guard"] });
    guard = result.setups["guard"]!;
  }, 600_000);

  test("no fault leads to silent wrong data", () => {
    expect(result.silent).toEqual([]);
    expect(total(guard).silent).toBe(0);
  });

  test("every fault was made and counted", () => {
    const sum = total(guard);
    expect(OUTCOMES.reduce((n, outcome) => n + sum[outcome], 0)).toBe(FAULTS);
    const made = FAULT_KINDS.filter((kind) => OUTCOMES.some((outcome) => guard[kind]![outcome] > 0));
    expect(made).toEqual(FAULT_KINDS);
  });

  test("what a new life mends is mended", () => {
    expect(guard["result: wrong data"]!.recovered).toBeGreaterThan(0);
    expect(guard["result: hang"]!.recovered).toBeGreaterThan(0);
    for (const lie of ["false error", "misplaced read", "strange status"] as const)
      expect(guard[`result: ${lie}`]!.detected, lie).toBe(0);
  });

  test("writes that never reached the disk end in an error", () => {
    for (const lie of ["lost write", "torn write", "misplaced write"] as const)
      expect(guard[`result: ${lie}`]!.recovered, lie).toBe(0);
  });
});

test("without one the same faults do, so the campaign is not blind", { timeout: 300_000 }, async () => {
  const result = await runCampaign({ faults: BARE_FAULTS, seed: SEED, setups: ["bare", "shadow"] });
  for (const setup of ["bare", "shadow"]) {
    const kinds = result.setups[setup]!;
    for (const lie of ["wrong data", "lost write", "misplaced write"] satisfies (typeof LIES)[number][])
      expect(kinds[`result: ${lie}`]!.silent, `${setup}, ${lie}`).toBeGreaterThan(0);
  }
  expect(total(result.setups["bare"]!).recovered).toBe(0);
  expect(total(result.setups["shadow"]!).recovered).toBeGreaterThan(0);
  const silent = total(result.setups["bare"]!).silent + total(result.setups["shadow"]!).silent;
  expect(result.silent).toHaveLength(silent);
  expect(campaignTable(result)).toMatch(/^\| shadow \| \*\*all\*\* \| 150 \|/m);
});

test("the same seed makes the same faults", { timeout: 300_000 }, async () => {
  const once = await runCampaign({ faults: 30, seed: 7, setups: ["bare"] });
  const again = await runCampaign({ faults: 30, seed: 7, setups: ["bare"] });
  expect(again).toEqual(once);
});
