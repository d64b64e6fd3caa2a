/**
 * A program that crashes on command: one way for each kind of fault that a domain can meet.
 *
 * Invariant: `execute` answers only when it is not told a way that it knows.
 */
import { BlockDevice, BlockRequest } from "idl/block-device";
import { ShellExecuteResult, ShellServer } from "idl/shell";

const WAYS = `crash abort      an error that nobody catches
crash trap       a division by zero
crash memory     an access outside of the private memory
crash allocate   more memory than the manifest grants
crash stack      recursion without an end
crash loop       a loop without an end
crash stale      the use of an object that was given away
crash free       an object that is freed twice
crash bounds     an access beyond the end of an object
`;

const disk = BlockDevice.use("disk");
/** Keeps the compiler from knowing what it will be. */
let sink: i32 = 0;

function recurse(n: i32): i32 {
  sink = n;
  return recurse(n + 1) + sink;
}

function loop(): void {
  let n = 0;
  while (sink == 0 || n != sink) n += 2;
}

function stale(): void {
  const request = BlockRequest.create();
  const answer = disk.read(request);
  sink = answer.ok ? 1 : 0;
  // The object came back under a new handle; the old one names nothing.
  request.tag = 1;
}

class Crasher extends ShellServer {
  execute(line: string): ShellExecuteResult {
    const way = line.trim();
    if (way == "abort") throw new Error("crashed as asked");
    if (way == "trap") sink = 1 / sink;
    if (way == "memory") BlockRequest.create().dataCopyIn(0xffff0000, 4096);
    if (way == "allocate") sink = new StaticArray<u8>(1 << 29).length;
    if (way == "stack") sink = recurse(0);
    if (way == "loop") loop();
    if (way == "stale") stale();
    if (way == "free") {
      const request = BlockRequest.create();
      request.free();
      request.free();
    }
    if (way == "bounds") sink = BlockRequest.create().dataLoad<u32>(8192);
    return ShellExecuteResult.ok(WAYS);
  }
}

ShellServer.provide(new Crasher());
