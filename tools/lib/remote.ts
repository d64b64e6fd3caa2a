/**
 * What the commands that talk to a running system share: choosing it, and how answers are printed.
 *
 * Invariant: with `--json` stdout gets JSON and nothing else, one value a line.
 */
import { join } from "node:path";
import { ControlClient } from "#runtime/control/client.ts";
import type { Arguments } from "./command.ts";
import { BUILD } from "./paths.ts";

/** Where running systems listen. */
export const RUN = join(BUILD, "run");

/** Options of every such command. */
export const REMOTE_OPTIONS = { system: { type: "string" }, json: { type: "boolean" } } as const;

/** Connects to the system that `--system` names, or to the one that runs, for as long as `use` takes. */
export async function withSystem(
  { options }: Pick<Arguments, "options">,
  use: (client: ControlClient) => Promise<number>,
): Promise<number> {
  const name = options.system as string | undefined;
  const client = await ControlClient.connect(RUN, name);
  // Nobody reads any more, as in `samara top | head`.
  let unread = false;
  const gone = (): void => {
    unread = true;
    client.close();
  };
  process.stdout.on("error", gone);
  try {
    return await use(client);
  } catch (error) {
    if (unread) return 0;
    throw error;
  } finally {
    client.close();
  }
}

/** Prints an answer as JSON, or as text. */
export function show(value: unknown, { options }: Pick<Arguments, "options">, text: () => string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(value)}\n` : `${text()}\n`);
}
