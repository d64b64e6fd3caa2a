/**
 * A client of the key-value store: puts, gets, deletes and lists at boot, and says on the console how it went.
 *
 * Invariant: every fault of the store is a line on the console; the client itself goes on.
 */
import { faultName } from "os/rpc";
import { Slice } from "os/slice";
import { Console } from "idl/console";
import { KeyValue } from "idl/key-value";

const KEYS = 16;
const MAX_VALUE = 2048;

const store = KeyValue.use("store");
const console_ = Console.use("console");
const value = Slice.allocate(MAX_VALUE);

/** Stores values of growing length, reads each back and deletes all but one. Returns what went wrong, or "". */
function exercise(): string {
  for (let i = 0; i < KEYS; i++) {
    value.setLength(i * (MAX_VALUE / KEYS));
    value.fill(<u8>i);
    const put = store.put("client/" + i.toString(), value);
    if (!put.ok) return put.isError ? "put: error " + (<i32>put.error).toString() : "put: " + faultName(put.fault);
  }
  for (let i = 0; i < KEYS; i++) {
    const got = store.get("client/" + i.toString());
    if (!got.ok) return got.isError ? "get: error " + (<i32>got.error).toString() : "get: " + faultName(got.fault);
    const bytes = got.value;
    if (bytes.length != i * (MAX_VALUE / KEYS)) return "get: wrong length";
    for (let k = 0; k < bytes.length; k++) if (bytes.get(k) != <u8>i) return "get: wrong bytes";
  }
  for (let i = 1; i < KEYS; i++) {
    if (!store.delete("client/" + i.toString()).ok) return "delete failed";
  }
  value.setText("hello from the client");
  return store.put("greeting", value).ok ? "" : "put failed";
}

export function main(): void {
  const problem = exercise();
  const count = store.count();
  if (problem == "" && count.ok) console_.write("client: the store works: " + count.value.toString() + " keys");
  else console_.write("client: the store does not work: " + problem);
}
