/**
 * Tests of the command line: defaults, every option, and the messages of wrong ones.
 */
import { describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "./options.ts";

describe("parseOptions", () => {
  it("has defaults", () => {
    const options = parseOptions(["crossing"]);
    expect(options).toMatchObject({ benchmark: "crossing", json: false, rounds: 101, tier: "top", cold: false });
    expect(options.samplesFile).toBeNull();
    expect(options.only).toBeNull();
    expect(options.ablate.size).toBe(0);
  });

  it("reads every option", () => {
    const options = parseOptions([
      "crossing",
      "--json",
      "--samples",
      "raw.jsonl",
      "--rounds",
      "7",
      "--only",
      "null,peer",
      "--ablate",
      "owner,type",
      "--domains",
      "2,8",
      "--payload",
      "9",
      "--tier",
      "baseline",
      "--cold",
    ]);
    expect(options).toEqual({
      benchmark: "crossing",
      json: true,
      samplesFile: "raw.jsonl",
      rounds: 7,
      only: ["null", "peer"],
      ablate: new Set(["owner", "type"]),
      domains: [2, 8],
      payload: [9],
      tier: "baseline",
      cold: true,
      seconds: 10,
      svgFile: null,
      device: null,
      destroy: null,
    });
  });

  it("reads the recovery benchmark's own", () => {
    const options = parseOptions(["recovery", "--seconds", "60", "--svg", "plot.svg"]);
    expect(options).toMatchObject({ benchmark: "recovery", seconds: 60, svgFile: "plot.svg" });
  });

  it.each([
    [[], "which benchmark?"],
    [["disk"], 'benchmark: "disk" is not one of crossing, heap, load, lifecycle, threads, recovery'],
    [["heap", "load"], "unexpected load"],
    [["heap", "--ablate", "epoch,owner"], "--ablate: heap cannot leave out owner"],
    [["heap", "--ablate", "owner,colour"], '--ablate: "colour" is not one of alive'],
    [["heap", "--rounds", "0"], '--rounds: "0" is not a whole number from 1'],
    [["heap", "--domains", "4,,5"], '--domains: "" is not a whole number'],
    [["heap", "--payload", "1e9"], '--payload: "1e9" is not a whole number'],
    [["heap", "--tier", "fast"], '--tier: "fast" is not one of top, baseline'],
    [["recovery", "--seconds", "0"], '--seconds: "0" is not a whole number from 1'],
    [["heap", "--svg", "x.svg"], "--svg: heap has no plot"],
    [["heap", "--fast"], "Unknown option '--fast'"],
    [["heap", "--device", "vfio:0000:04:00.0"], "--device: heap drives none"],
    [["nvme", "--destroy", "S1"], "--destroy: only a --device has something to lose"],
  ])("refuses %j", (argv, message) => {
    expect(() => parseOptions(argv)).toThrow(UsageError);
    expect(() => parseOptions(argv)).toThrow(message);
  });
});
