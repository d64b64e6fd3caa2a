/**
 * A key-value store.
 *
 * Owns the contract of a store of small values under text keys. Invariant: keys and values travel by copy, so neither
 * side can change them under the other's hands.
 */
import type { RpcResult, Slice, Str, u32, u64 } from "./prelude.ts";

export declare enum KeyValueError {
  /** No value is stored under the key, or no key has this position. */
  NotFound,
  /** The key is empty. */
  BadKey,
  /** No room is left. */
  Full,
  /** The storage below failed. */
  Io,
  /** What the storage holds does not pass its checksum. */
  Corrupt,
}

/** Values of at most 2,048 bytes under keys of at most 128 bytes of UTF-8. */
export interface KeyValue {
  get(key: Str<128>): RpcResult<Slice<2048>, KeyValueError>;
  /** Stores a value, in place of the one that the key had. */
  put(key: Str<128>, value: Slice<2048>): RpcResult<void, KeyValueError>;
  delete(key: Str<128>): RpcResult<void, KeyValueError>;
  /** Number of keys. */
  count(): RpcResult<u32, KeyValueError>;
  /** The key at a position from 0 to `count() - 1`; positions change when keys are put or deleted. */
  list(position: u32): RpcResult<Str<128>, KeyValueError>;
  /** Keys, and bytes of live and of all stored entries. */
  statistics(): RpcResult<{ keys: u32; liveBytes: u64; usedBytes: u64 }, KeyValueError>;
}
