/**
 * The fault campaign, small: nothing wrong gets through the integrity shadow, and the campaign sees what gets through
 * where none is. SAMARA_CAMPAIGN_FAULTS makes it larger.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { noCounts, OUTCOMES, runCampaign, type CampaignResult, type Counts } from "../../tools/campaign/campaign.ts";
import { FAULT_GROUPS, FAULT_KINDS } from "../../tools/campaign/faults.ts";
import { campaignTable } from "../../tools/campaign/table.ts";

const FAULTS = Number(process.env["SAMARA_CAMPAIGN_FAULTS"] ?? 300);
const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
/** Alone, a driver gets fewer: they only show that the campaign is not blind. */
const BARE_FAULTS = 150;

/** What became of the faults of some kinds, by the beginning of their names. */
function of(setup: Readonly<Record<string, Counts>>, prefix: string): Counts {
  const sum = noCounts();
  for (const kind of FAULT_KINDS.filter((k) => k.startsWith(prefix)))
    for (const outcome of OUTCOMES) sum[outcome] += setup[kind]![outcome];
  return sum;
}

const total = (setup: Readonly<Record<string, Counts>>): Counts => of(setup, "");

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
    for (const group of FAULT_GROUPS) expect(of(guard, group), group).not.toEqual(noCounts());
  });

  test("what a new life mends is mended", () => {
    expect(of(guard, "result").recovered).toBeGreaterThan(0);
    for (const lie of ["false error", "misplaced read", "strange status"] as const)
      expect(guard[`result: ${lie}`]!.detected, lie).toBe(0);
  });

  test("writes that never reached the disk end in an error", () => {
    for (const lie of ["lost write", "torn write", "misplaced write"] as const)
      expect(of(guard, `result: ${lie}`).recovered, lie).toBe(0);
  });
});

test("without one the same faults do, so the campaign is not blind", { timeout: 300_000 }, async () => {
  const result = await runCampaign({ faults: BARE_FAULTS, seed: SEED, setups: ["bare", "shadow"] });
  for (const setup of ["bare", "shadow"]) {
    const kinds = result.setups[setup]!;
    expect(of(kinds, "result").silent, setup).toBeGreaterThan(0);
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
