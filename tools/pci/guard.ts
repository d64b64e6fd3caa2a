/**
 * A small process beside `run` that gives devices back when that has ended, in whatever way: `exit`, Ctrl-C, an abort
 * of the engine, kill -9.
 *
 * Invariants: it begins before the first device is taken, and the pipe that it reads ends with its parent and not
 * before; nothing is ever written to that pipe. When it is killed too, `unbind --all` does its work.
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bind, restoreAll, type Restored } from "./bind.ts";
import { Machine } from "./machine.ts";

/** An aborted process takes a while to let go of its devices. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 100;

/** What gives the devices back. */
export interface Keeper {
  /** Addresses that were taken; the others of those wanted were vfio-pci's already. */
  readonly taken: readonly string[];
  /** Gives them back and waits for that. The devices must be closed. */
  release(): Promise<void>;
}

/**
 * Takes devices from the host for as long as this process runs.
 * @throws PciError when one is refused; none is taken then
 */
export async function keep(
  machine: Machine,
  addresses: readonly string[],
  print: (line: string) => void,
): Promise<Keeper> {
  const flags = process.execArgv.filter((flag) => !flag.startsWith("--inspect"));
  // Apart from the terminal's group, so that Ctrl-C does not reach it.
  const guard = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), String(process.pid), machine.root], {
    stdio: ["pipe", "inherit", "inherit"],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => guard.on("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    guard.once("spawn", resolve);
    guard.once("error", reject);
  });
  // Neither it nor its pipe keeps this process from ending.
  guard.unref();
  (guard.stdin as Socket).unref();
  const release = (): Promise<void> => {
    guard.ref();
    guard.stdin.end();
    return ended;
  };
  try {
    return { taken: bind(machine, addresses, { pid: process.pid, print }), release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Gives back what process `pid` kept. @returns what could not be, after patience */
export async function giveBack(machine: Machine, pid: number, patienceMs = PATIENCE_MS): Promise<Restored[]> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const failed = restoreAll(machine, { print: () => {} }, pid).filter((result) => result.error !== null);
    if (failed.length === 0 || performance.now() > end) return failed;
    await sleep(RETRY_MS);
  }
}

async function main([pid, root]: readonly string[]): Promise<void> {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("close", resolve));
  const failed = await giveBack(new Machine(root), Number(pid));
  for (const { error } of failed) process.stderr.write(`samara: ${error}\n`);
  if (failed.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
