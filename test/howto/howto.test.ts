/**
 * Every page of docs/howto, run as a reader would; and the runner itself, which must not let a wrong page pass.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildSystem, loadSystem } from "#tools/build/index.ts";
import { ROOT } from "#tools/lib/paths.ts";
import { Tree } from "../support/tree.ts";
import { applyDiff, blocksOf, Page, pattern } from "./page.ts";

const FOLDER = join(ROOT, "docs", "howto");
const PAGES = readdirSync(FOLDER).filter((file) => file.endsWith(".md") && file !== "README.md");

let tree: Tree;
beforeAll(async () => void (await buildSystem(await loadSystem("default"))));
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => tree.remove());

test.each(PAGES)("%s", { timeout: 300_000 }, (page) => new Page(tree).run(readFileSync(join(FOLDER, page), "utf8")));

test("README.md lists every page", () => {
  const index = readFileSync(join(FOLDER, "README.md"), "utf8");
  for (const page of PAGES) expect(index).toContain(`[${page}](${page})`);
});

describe("a wrong page does not pass", () => {
  const fence = "```";
  const page = (...blocks: [string, string][]): Promise<void> =>
    new Page(tree).run(blocks.map(([info, text]) => `${fence}${info}\n${text}\n${fence}\n`).join("\n"));

  test("commands that fail, with the line of their block", async () => {
    await expect(page(["sh", "true"], ["sh", "echo before\nfalse\necho after"])).rejects.toThrow(
      "line 5: the commands ended with 1:\nbefore\n",
    );
  });

  test("output that differs, is missing, or is more than the page shows", async () => {
    await page(["sh", "echo one; echo two 2"], ["text", "one\ntwo …"]);
    await page(["sh", "seq 9"], ["text", "1\n…\n9"]);
    for (const shown of ["one\ntwo 3", "one", "one\ntwo 2\nthree"])
      await expect(page(["sh", "echo one; echo two 2"], ["text", shown])).rejects.toThrow("the page shows:");
  });

  test("a diff whose lines are not there, or twice", () => {
    expect(applyDiff("a\nb\nc\n", [" a", "-b", "+B"])).toBe("a\nB\nc\n");
    expect(() => applyDiff("a\nb\nc\n", [" b", "-d"])).toThrow("0 times");
    expect(() => applyDiff("a\na\n", ["-a"])).toThrow("2 times");
  });

  test("a program that ends, or answers otherwise", async () => {
    await page(["console", "$ echo hello\nhello"]);
    await expect(page(["console", "$ echo hello\ngood bye"])).rejects.toThrow("line 1: it ended");
    await expect(page(["console", "samara> x"])).rejects.toThrow("line 1: no program was started");
  });

  test("files are written into the copy, and read from it", async () => {
    await page(
      ["txt some/file.txt", "text"],
      ["diff some/file.txt", "-text\n+TEXT"],
      ["sh", "cat some/file.txt"],
      ["text", "TEXT"],
    );
  });

  test("a block without an end", () => {
    expect(() => blocksOf("x\n```sh\ntrue\n")).toThrow("line 2: the block has no end");
    expect(blocksOf("````sh\n```\n````\n")).toMatchObject([{ language: "sh", lines: ["```"], at: 1 }]);
    expect(pattern(["a.…", "…"])).toBe(String.raw`${RegExp.escape("a.")}.*\n(?:.*\n)*?`);
  });
});
