/**
 * NVM commands (NVMe 1.4, chapter 6): flush, write, read, compare, write zeroes, dataset management.
 *
 * Invariant: a command is checked whole before it moves a byte; what the medium refuses is a media error of the
 * command, never more.
 */
import type { Controller } from "./controller.ts";
import { MAX_TRANSFER, address } from "./prp.ts";
import type { Command } from "./queues.ts";
import { Io, NSID, NSID_ALL, Status } from "./spec.ts";

/** Word 0: FUSE and PSDT, neither of which may be used. */
const FUSE_OR_PSDT = (3 << 8) | (3 << 14);
/** Word 12, and word 11 of dataset management. */
const FUA = 1 << 30;
const ATTRIBUTE_DEALLOCATE = 1 << 2;
const RANGE_BYTES = 16;
/** Deallocation is a hint: so many bytes of a command's ranges are, the rest is not (6.7: "may"). */
const DEALLOCATED_AT_MOST = 64 << 20;

const bounce = new Uint8Array(MAX_TRANSFER);

export function writes(opcode: number): boolean {
  return opcode !== Io.READ && opcode !== Io.COMPARE;
}

/** Bytes that a command moves between host and medium. */
export function transferBytes(command: Command, lbaShift: number): number {
  const { opcode } = command;
  const moves = opcode === Io.READ || opcode === Io.WRITE || opcode === Io.COMPARE;
  return moves ? ((command.words[12]! & 0xffff) + 1) << lbaShift : 0;
}

/** @returns a status */
export function io(c: Controller, command: Command): number {
  const { words, opcode, nsid } = command;
  if ((words[0]! & FUSE_OR_PSDT) !== 0) return Status.INVALID_FIELD;
  const all = nsid === NSID_ALL && opcode === Io.FLUSH;
  try {
    switch (opcode) {
      case Io.FLUSH:
      case Io.WRITE:
      case Io.READ:
      case Io.COMPARE:
      case Io.WRITE_ZEROES:
      case Io.DATASET_MANAGEMENT:
        return nsid === NSID || all ? carryOut(c, command, opcode) : Status.INVALID_NAMESPACE;
      default:
        return Status.INVALID_OPCODE;
    }
  } catch {
    c.health.mediaErrors++;
    return writes(opcode) ? Status.WRITE_FAULT : Status.UNRECOVERED_READ_ERROR;
  }
}

function carryOut(c: Controller, command: Command, opcode: number): number {
  if (opcode === Io.FLUSH) {
    c.store.flush();
    return Status.SUCCESS;
  }
  if (opcode === Io.DATASET_MANAGEMENT) return manageDataset(c, command);
  const { words } = command;
  const block = address(words[10]!, words[11]!);
  const blocks = (words[12]! & 0xffff) + 1;
  if (block + blocks > c.store.blocks) return Status.LBA_OUT_OF_RANGE;
  const offset = block * c.store.lbaBytes;
  const bytes = blocks * c.store.lbaBytes;
  if (opcode === Io.WRITE_ZEROES) return writeZeroes(c, words, offset, bytes);
  if (bytes > MAX_TRANSFER) return Status.INVALID_FIELD;
  const status = c.walk.fill(c.host.dma, words, bytes);
  if (status !== Status.SUCCESS) return status;
  if (opcode === Io.READ) return read(c, offset, bytes);
  return opcode === Io.WRITE ? write(c, offset, bytes, (words[12]! & FUA) !== 0) : compare(c, offset, bytes);
}

/** Whether each piece of memory holds whole blocks; otherwise the data take a detour. */
function wholeBlocks(c: Controller): boolean {
  return (c.walk.lengths[0]! & (c.store.lbaBytes - 1)) === 0;
}

