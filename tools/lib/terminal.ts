/**
 * Colours and columns for people.
 *
 * Invariant: no escape code reaches an output that is no terminal, or one whose user set NO_COLOR.
 */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Wraps text in a colour when `stream` shows colours. */
export function paint(colour: keyof typeof CODES, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  const plain = !stream.isTTY || (process.env.NO_COLOR ?? "") !== "" || process.env.TERM === "dumb";
  return plain ? text : `\u001b[${CODES[colour]}m${text}\u001b[0m`;
}

/** Two or more columns, each as wide as its widest cell; the last is not padded. */
export function columns(rows: readonly (readonly string[])[], gap = 2): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]! + gap))).join(""))
    .join("\n");
}

/**
 * Calls `step` again and again, `periodMs` after each has ended, until Ctrl-C or until one throws.
 * @param enough ends it too
 */
export async function untilInterrupt(
  periodMs: number,
  step: () => Promise<void>,
  enough?: Promise<void>,
): Promise<void> {
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<true>();
  void enough?.then(() => interrupt(true));
  const onSignal = (): void => interrupt(true);
  process.once("SIGINT", onSignal);
  try {
    for (let over = false; !over;) {
      await step();
      let timer: NodeJS.Timeout | undefined;
      const wait = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), periodMs)));
      over = await Promise.race([interrupted, wait]);
      clearTimeout(timer);
    }
  } finally {
    process.off("SIGINT", onSignal);
  }
}
