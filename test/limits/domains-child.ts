/**
 * Fills the table of domains, in a process of its own; run by tables.test.ts.
 */
import { KernelError } from "#kernel/errors.ts";
import { FIRST_DOMAIN, MAX_DOMAINS } from "../../shared-heap/layout.ts";
import { assemble, makeLab, type Names } from "../support/lab.ts";

const module = (n: Names): string =>
  `(module (func (export "${n.serve("Thing.a")}") (param i32) (result i32) (i32.const 0)))`;

const lab = await makeLab({
  idl: "export declare enum Err { Failed }\nexport interface Thing { a(): RpcResult<void, Err>; }\n",
  domains: { first: { wat: module, provides: { thing: "Thing" } } },
});
const { kernel } = lab.system;
const bytes = await assemble("(module)");
const entry = { ...kernel.domain("first").entry, provides: [] };
for (let i = 1; i < MAX_DOMAINS - FIRST_DOMAIN; i++) await kernel.load({ ...entry, name: `d${i}` }, bytes);
await kernel.load({ ...entry, name: "one more" }, bytes).catch((error: unknown) => {
  if (!(error instanceof KernelError)) throw error;
  console.log(`${error.code}: ${error.message}`);
});
console.log(`goes on: ${lab.client<{ a(): { ok: boolean } }>("first.thing").a().ok}`);
lab.system.kill("d7");
console.log(`room again: ${lab.system.restart("d7")}`);
await lab.close();
