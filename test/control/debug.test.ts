/**
 * A debugger on a running system, over the protocol of Node's inspector: it finds the sources of a domain, sets a break
 * point at a line of AssemblyScript, stops there when the domain is called, and lets it go on.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { generatedPositionFor, LEAST_UPPER_BOUND, originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { afterAll, describe, expect, test } from "vitest";
import { translateSegments } from "#tools/debug/source-map.ts";
import { ROOT } from "#tools/lib/paths.ts";
import { Debugger } from "../support/debugger.ts";
import { IN_MEMORY } from "../support/devices.ts";

describe("segments are translated", () => {
  const INSERTED = 0x8000_0000;
  const offsets = Uint32Array.from([100, 50, 110, 60 + INSERTED, 130, 60, 150, 90]);
  test("copies keep their distance, additions have the line that they were added for", () => {
    const segments: [number, number, number, number][] = [
      [40, 0, 1, 0],
      [55, 0, 2, 0],
      [60, 0, 3, 0],
      [70, 0, 4, 0],
      [85, 0, 5, 0],
      [95, 0, 6, 0],
    ];
    expect(translateSegments(segments, offsets)).toEqual([
      [100, 0, 1, 0],
      [105, 0, 2, 0],
      [110, 0, 3, 0],
      [130, 0, 3, 0],
      [140, 0, 4, 0],
      [150, 0, 5, 0],
      [155, 0, 6, 0],
    ]);
  });
  test("nothing maps to nothing", () => expect(translateSegments([], offsets)).toEqual([]));
});

let system: ChildProcess | undefined;
afterAll(async () => {
  if (system === undefined || system.exitCode !== null) return;
  const ended = new Promise((resolve) => system!.on("exit", resolve));
  system.kill("SIGTERM");
  await ended;
});

interface Script {
  readonly scriptId: string;
  readonly scriptLanguage?: string;
  readonly sourceMapURL?: string;
}

test("a break point at a line of a domain is hit, and the domain goes on", async () => {
  const args = [
    "tools/samara.ts",
    "run",
    "default",
    "--debug",
    "--port",
    "0",
    "--name",
    `debug-${process.pid}`,
    ...IN_MEMORY,
  ];
  system = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], { cwd: ROOT });
  let [out, err] = ["", ""];
  system.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  system.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()));
  await expect.poll(() => out, { timeout: 60_000 }).toContain("write help\n");
  const inspector = await Debugger.attach(/ws:\/\/\S+/.exec(err)![0]);
  await inspector.send("Debugger.enable");

  const source = pathToFileURL(join(ROOT, "domains/kv/index.ts")).href;
  const mapOf = (script: Script): TraceMap =>
    new TraceMap(Buffer.from(script.sourceMapURL!.split(",")[1]!, "base64").toString());
  const script = await inspector.event<Script>(
    "Debugger.scriptParsed",
    (s) => s.sourceMapURL?.startsWith("data:application/json") === true && mapOf(s).sources.includes(source),
  );
  expect(script.scriptLanguage).toBe("WebAssembly");
  const map = mapOf(script);
  const text = readFileSync(join(ROOT, "domains/kv/index.ts"), "utf8");
  expect(map.sourcesContent![map.sources.indexOf(source)]).toBe(text);

  const line = text.split("\n").findIndex((l) => l.includes("get(key: string)")) + 2;
  const place = generatedPositionFor(map, { source, line, column: 0, bias: LEAST_UPPER_BOUND });
  expect(place.column).not.toBe(null);
  const location = { scriptId: script.scriptId, lineNumber: 0, columnNumber: place.column };
  await inspector.send("Debugger.setBreakpoint", { location });

  system.stdin!.write("kv get greeting\n");
  const paused = await inspector.event<{ callFrames: { location: { columnNumber: number }; functionName: string }[] }>(
    "Debugger.paused",
  );
  const here = originalPositionFor(map, { line: 1, column: paused.callFrames[0]!.location.columnNumber });
  expect(here).toMatchObject({ source, line });
  // The proxy, and behind it the caller's own functions.
  const names = paused.callFrames.map((frame) => frame.functionName);
  expect(names).toContain("$get");
  expect(names).toContain("$domains/shell/services/kvCommand");
  expect(out).not.toContain("hello from the client");
  await inspector.send("Debugger.resume");
  await expect.poll(() => out, { timeout: 20_000 }).toContain("hello from the client\n");
  expect(out).not.toContain("kv died");
  inspector.close();
  system.stdin!.end("exit\n");
}, 120_000);
