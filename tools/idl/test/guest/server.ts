/**
 * A domain that serves `Kinds`, and calls it: what it gets and what it answers show how each kind of value crosses.
 */
import { OwnedArray } from "heap/owned";
import {
  Color, Failure, Kinds, KindsBothResult, KindsBytesResult, KindsColorResult, KindsDeleteResult, KindsLendResult,
  KindsMoveResult, KindsNarrowResult, KindsNothingResult, KindsPeerResult, KindsQueueResult, KindsRealsResult,
  KindsServer, KindsSlotsResult, KindsTextResult, KindsWideResult, Peer, PeerPingResult, PeerServer, Thing,
  ThingArray2, ThingDeque4,
} from "idl/kinds";
import { Slice } from "os/slice";
import { Fault, faultName } from "os/rpc";

class Ping extends PeerServer {
  ping(): PeerPingResult {
    return PeerPingResult.ok();
  }
}

class Server extends KindsServer {
  nothing(): KindsNothingResult {
    return KindsNothingResult.err(Failure.Hard);
  }
  narrow(flag: bool, a: u8, b: i8, c: u16, d: i16): KindsNarrowResult {
    if (!flag) return KindsNarrowResult.err(Failure.Soft);
    return KindsNarrowResult.ok(<i32>a + <i32>b + <i32>c + <i32>d);
  }
  wide(g: u64, h: i64): KindsWideResult {
    return KindsWideResult.ok(h - <i64>g);
  }
  reals(i: f32, j: f64): KindsRealsResult {
    return KindsRealsResult.ok(200, j * 2, i / 2, true);
  }
  color(color: Color): KindsColorResult {
    return KindsColorResult.ok(color == Color.Red ? Color.Blue : Color.Red);
  }
  move(thing: Thing): KindsMoveResult {
    if (thing.e == 13) return KindsMoveResult.err(Failure.Hard);
    thing.e++;
    return KindsMoveResult.ok(thing);
  }
  lend(thing: Thing): KindsLendResult {
    return KindsLendResult.ok(thing.g);
  }
  queue(things: ThingDeque4): KindsQueueResult {
    return KindsQueueResult.ok(things.length, things);
  }
  slots(things: ThingArray2): KindsSlotsResult {
    if (things.has(0)) things.put(things.take(0), 1);
    return KindsSlotsResult.ok(things);
  }
  text(before: u32, line: string, after: u32): KindsTextResult {
    if (line.length == 0) return KindsTextResult.err(Failure.Soft);
    return KindsTextResult.ok(before.toString() + line + after.toString());
  }
  bytes(data: Slice, more: Slice): KindsBytesResult {
    joined.setLength(data.length + more.length);
    for (let i = 0; i < data.length; ++i) joined.set(i, data.get(i));
    for (let i = 0; i < more.length; ++i) joined.set(data.length + i, more.get(i));
    return KindsBytesResult.ok(joined);
  }
  both(line: string, data: Slice): KindsBothResult {
    return KindsBothResult.ok(line, 0x1_0000_0002, data);
  }
  peer(peer: Peer): KindsPeerResult {
    if (!peer.ping().ok) return KindsPeerResult.err(Failure.Soft);
    peer.drop();
    return KindsPeerResult.ok(PeerServer.mint(new Ping()));
  }
  /** Calls itself through the kernel: afterwards its view must be its own again. */
  delete(depth: u32, data: Slice): KindsDeleteResult {
    if (depth > 0) {
      scratch.setLength(1);
      scratch.set(0, <u8>depth);
      kinds.delete(depth - 1, scratch);
    }
    return KindsDeleteResult.ok(data.length == 0 ? 0 : data.get(0));
  }
}

const joined = Slice.allocate(64);
const scratch = Slice.allocate(64);
const kinds = Kinds.use("kinds.é");
KindsServer.provide(new Server());
KindsServer.provide(new Server());

/** Ends the domain unless `ok`: the test's oracle inside the domain. */
function check(ok: bool, what: string): void {
  if (!ok) abort(what);
}

export function callScalars(): void {
  const nothing = kinds.nothing();
  check(!nothing.ok && nothing.isError && nothing.error == Failure.Hard && nothing.fault == Fault.None, "nothing");
  const narrow = kinds.narrow(true, 255, -128, 65535, -32768);
  check(narrow.ok && narrow.value == 255 - 128 + 65535 - 32768, "narrow");
  check(kinds.narrow(false, 0, 0, 0, 0).error == Failure.Soft, "narrow error");
  const wide = kinds.wide(0x8000_0001_0000_0002, -3);
  check(wide.value == -3 - <i64>0x8000_0001_0000_0002, "wide");
  const reals = kinds.reals(1.5, -2.25);
  check(reals.first == 200 && reals.j == -4.5 && reals.i == 0.75 && reals.flag, "reals");
  check(kinds.color(Color.Red).value == Color.Blue, "color");
}

