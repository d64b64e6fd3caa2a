/**
 * Uses everything of `os/thread`.
 *
 * Invariant: `log` holds one line for each thing that a thread has seen, in the order in which it happened.
 */
import { faultName } from "os/rpc";
import { Condition, Event, now, Priority, sleep, spawn, Thread, wakeStep, yieldNow } from "os/thread";
import { ShellExecuteResult, ShellServer } from "idl/shell";

export { samara_thread } from "os/thread";

let log = "";
function note(line: string): void {
  log += line + "\n";
}

// ── a bounded buffer ─────────────────────────────────────────────────────────────────────────────────────────────────

const ROOM = 3;
const ITEMS = 10;
const PRODUCERS = 3;
const buffer = new StaticArray<i32>(ROOM);
let first = 0;
let length = 0;
let longest = 0;
const notFull = Condition.create();
const notEmpty = Condition.create();

function produce(number: i32): i32 {
  for (let i = 0; i < ITEMS; i++) {
    while (length == ROOM) notFull.wait();
    buffer[(first + length) % ROOM] = number * 100 + i;
    length++;
    if (length > longest) longest = length;
    notEmpty.notifyOne();
    if (i % 3 == 0) yieldNow();
  }
  return number;
}

function consume(count: i32): i32 {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    while (length == 0) notEmpty.wait();
    sum += buffer[first];
    first = (first + 1) % ROOM;
    length--;
    notFull.notifyAll();
  }
  return sum;
}

function runBuffer(_: i32): i32 {
  const consumer = spawn(consume, ITEMS * PRODUCERS, Priority.High);
  const producers = new StaticArray<Thread>(PRODUCERS);
  for (let i = 0; i < PRODUCERS; i++) producers[i] = spawn(produce, i + 1, i == 1 ? Priority.Low : Priority.Normal);
  let codes = 0;
  for (let i = 0; i < PRODUCERS; i++) {
    producers[i].join();
    codes += producers[i].exitCode;
  }
  consumer.join();
  note(`sum ${consumer.exitCode} codes ${codes} longest ${longest}`);
  return 0;
}

// ── one of each wait ─────────────────────────────────────────────────────────────────────────────────────────────────

const gate = Event.create();

function waiter(number: i32): i32 {
  note(`waiter ${number} ${faultName(gate.wait())}`);
  return number;
}

function sleeper(_: i32): i32 {
  note("sleeper " + faultName(sleep(1e9)));
  return 0;
}

function selfJoiner(_: i32): i32 {
  note("self " + faultName(Thread.current.join()));
  return 0;
}

function runWaits(_: i32): i32 {
  const one = spawn(waiter, 1);
  const two = spawn(waiter, 2);
  const asleep = spawn(sleeper);
  const selfish = spawn(selfJoiner);
  note("time-out " + faultName(gate.wait(1)));
  const begin = now();
  note("slept " + faultName(sleep(2)) + (now() - begin >= 1.5 ? " long" : " short"));
  note("join " + faultName(one.join(0)));
  asleep.cancel();
  asleep.setPriority(Priority.Urgent);
  gate.set();
  one.join();
  two.join();
  asleep.join();
  selfish.join();
  gate.clear();
  note("cleared " + faultName(gate.wait(0)));
  note("again " + faultName(asleep.join()));
  gate.free();
  return 0;
}

function tooMany(_: i32): i32 {
  let count = 0;
  while (!spawn(sleeper).isNull) count++;
  note(`spawned ${count}`);
  return 0;
}

// ── polling ──────────────────────────────────────────────────────────────────────────────────────────────────────────

let budget = 0;
let steps = 0;

/** Works off what it was told to do, and sleeps until there is more. */
export function step(): i32 {
  if (budget == 0) return -1;
  steps++;
  budget--;
  return 1;
}

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    if (line == "buffer") spawn(runBuffer);
    else if (line == "waits") spawn(runWaits);
    else if (line == "many") spawn(tooMany);
    else if (line == "plain") note("plain " + faultName(sleep(1)) + (Thread.current.isNull ? " none" : " some"));
    else if (line == "step") {
      budget += 100;
      wakeStep();
    } else if (line == "steps") return ShellExecuteResult.ok(steps.toString());
    return ShellExecuteResult.ok(log);
  }
}

ShellServer.provide(new Program());
