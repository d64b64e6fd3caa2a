/**
 * A program that crashes on command: one way for each kind of fault that a domain can meet.
 *
 * Invariant: `execute` answers only when it is not told a way that it knows.
 */
import { Borrow } from "heap/modes";
import { BlockDevice, BlockRequest } from "idl/block-device";
import { ShellExecuteResult, ShellServer } from "idl/shell";
import { StateReader, StateWriter } from "os/state";
import { Slice } from "os/slice";

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

/**
 * A second handle to an object, as a hand-over makes it that is read twice: this the build's ownership check does not
 * see, and the ledger does.
 */
function again(request: Borrow<BlockRequest>): BlockRequest {
  const out = new StateWriter();
  out.object(request);
  const input = new StateReader(out.length);
  const from = Slice.allocate(0);
  from.ptr = out.pointer;
  from.length = out.length;
  const into = Slice.allocate(0);
  into.ptr = input.pointer;
  into.capacity = out.length;
  into.assign(from);
  return input.object<BlockRequest>();
}

function stale(): void {
  const request = BlockRequest.create();
  const other = again(request);
  const answer = disk.read(request);
  // The object came back under a new handle; the old one names nothing.
  other.tag = 1;
  other.free();
  if (answer.ok) answer.value.free();
  else if (answer.refused) request.free();
}

function freeTwice(): void {
  const request = BlockRequest.create();
  const other = again(request);
  request.free();
  other.free();
}

function beyond(at: u32, copied: bool): void {
  const request = BlockRequest.create();
  if (copied) request.dataCopyIn(at, 4096);
  else sink = request.dataLoad<u32>(at);
  request.free();
}

class Crasher extends ShellServer {
  execute(line: string): ShellExecuteResult {
    const way = line.trim();
    if (way == "abort") throw new Error("crashed as asked");
    if (way == "trap") sink = 1 / sink;
    if (way == "memory") beyond(0xffff0000, true);
    if (way == "allocate") sink = new StaticArray<u8>(1 << 29).length;
    if (way == "stack") sink = recurse(0);
    if (way == "loop") loop();
    if (way == "stale") stale();
    if (way == "free") freeTwice();
    if (way == "bounds") beyond(8192, false);
    return ShellExecuteResult.ok(WAYS);
  }
}

ShellServer.provide(new Crasher());
