/**
 * Devices on the PCI bus: the right to drive one, and the bus that hands these rights out.
 *
 * Owns the contract between a driver and the kernel's device layer. Invariants: a device reaches no memory but objects
 * that its driver owned and gave it, and those are nobody else's until the device has completed the command, or was
 * reset; the driver writes no address, it names objects. Who breaks a rule of `submit` or `write32` is ended as by a
 * trap; what an honest driver may meet is an error.
 */
import type { bool, Borrow, Bytes, RpcResult, Str, u16, u32, u8 } from "./prelude.ts";

export declare enum PciError {
  /** The caller is not the device's driver: it has not opened it, or closed it, or it is another life. */
  NotYours,
  /** The device vanished, or could not be silenced. */
  Gone,
  /** This cannot be had: a register, a queue or a write that is not allowed here. */
  Refused,
  /** A number that is out of range, or a queue that is not there. */
  Invalid,
  /** The device's arena, or the driver's quota, has no room. */
  NoMemory,
  /** Somebody else drives the device, or its reset is not over yet: try again. */
  Busy,
}

/** 64 commands of 64 bytes, or 256 completions of 16. It may lie anywhere in the exchange heap. */
export type DmaBatch = {
  bytes: Bytes<4096>;
};

/**
 * One device. Its driver is the domain, in its present life, that opened it.
 *
 * Queues are NVMe's (NVM Express 1.4): a command of a batch is a submission queue entry (4.2) in which double word 6
 * holds a handle instead of an address, or 0, and double word 7 the offset in bytes of the data within that object;
 * double words 2 to 5, 8 and 9 are 0. Its command identifier is the driver's choice, below the queue's number of
 * entries and not that of a command that is under way. The kernel writes PRP entries and lists.
 */
export interface PciDevice {
  /** The caller becomes the driver, until it dies or closes. Memory decoding and bus mastering are on. */
  open(): RpcResult<void, PciError>;
  /** Resets the device and takes everything from it; what it held is freed, the queues are gone. */
  close(): RpcResult<void, PciError>;
  /** What it is; for everybody who has the capability. */
  identity(): RpcResult<
    { vendor: u16; device: u16; classCode: u32; revision: u8; subsystemVendor: u16; subsystem: u16 },
    PciError
  >;
  /** Configuration space; `width` is 1, 2 or 4 bytes, `offset` a multiple of it below 4096. */
  configRead(offset: u32, width: u32): RpcResult<u32, PciError>;
  /** A register. All ones when the device is gone. Refused where a read could do something, as in MSI-X tables. */
  read32(bar: u32, offset: u32): RpcResult<u32, PciError>;
  /** A register that is the driver's: NVMe's CC, INTMS and INTMC. Doorbells and addresses are the kernel's. */
  write32(bar: u32, offset: u32, value: u32): RpcResult<void, PciError>;
  /**
   * Makes the rings of a queue pair in the device's arena, charged to the driver. For 0, the admin queues, also writes
   * AQA, ASQ and ACQ; for others the driver then submits Create I/O Completion Queue and Create I/O Submission Queue.
   * @param id 0 … 64; both queues of a pair have this number
   * @param entries power of two, 2 … 1024 and what CAP.MQES allows; one command less can be under way
   * @param transfer bytes of data of the largest command, at most 2 MiB
   */
  createQueue(id: u32, entries: u32, transfer: u32): RpcResult<void, PciError>;
  /** Gives the rings back. Busy while the device may still use them, or a command has not come back by `complete`. */
  destroyQueue(id: u32): RpcResult<void, PciError>;
  /**
   * Posts the batch's first `count` commands and rings the doorbell once. An object that a command names is the
   * device's from here on.
   * @param count 0 … 64
   * @returns how many were taken, from the front: fewer when the queue is full, or when the next one's object lies in
   *   no arena of the device (`outside`): its data have to be copied. Refused, nothing taken: one of them
   *   writes, and the device may not be written to
   */
  submit(queue: u32, commands: Borrow<DmaBatch>, count: u32): RpcResult<{ taken: u32; outside: bool }, PciError>;
  /**
   * Takes completions, at most 256, and rings the doorbell once; never waits. Each is 16 bytes of the batch: double
   * word 0 of the device's completion; the object's new handle, or 0; command identifier, and queue << 16; status field
   * without phase tag (4.6.1), or 0xffff0000 + reason for a command that ended without the device's answer. Reason 1:
   * reset, or the queue was deleted.
   * @returns how many
   */
  complete(queue: u32, completions: Borrow<DmaBatch>): RpcResult<u32, PciError>;
  /**
   * Enables interrupt vectors 0 … n - 1, or none. An interrupt makes the driver's `step` run again, as
   * `thread.notify` does.
   * @returns how many there are: fewer when the device has fewer
   */
  interrupts(vectors: u32): RpcResult<u32, PciError>;
  /** Vectors that fired since the last call: bit v & 31. */
  pending(): RpcResult<u32, PciError>;
  /**
   * Bus mastering off, function reset. In progress until `state` says otherwise (the driver is notified); then every
   * command that was under way comes back by `complete`, and the device is as after `open`.
   */
  reset(): RpcResult<void, PciError>;
  /**
   * For everybody who has the capability. `faults`: what the device did that it should not have done, such as
   * completing a command that it was not given. `writable`: whether commands that change data are let through; for a
   * device that is no model only after Identify Controller has shown the serial number that the manifest names.
   */
  state(): RpcResult<{ open: bool; resetting: bool; gone: bool; writable: bool; faults: u32 }, PciError>;
}

/** All devices of the system, in the manifest's order. */
export interface PciBus {
  count(): RpcResult<u32, PciError>;
  /** Name in the manifest. */
  name(index: u32): RpcResult<Str<64>, PciError>;
  /** The right to drive it. */
  device(index: u32): RpcResult<PciDevice, PciError>;
}

/** A place on the bus for drivers of one kind. */
export interface PciSlot {
  /**
   * The n-th device of this kind, from 0; the same one for each life of a driver. Invalid when there are not so many.
   */
  claim(index: u32): RpcResult<PciDevice, PciError>;
}
