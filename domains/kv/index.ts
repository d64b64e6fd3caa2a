/**
 * The key-value service: the `KeyValue` interface over the store in `store.ts`.
 *
 * Invariant: an error of the disk is an answer, never the end of this domain; while the store could not be opened,
 * every call tries again.
 */
import { Slice } from "os/slice";
import { BlockDevice } from "idl/block-device";
import {
  KeyValueCountResult,
  KeyValueDeleteResult,
  KeyValueError,
  KeyValueGetResult,
  KeyValueListResult,
  KeyValuePutResult,
  KeyValueServer,
  KeyValueStatisticsResult,
} from "idl/key-value";
import { Disk } from "./disk";
import { Answer } from "./log";
import { Store } from "./store";

const MAX_KEY = 128;
const MAX_VALUE = 2048;

class KeyValueService extends KeyValueServer {
  private store: Store = new Store(new Disk(BlockDevice.use("disk")));
  private isOpen: bool = false;
  private key: Slice = Slice.allocate(MAX_KEY);
  private value: Slice = Slice.allocate(MAX_VALUE);

  get(key: string): KeyValueGetResult {
    const ready = this.begin(key);
    if (ready != Answer.Ok) return KeyValueGetResult.err(errorOf(ready));
    const answer = this.store.get(this.key, this.value);
    return answer == Answer.Ok ? KeyValueGetResult.ok(this.value) : KeyValueGetResult.err(errorOf(answer));
  }

  put(key: string, value: Slice): KeyValuePutResult {
    const ready = this.begin(key);
    if (ready != Answer.Ok) return KeyValuePutResult.err(errorOf(ready));
    const answer = this.store.put(this.key, value);
    return answer == Answer.Ok ? KeyValuePutResult.ok() : KeyValuePutResult.err(errorOf(answer));
  }

  delete(key: string): KeyValueDeleteResult {
    const ready = this.begin(key);
    if (ready != Answer.Ok) return KeyValueDeleteResult.err(errorOf(ready));
    const answer = this.store.delete(this.key);
    return answer == Answer.Ok ? KeyValueDeleteResult.ok() : KeyValueDeleteResult.err(errorOf(answer));
  }

  count(): KeyValueCountResult {
    const ready = this.open();
    return ready == Answer.Ok ? KeyValueCountResult.ok(this.store.count) : KeyValueCountResult.err(errorOf(ready));
  }

  list(position: u32): KeyValueListResult {
    const ready = this.open();
    if (ready != Answer.Ok) return KeyValueListResult.err(errorOf(ready));
    const answer = this.store.keyAt(position, this.key);
    return answer == Answer.Ok ? KeyValueListResult.ok(this.key.toText()) : KeyValueListResult.err(errorOf(answer));
  }

  statistics(): KeyValueStatisticsResult {
    const ready = this.open();
    if (ready != Answer.Ok) return KeyValueStatisticsResult.err(errorOf(ready));
    return KeyValueStatisticsResult.ok(this.store.count, this.store.liveBytes, this.store.usedBytes);
  }

  private open(): Answer {
    if (this.isOpen) return Answer.Ok;
    const answer = this.store.open();
    this.isOpen = answer == Answer.Ok;
    return answer;
  }

  /** Takes the key and opens the store. */
  private begin(key: string): Answer {
    if (key.length == 0 || !this.key.setText(key)) return Answer.BadKey;
    return this.open();
  }
}

function errorOf(answer: Answer): KeyValueError {
  if (answer == Answer.NotFound) return KeyValueError.NotFound;
  if (answer == Answer.BadKey) return KeyValueError.BadKey;
  if (answer == Answer.Full) return KeyValueError.Full;
  if (answer == Answer.Corrupt) return KeyValueError.Corrupt;
  return KeyValueError.Io;
}

KeyValueServer.provide(new KeyValueService());
