/**
 * NVMe controllers: what they can do beyond reading and writing blocks of 4 KiB, and how they are.
 *
 * Owns the contract between the driver of an NVM Express 1.4 controller and who uses or looks after it; the driver
 * provides `BlockDevice` besides. Invariant: a transfer that was given to the driver comes back once, or is gone with
 * an error; what was acknowledged with `fua`, or before a `flush` that was acknowledged, survives a loss of power.
 */
import type { bool, Bytes, RpcResult, RRef, Str, u16, u32, u64, u8 } from "./prelude.ts";

export declare enum NvmeError {
  /** The controller is not ready, and did not become so in time. */
  NotReady,
  /** The device vanished, or was given up after resets did not help. */
  Gone,
  /** A value that is no valid one, or a length that is not a multiple of the logical block's. */
  Invalid,
  /** The controller has no such command. */
  Unsupported,
  /** Logical blocks beyond the end of the namespace. */
  OutOfRange,
  /** More than the controller transfers with one command. */
  TooLarge,
  /** The device failed. */
  Io,
  /** The medium has lost what was written. */
  Corrupt,
  /** `compare` found other contents. */
  Mismatch,
  /** The device, or its manifest entry, allows no writing. */
  WriteProtected,
  /** The driver has no room for one more request. */
  Exhausted,
}

export declare enum NvmeState {
  /** Looks for the device on the bus. */
  Claiming,
  /** Is being disabled, enabled, or asked what it is. */
  Starting,
  Ready,
  /** Is being reset after a failure. */
  Resetting,
  /** Was shut down; nothing is accepted until `configure`. */
  Stopped,
  /** Vanished or given up; `configure` tries again. */
  Failed,
}

export declare enum NvmeMode {
  /** Nothing runs while the device works: `poll` and `step` look for completions. */
  Polling,
  /** The device's interrupts make the driver look. */
  Interrupts,
}

/** Up to 128 KiB on their way to or from a controller. */
export type NvmeTransfer = {
  /** The contents of the logical blocks. */
  data: Bytes<131072>;
  /** First logical block; how large one is, `namespace` says. */
  lba: u64;
  /** Bytes of `data` to transfer: a multiple of the logical block's. */
  length: u32;
  /** For the client's own use; it comes back as it was. */
  tag: u32;
  /** Force Unit Access: what is written is on the medium when it is acknowledged, what is read comes from there. */
  fua: bool;
};

/** One controller with one namespace. Methods that transfer something suspend their caller until it is done. */
export interface Nvme {
  /** Fills `data` from the medium. */
  read(transfer: RRef<NvmeTransfer>): Promise<RpcResult<RRef<NvmeTransfer>, NvmeError>>;
  /** Writes `data` to the medium, or to the controller's cache. */
  write(transfer: RRef<NvmeTransfer>): Promise<RpcResult<RRef<NvmeTransfer>, NvmeError>>;
  /** Compares `data` with the medium. */
  compare(transfer: RRef<NvmeTransfer>): Promise<RpcResult<RRef<NvmeTransfer>, NvmeError>>;
  /** Returns when all writes acknowledged so far are on the medium. */
  flush(): Promise<RpcResult<void, NvmeError>>;
  /** Makes up to 65,536 logical blocks zeros; `deallocate`: the controller may give their storage up. */
  writeZeroes(lba: u64, blocks: u32, deallocate: bool): Promise<RpcResult<void, NvmeError>>;
  /** Tells the controller that the contents of these logical blocks are not needed any more. */
  deallocate(lba: u64, blocks: u32): Promise<RpcResult<void, NvmeError>>;
  /** The SMART / health log. Temperature in kelvin, spare and use in percent. */
  smart(): Promise<
    RpcResult<
      {
        criticalWarning: u8;
        temperature: u16;
        spare: u8;
        used: u8;
        powerCycles: u32;
        unsafeShutdowns: u32;
        mediaErrors: u32;
        errorEntries: u32;
      },
      NvmeError
    >
  >;
  /**
   * An entry of the error log, newest first; `count` is 0 where there is none. `code` is the Status Field as in a
   * completion, `space` the namespace.
   */
  errorEntry(
    index: u32,
  ): Promise<RpcResult<{ count: u64; queue: u16; command: u16; code: u16; lba: u64; space: u32 }, NvmeError>>;
  /** Who made it. `transfer`: bytes that one command may move. */
  controller(): RpcResult<{ vendor: u16; model: Str<40>; serial: Str<20>; firmware: Str<8>; transfer: u32 }, NvmeError>;
  /** What it holds. `cache`: whether it has a volatile write cache. */
  namespace(): RpcResult<{ blocks: u64; blockBytes: u32; id: u32; cache: bool }, NvmeError>;
  /** `queues`: I/O queue pairs in use. */
  state(): RpcResult<{ state: NvmeState; mode: NvmeMode; queues: u32; inFlight: u32 }, never>;
  /**
   * What happened since this life of the driver began: transfers copied because their objects lie where the device does
   * not reach; commands out of time and commands aborted; resets of the controller and of the function; answers that
   * no honest device gives; events that the device reported; interrupts.
   */
  counters(): RpcResult<
    {
      bounced: u32;
      timeouts: u32;
      aborts: u32;
      resets: u32;
      functionResets: u32;
      lies: u32;
      events: u32;
      interrupts: u32;
    },
    never
  >;
  /**
   * Resets the controller and starts it anew with 1 … 8 queue pairs of `entries` (a power of two, 2 … 1024) each.
   * Requests wait meanwhile. `timeoutMs`: time that a command may take, at least 10. NotReady: the device was given up,
   * and what it still has comes back first.
   */
  configure(queues: u32, entries: u32, mode: NvmeMode, timeoutMs: u32): RpcResult<void, NvmeError>;
  /** Shuts the controller down (CC.SHN), so that it may lose power. Requests fail until `configure`. */
  shutdown(): RpcResult<void, NvmeError>;
}
