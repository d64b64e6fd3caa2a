/** Lines of the console's input: however they come, no more of one is kept than a command may have. */
import { Readable, Writable } from "node:stream";
import { expect, test } from "vitest";
import { boundLines, Console } from "#runtime/control/console.ts";

async function through(max: number, chunks: Iterable<string | Buffer>): Promise<string> {
  let text = "";
  const source = Readable.from(chunks, { objectMode: false });
  for await (const chunk of source.pipe(boundLines(max))) text += (chunk as Buffer).toString();
  return text;
}

test.each([
  [["a\nb\n"], "a\nb\n"],
  [["a", "b", "\n", "c"], "ab\nc"],
  [["12345\n"], "12345\n"],
  [["123456\nx\n"], "123456\nx\n"],
  [["1234567890\nx\n"], "123456\nx\n"],
  [["1234", "5678", "90\nx\n"], "123456\nx\n"],
  [["\n\n\n"], "\n\n\n"],
  [[""], ""],
])("%j with at most 5 bytes a line", async (chunks, expected) => expect(await through(5, chunks)).toBe(expected));

test("a gigabyte without a newline is a line of 257 bytes", async () => {
  const zeros = Buffer.alloc(1 << 20);
  function* endless() {
    for (let i = 0; i < 1024; i++) yield zeros;
    yield "\nps\n";
  }
  expect(await through(256, endless())).toBe(`${"\0".repeat(257)}\nps\n`);
});

test("the console says that a line is too long before its end comes, and goes on", async () => {
  let out = "";
  const output = new Writable({ write: (chunk: Buffer, _, done) => ((out += chunk.toString()), done()) });
  const executed: string[] = [];
  const shell = { execute: (line: string) => (executed.push(line), { ok: true as const, value: `did ${line}\n` }) };
  const input = new Readable({ read() {} });
  const running = new Console({ input, output, prompt: "> ", program: () => shell }).run();
  input.push("x".repeat(100_000));
  await expect.poll(() => out).toContain("a command line has at most 256 bytes");
  input.push("yyy\nps\n");
  input.push(null);
  await running;
  expect(executed).toEqual(["ps"]);
  expect(out).toContain("did ps");
});

test("on a terminal, what comes out while somebody types goes above that line", async () => {
  let out = "";
  const output = Object.assign(
    new Writable({ write: (chunk: Buffer, _, done) => ((out += chunk.toString()), done()) }),
    {
      isTTY: true,
      columns: 80,
    },
  );
  const input = Object.assign(new Readable({ read() {} }), { isTTY: true, setRawMode: () => input });
  const terminal = new Console({ input, output, prompt: "> ", program: () => null });
  terminal.print("before");
  expect(out).toBe("before\n");
  const running = terminal.run();
  input.push("half a li");
  await expect.poll(() => out).toContain("half a li");
  out = "";
  terminal.print("news");
  // Whatever moves the cursor, the line is erased, then news, then the line again.
  expect(out.endsWith("\u001b[1G\u001b[0Jnews\n> half a li")).toBe(true);
  input.push("\u0003");
  await running;
  out = "";
  terminal.print("after");
  expect(out).toBe("after\n");
});
