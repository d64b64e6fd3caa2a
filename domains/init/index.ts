/**
 * The first domain to run: says on the console what the system consists of.
 *
 * Invariant: it only looks; the kernel starts the other domains, in the manifest's order, after this one.
 */
import { Console } from "idl/console";
import { System } from "idl/system";

const system = System.use("system");
const console_ = Console.use("console");

export function main(): void {
  const count = system.count();
  if (!count.ok) return;
  const domains = count.value;
  let names = "";
  for (let i: u32 = 0; i < domains; i++) {
    const name = system.name(i);
    if (name.ok) names += (names == "" ? "" : ", ") + name.value;
  }
  console_.write("init: " + domains.toString() + " domains: " + names);
}
