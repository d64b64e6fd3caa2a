/**
 * The thread of the warm compiler; compiler.ts talks to it. One job at a time, in the order of the messages.
 */
import { parentPort } from "node:worker_threads";
import { compileAssemblyScript } from "../build/assemblyscript.ts";
import { buildDomain, buildInterfaces, findDomains } from "../build/index.ts";
import type { Answer, Job } from "./compiler.ts";

async function build({ domain, warns }: Job): Promise<Answer> {
  const started = performance.now();
  let warnings = "";
  try {
    const model = await buildInterfaces();
    const dir = findDomains().get(domain);
    if (dir === undefined) return { ok: false, name: "BuildError", message: `domains/${domain} is gone` };
    const result = await buildDomain(dir, model, undefined, "quick", warns ? (text) => (warnings = text) : undefined);
    return { ok: true, build: result, model, ms: performance.now() - started, warnings };
  } catch (error) {
    const { name, message, stack } = error as Error;
    return { ok: false, name, message: name === "Error" ? (stack ?? message) : message };
  }
}

/** The first compilation loads the compiler and runs its code cold: the template pays for it, and is not kept. */
async function warmUp(): Promise<void> {
  await compileAssemblyScript("domains/_template", { description: "", provides: { program: "Shell" } }, "quick");
}

let last: Promise<unknown> = warmUp().catch(() => undefined);
parentPort!.on("message", (job: Job) => {
  last = last.then(async () => parentPort!.postMessage({ id: job.id, answer: await build(job) }, []));
});
