/**
 * The commands that call services: `kv …`, `disk …` and `crash …`.
 *
 * Invariant: every error and every fault of a service becomes a line of text; none ends the shell.
 */
import { Fault, faultName } from "os/rpc";
import { Slice } from "os/slice";
import { BlockDevice, BlockError, BlockRequest } from "idl/block-device";
import { KeyValue, KeyValueError } from "idl/key-value";
import { Shell } from "idl/shell";
import { bytes, columns, printable } from "./format";
import { Line, parseNumber } from "./line";

const MAX_VALUE = 2048;
const MAX_SHOWN_KEYS = 64;
/** Bytes of a block that `disk read` shows. */
const SHOWN_BYTES = 64;

const store = KeyValue.use("store");
const disk = BlockDevice.use("disk");
const crasher = Shell.use("crasher");
const value = Slice.allocate(MAX_VALUE);

/** `NAME: it is dead` and the like; "" when there was no fault. */
function faultLine(name: string, fault: Fault): string {
  return fault == Fault.None ? "" : name + ": the call met a fault: " + faultName(fault) + "\n";
}

function storeError(error: KeyValueError): string {
  if (error == KeyValueError.NotFound) return "kv: not found\n";
  if (error == KeyValueError.BadKey) return "kv: the key is empty or longer than 128 bytes\n";
  if (error == KeyValueError.Full) return "kv: no room is left\n";
  if (error == KeyValueError.Corrupt) return "kv: the disk holds something that fails its checksum\n";
  return "kv: the disk failed\n";
}

export function kvCommand(line: Line): string {
  const verb = line.word();
  if (verb == "ls") return kvList();
  if (verb == "stat") return kvStatistics();
  const key = line.word();
  if (key == "" || (verb != "get" && verb != "put" && verb != "del")) {
    return "usage: kv get KEY | kv put KEY VALUE | kv del KEY | kv ls | kv stat\n";
  }
  if (verb == "get") {
    const answer = store.get(key);
    if (answer.ok) return printable(answer.value.toText()) + "\n";
    return answer.isError ? storeError(answer.error) : faultLine("kv", answer.fault);
  }
  if (verb == "put") {
    if (!value.setText(line.rest())) return "kv: a value has at most 2048 bytes\n";
    const answer = store.put(key, value);
    if (answer.ok) return "ok\n";
    return answer.isError ? storeError(answer.error) : faultLine("kv", answer.fault);
  }
  const answer = store.delete(key);
  if (answer.ok) return "ok\n";
  return answer.isError ? storeError(answer.error) : faultLine("kv", answer.fault);
}

function kvList(): string {
  const count = store.count();
  if (!count.ok) return count.isError ? storeError(count.error) : faultLine("kv", count.fault);
  const keys = count.value;
  let text = "";
  for (let i: u32 = 0; i < min<u32>(keys, MAX_SHOWN_KEYS); i++) {
    const key = store.list(i);
    if (!key.ok) return text + (key.isError ? storeError(key.error) : faultLine("kv", key.fault));
    text += printable(key.value) + "\n";
  }
  return text + keys.toString() + (keys == 1 ? " key\n" : " keys\n");
}

function kvStatistics(): string {
  const answer = store.statistics();
  if (!answer.ok) return answer.isError ? storeError(answer.error) : faultLine("kv", answer.fault);
  return answer.keys.toString() + " keys, " + bytes(answer.liveBytes) + " live, " + bytes(answer.usedBytes) + " used\n";
}

function diskError(error: BlockError): string {
  if (error == BlockError.OutOfRange) return "disk: there is no such block\n";
  return error == BlockError.Corrupt ? "disk: the block is damaged\n" : "disk: the device failed\n";
}

export function diskCommand(line: Line): string {
  const verb = line.word();
  if (verb == "stat") return diskStatistics();
  const block = parseNumber(line.word());
  if (block < 0 || (verb != "read" && verb != "write")) {
    return "usage: disk read BLOCK | disk write BLOCK TEXT | disk stat\n";
  }
  const request = BlockRequest.tryCreate();
  if (request.isNull) return "disk: the shell's quota of objects is used up\n";
  request.block = <u64>block;
  if (verb == "read") {
    const answer = disk.read(request);
    if (answer.refused) request.free();
    if (!answer.ok) return answer.isError ? diskError(answer.error) : faultLine("disk", answer.fault);
    return readBlock(answer.value);
  }
  value.setText(line.rest());
  request.dataCopyIn(value.ptr, value.length);
  const answer = disk.write(request);
  if (answer.refused) request.free();
  if (!answer.ok) return answer.isError ? diskError(answer.error) : faultLine("disk", answer.fault);
  answer.value.free();
  return "ok\n";
}

function readBlock(request: BlockRequest): string {
  value.setLength(SHOWN_BYTES);
  request.dataCopyOut(value.ptr, SHOWN_BYTES);
  request.free();
  let hex = "";
  for (let i = 0; i < SHOWN_BYTES; i++) {
    const byte = value.get(i);
    hex += (byte < 16 ? "0" : "") + (<u32>byte).toString(16) + (i % 16 == 15 ? "\n" : " ");
  }
  return hex + printable(value.toText()) + "\n";
}

function diskStatistics(): string {
  const capacity = disk.capacity();
  if (!capacity.ok) return capacity.isError ? diskError(capacity.error) : faultLine("disk", capacity.fault);
  const blocks = capacity.value;
  const counts = disk.statistics();
  if (!counts.ok) return faultLine("disk", counts.fault);
  return columns([
    ["blocks", blocks.toString() + " of 4 KiB"],
    ["reads", counts.reads.toString()],
    ["writes", counts.writes.toString()],
    ["errors", counts.errors.toString()],
  ]);
}

/** Passes the line on to the crasher. When it does what it is told, no answer comes. */
export function crashCommand(line: Line): string {
  const answer = crasher.execute(line.rest());
  if (answer.ok) return answer.value;
  if (answer.fault == Fault.Crashed) return "crasher crashed; the system goes on (see ps)\n";
  if (answer.fault == Fault.Dead) return "crasher is dead: `restart crasher` begins its next life\n";
  return faultLine("crasher", answer.fault);
}
