/**
 * Many threads in a process of their own; run by stress.test.ts, which reads the line of JSON that it prints.
 *
 *     node stress-child.ts one N          N suspended threads in one domain
 *     node stress-child.ts spread N       the same, over 500 domains
 *     node stress-child.ts kills N        N suspended threads are killed, 500 at a time
 *     node stress-child.ts beyond         as many as the process lets two domains have
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { processBudgets } from "#runtime/node/budgets.ts";
import { Entry, makeWorld, turns, until, type Control, type World } from "./world.ts";

const PER_ROUND = 500;
const INSTANCES = 500;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Maps of the address space, without those of garbage; 0 where the system does not say. */
function maps(): number {
  collect();
  try {
    return readFileSync("/proc/self/maps", "utf8").split("\n").length;
  } catch {
    return 0;
  }
}
const rss = (): number => process.memoryUsage.rss();
const count = (world: World): number => world.lab.system.domains().reduce((sum, d) => sum + d.threads, 0);

/** Spawns until there are `wanted` in all or none can be had; all wait for an event. */
function fill(control: Control, wanted: number): number {
  const event = control.call("eventNew") as number;
  let made = 0;
  while (made < wanted && control.spawn(Entry.wait, event) !== 0) made++;
  control.release();
  return made;
}

/** Suspends `total` threads over so many domains, kills half of the domains and lets the others end. */
async function hold(total: number, domains: number): Promise<object> {
  const names = Array.from({ length: domains }, (_, i) => `d${i}`);
  const world = await makeWorld({
    domains: Object.fromEntries(names.map((n) => [n, null])),
    threads: 16_384,
    limits: { memoryPages: 1 },
  });
  const [mapsBefore, rssBefore] = [maps(), rss()];
  const made = names.reduce((sum, name) => sum + fill(world.control(name), total / domains), 0);
  await until(() => count(world) === made);
  await turns(200);
  const [mapsHeld, rssHeld] = [maps(), rss()];
  const cpu = process.cpuUsage();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { user, system } = process.cpuUsage(cpu);
  const idle = (user + system) / 1000 / (performance.now() - start);
  names.forEach((name, i) => {
    if (i % 2 === 0) world.lab.system.kill(name);
    else {
      const control = world.control(name);
      control.call("eventSet", 1);
      control.release();
    }
  });
  await until(() => count(world) === 0);
  world.lab.audit();
  const left = processBudgets.threads.used;
  await world.lab.close();
  return {
    made,
    mapsEach: (mapsHeld - mapsBefore) / made,
    bytesEach: Math.round((rssHeld - rssBefore) / made),
    idleCpu: idle,
    left,
  };
}

async function kills(total: number): Promise<object> {
  const world = await makeWorld({ domains: { a: null }, threads: PER_ROUND });
  const rounds: number[] = [];
  for (let killed = 0; killed < total; killed += PER_ROUND) {
    if (fill(world.control("a"), PER_ROUND) !== PER_ROUND) throw new Error("a thread is missing");
    await turns(3);
    world.lab.system.restart("a");
    await until(() => world.lab.info("a").state === "running" && count(world) === 0);
    rounds.push(maps());
  }
  world.lab.audit();
  const left = processBudgets.threads.used;
  await world.lab.close();
  return { kills: rounds.length * PER_ROUND, early: rounds[3], late: rounds.at(-1), left };
}

async function beyond(): Promise<object> {
  const world = await makeWorld({ domains: { a: null, b: null, c: null }, threads: 16_384 });
  const made = ["a", "b"].map((name) => fill(world.control(name), Infinity));
  await turns(50);
  const c = world.control("c");
  const refused = { spawn: c.spawn(Entry.note), call: await c.run(Entry.note) };
  const states = world.lab.system.domains().map((d) => d.state);
  world.lab.system.kill("a");
  await until(() => world.lab.info("a").state === "dead");
  const after = await c.run(Entry.note, 5);
  await world.lab.close();
  return { made: made[0]! + made[1]!, limit: processBudgets.threads.limit, refused, states, after };
}

const [what, n] = process.argv.slice(2);
const run = { one: hold, spread: hold, kills, beyond }[what!]!;
console.log(JSON.stringify(await run(Number(n), what === "one" ? 1 : INSTANCES)));