export function callObjects(): void {
  const thing = Thing.create();
  thing.e = 41;
  thing.g = 0x1234_5678_9abc_def0;
  check(kinds.lend(thing).value == 0x1234_5678_9abc_def0, "lend");
  const moved = kinds.move(thing);
  check(moved.ok && moved.fault == Fault.None && moved.value.e == 42, "move");
  const other = moved.value;
  const queue = ThingDeque4.create();
  check(queue.push(other), "push");
  const answer = kinds.queue(queue);
  check(answer.ok && answer.count == 1 && answer.things.length == 1, "queue");
  check(answer.things.peek<u32>(0, Thing.eAt) == 42, "peek");
  const back = answer.things.pop();
  check(back.e == 42 && answer.things.pop().isNull, "pop");
  const slots = ThingArray2.create();
  slots.put(back, 0);
  const shifted = kinds.slots(slots).value;
  check(!shifted.has(0) && shifted.has(1) && shifted.peek<u32>(1, Thing.eAt) == 42, "slots");
  const last = shifted.take(1);
  last.e = 13;
  const refused = kinds.move(last);
  check(refused.isError && refused.error == Failure.Hard, "move error");
}

export function callText(): void {
  const text = kinds.text(1, "grüße", 2);
  check(text.ok && text.value == "1grüße2" && text.valueBytes.length == 9, "text");
  check(kinds.text(1, "", 2).error == Failure.Soft, "text error");
  const long = kinds.text(1, "seventeen letters", 2);
  check(!long.ok && !long.isError && long.fault == Fault.TooLarge && faultName(long.fault) == "too large", "too large");
  const data = Slice.of([1, 2, 3]);
  const more = Slice.of([4, 5]);
  const bytes = kinds.bytes(data, more);
  const copy = bytes.value.toArray();
  check(bytes.ok && copy.length == 5 && copy[0] == 1 && copy[4] == 5, "bytes");
  const both = kinds.both("é", data);
  check(both.line == "é" && both.lineBytes.length == 2 && both.big == 0x1_0000_0002 && both.data.equals(data), "both");
  check(kinds.delete(3, data).value == 1, "nesting");
}

export function callPeers(peer: u32): void {
  const mine = PeerServer.mint(new Ping());
  const theirs = kinds.peer(mine);
  check(theirs.ok && theirs.value.ping().ok, "peer");
}

/** Sets every field of a record and reads it back. */
export function fields(): void {
  const t = Thing.create();
  t.flag = true;
  t.a = 255;
  t.b = -1;
  t.c = 65535;
  t.d = -2;
  t.e = 0xffff_ffff;
  t.f = -3;
  t.g = 0xffff_ffff_ffff_ffff;
  t.h = -4;
  t.i = 0.5;
  t.j = -0.125;
  t.color = Color.Blue;
  for (let i: u32 = 0; i < Thing.tableLength; ++i) t.tableSet(i, -100 - <i16>i);
  t.flagsSet(1, true);
  check(t.flag && t.a == 255 && t.b == -1 && t.c == 65535 && t.d == -2 && t.e == 0xffff_ffff && t.f == -3, "32 bits");
  check(t.g == 0xffff_ffff_ffff_ffff && t.h == -4 && t.i == 0.5 && t.j == -0.125, "64 bits and reals");
  check(t.color == Color.Blue && t.tableGet(3) == -103 && !t.flagsGet(0) && t.flagsGet(1), "enum and arrays");
  const data = Slice.allocate(8);
  check(data.setText("exchange") && !data.setText("exchanged"), "setText");
  t.dataCopyIn(data.ptr, 8, 92);
  t.dataSet(0, 7);
  t.dataFill(9, 3, 1);
  data.fill(0);
  t.dataCopyOut(data.ptr, 8, 92);
  check(data.toText() == "exchange" && t.dataGet(0) == 7 && t.dataGet(3) == 9 && t.dataGet(4) == 0, "bytes");
  t.dataStore<u32>(8, 0x01020304);
  check(t.dataLoad<u16>(8) == 0x0304 && t.dataLoad<f32>(96) != 0, "typed bytes");
  const next = Thing.tryCreate();
  next.copyFrom(t, Thing.eAt, 4, Thing.eAt);
  check(!t.hasNext && t.takeNext().isNull, "empty slot");
  t.putNext(next);
  check(t.hasNext && t.takeNext().e == 0xffff_ffff && !t.hasNext, "slot");
  check(t.resize(200) && t.size == 200, "resize");
  const queue = ThingDeque4.create();
  const batch = new OwnedArray<Thing>(5);
  for (let i = 0; i < 5; ++i) batch.put(Thing.create(), i);
  check(queue.pushN(batch, 5) == 4 && queue.length == ThingDeque4.capacity && batch.has(4) && !batch.has(3), "pushN");
  const taken = new OwnedArray<Thing>(3);
  check(queue.popN(taken, 3) == 3 && queue.length == 1, "popN");
  taken.take(2).free();
  t.putQueue(queue);
  check(t.hasQueue, "queue");
  t.free();
}

export function beyondTable(): void {
  Thing.create().tableSet(4, 1);
}
export function beyondData(): void {
  Thing.create().dataCopyIn(0, 2, 99);
}
export function wrongValue(): void {
  const nothing = kinds.narrow(false, 0, 0, 0, 0);
  check(nothing.value == 0, "unreachable");
}
export function wrongError(): void {
  const reals = kinds.narrow(true, 0, 0, 0, 0);
  check(reals.error == Failure.Soft, "unreachable");
}
export function tooLong(): void {
  KindsTextResult.ok("a text that is longer than thirty-two bytes");
}
export function createThing(): u32 {
  return Thing.create().handle;
}