function read(c: Controller, offset: number, bytes: number): number {
  c.health.reads++;
  c.health.bytesRead += bytes;
  c.moved += bytes;
  const direct = wholeBlocks(c) || c.store.readsParts;
  if (!direct) c.store.read(offset, bounce.subarray(0, bytes));
  const { addresses, lengths, count } = c.walk;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!;
    const view = c.host.dma.view(addresses[i]!, length, true);
    if (view === null) return Status.DATA_TRANSFER_ERROR;
    if (direct) c.store.read(offset + done, view);
    else view.set(bounce.subarray(done, done + length));
    done += length;
  }
  return Status.SUCCESS;
}

function write(c: Controller, offset: number, bytes: number, fua: boolean): number {
  c.health.writes++;
  c.health.bytesWritten += bytes;
  c.moved += bytes;
  const direct = wholeBlocks(c) || c.store.writesParts(fua);
  const { addresses, lengths, count } = c.walk;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths[i]!;
    const view = c.host.dma.view(addresses[i]!, length, false);
    if (view === null) return Status.DATA_TRANSFER_ERROR;
    if (direct) c.store.write(offset + done, view, fua);
    else bounce.set(view, done);
    done += length;
  }
  if (!direct) c.store.write(offset, bounce.subarray(0, bytes), fua);
  c.store.settle(fua);
  return Status.SUCCESS;
}

function compare(c: Controller, offset: number, bytes: number): number {
  c.health.reads++;
  c.moved += bytes;
  c.store.read(offset, bounce.subarray(0, bytes));
  const { addresses, lengths, count } = c.walk;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const view = c.host.dma.view(addresses[i]!, lengths[i]!, false);
    if (view === null) return Status.DATA_TRANSFER_ERROR;
    for (let j = 0; j < view.length; j++) if (view[j] !== bounce[done + j]) return Status.COMPARE_FAILURE;
    done += view.length;
  }
  return Status.SUCCESS;
}

function writeZeroes(c: Controller, words: Int32Array, offset: number, bytes: number): number {
  const fua = (words[12]! & FUA) !== 0;
  c.health.writes++;
  c.moved += bytes;
  c.store.zero(offset, bytes, fua);
  c.store.settle(fua);
  return Status.SUCCESS;
}

/** 6.7: of its attributes only "deallocate" does something. */
function manageDataset(c: Controller, command: Command): number {
  const ranges = (command.words[10]! & 0xff) + 1;
  const status = c.walk.fill(c.host.dma, command.words, ranges * RANGE_BYTES);
  if (status !== Status.SUCCESS) return status;
  const list = gather(c, ranges * RANGE_BYTES);
  if (list === null) return Status.DATA_TRANSFER_ERROR;
  const at = (i: number): { block: number; blocks: number } => ({
    block: address(list.getInt32(i * RANGE_BYTES + 8, true), list.getInt32(i * RANGE_BYTES + 12, true)),
    blocks: list.getUint32(i * RANGE_BYTES + 4, true),
  });
  for (let i = 0; i < ranges; i++) if (at(i).block + at(i).blocks > c.store.blocks) return Status.LBA_OUT_OF_RANGE;
  if ((command.words[11]! & ATTRIBUTE_DEALLOCATE) === 0) return Status.SUCCESS;
  let left = DEALLOCATED_AT_MOST / c.store.lbaBytes;
  for (let i = 0; i < ranges && left > 0; i++) {
    const blocks = Math.min(left, at(i).blocks);
    c.store.zero(at(i).block * c.store.lbaBytes, blocks * c.store.lbaBytes, false);
    left -= blocks;
    c.moved += blocks * c.store.lbaBytes;
  }
  c.store.settle(false);
  return Status.SUCCESS;
}

/** Copies what `walk` names, at most a page. */
function gather(c: Controller, bytes: number): DataView | null {
  const { addresses, lengths, count } = c.walk;
  const all = new Uint8Array(bytes);
  let done = 0;
  for (let i = 0; i < count; i++) {
    const view = c.host.dma.view(addresses[i]!, lengths[i]!, false);
    if (view === null) return null;
    all.set(view, done);
    done += view.length;
  }
  return new DataView(all.buffer);
}
