/**
 * The client of the fault campaign: knows what every block must hold, and tells errors from wrong contents.
 *
 * After a write that failed each word of the block may be of the former or of the new version; when that happened
 * twice, or a request never came back, anything is right until the next write. Invariants: at most one request is in
 * flight for a block; every word of what was read is looked at.
 */
import { BlockDevice, BlockOperation, BlockRequest, BlockRequestDeque32, BlockStatus } from "idl/block-device";
import {
  BlockCheckFinishResult,
  BlockCheckRepairResult,
  BlockCheckServer,
  BlockCheckStartResult,
  BlockCheckVerifyResult,
  CheckError,
} from "idl/block-check";
import { Fault } from "os/rpc";

const BLOCKS: u32 = 64;
const BYTES = BlockRequest.dataLength;
const MAX_ERRORS: u32 = 8;
/** Marks of a block. */
const CERTAIN: u8 = 0;
/** Each word may be of `versions` or of `news`. */
const EITHER: u8 = 1;
const UNKNOWN: u8 = 2;
/** A request is in flight; no other one may be made. */
const NOTHING: u8 = 0;
const READS: u8 = 1;
const WRITES: u8 = 2;

class Check extends BlockCheckServer {
  private disk: BlockDevice = BlockDevice.use("disk");
  private versions: StaticArray<u32> = new StaticArray<u32>(BLOCKS);
  private news: StaticArray<u32> = new StaticArray<u32>(BLOCKS);
  private doubts: StaticArray<u8> = new StaticArray<u8>(BLOCKS);
  private flights: StaticArray<u8> = new StaticArray<u8>(BLOCKS);
  private inFlight: u32 = 0;
  /** High bits of the tags in flight, so that answers of another time do not fit. */
  private era: u32 = 0;
  private version: u32 = 0;
  private state: u32 = 1;
  private errors: u32 = 0;
  private wrong: u32 = 0;

  repair(seed: u32): BlockCheckRepairResult {
    this.state = seed | 1;
    this.begin();
    for (let block: u32 = 0; block < BLOCKS; block++) this.write(block);
    this.readAll();
    if (this.wrong > 0) return BlockCheckRepairResult.err(CheckError.Wrong);
    return this.errors > 0 ? BlockCheckRepairResult.err(CheckError.Failed) : BlockCheckRepairResult.ok(BLOCKS);
  }

  start(count: u32): BlockCheckStartResult {
    this.begin();
    const deque = BlockRequestDeque32.create();
    for (let i: u32 = 0; i < count && i < <u32>BlockRequestDeque32.capacity; i++) {
      const block = this.next() % BLOCKS;
      if (this.flights[block] == NOTHING) deque.append(this.request(block));
    }
    const answer = this.disk.submit(deque);
    if (answer.fault != Fault.None) {
      this.errors++;
      if (answer.fault != Fault.Crashed) deque.free();
    } else answer.value.free();
    return BlockCheckStartResult.ok(this.errors, this.wrong);
  }

  finish(count: u32, patience: u32): BlockCheckFinishResult {
    this.errors = this.wrong = 0;
    for (let polls: u32 = 0; this.inFlight > 0 && polls < patience && this.errors < MAX_ERRORS; polls++) this.poll();
    const lost = this.inFlight;
    if (lost > 0) this.errors++;
    this.checkCapacity();
    for (let i: u32 = 0; i < count && this.errors < MAX_ERRORS; i++) {
      const block = this.next() % BLOCKS;
      if (this.flights[block] != NOTHING) continue;
      if ((this.next() & 1) == 0) this.read(block);
      else this.write(block);
    }
    this.readAll();
    return BlockCheckFinishResult.ok(this.errors, this.wrong, lost);
  }

  verify(): BlockCheckVerifyResult {
    this.begin();
    this.readAll();
    this.checkCapacity();
    return BlockCheckVerifyResult.ok(this.errors, this.wrong);
  }

  // ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whatever is in flight still is given up. */
  private begin(): void {
    this.errors = this.wrong = this.inFlight = 0;
    this.era += BLOCKS;
    for (let block: u32 = 0; block < BLOCKS; block++) {
      if (this.flights[block] == WRITES) this.doubts[block] = UNKNOWN;
      this.flights[block] = NOTHING;
    }
  }

  /** A random request for the block, for `submit`. */
  private request(block: u32): BlockRequest {
    const request = BlockRequest.create();
    const writes = (this.next() & 1) != 0;
    request.block = <u64>block;
    request.tag = this.era + block;
    request.operation = writes ? BlockOperation.Write : BlockOperation.Read;
    if (writes) this.fill(request, block);
    this.flights[block] = writes ? WRITES : READS;
    this.inFlight++;
    return request;
  }

  private poll(): void {
    const deque = BlockRequestDeque32.create();
    const answer = this.disk.poll(deque);
    if (answer.fault != Fault.None) {
      this.errors++;
      if (answer.fault != Fault.Crashed) deque.free();
      return;
    }
    const done = answer.value;
    for (let request = done.pop(); !request.isNull; request = done.pop()) this.complete(request);
    done.free();
  }

  private complete(request: BlockRequest): void {
    const block = request.tag - this.era;
    if (block >= BLOCKS || this.flights[block] == NOTHING) {
      // An answer to nothing that was asked.
      this.errors++;
      request.free();
      return;
    }
    const writes = this.flights[block] == WRITES;
    this.flights[block] = NOTHING;
    this.inFlight--;
    this.settle(request, block, writes, request.status == BlockStatus.Ok);
    request.free();
  }

  private read(block: u32): void {
    const request = BlockRequest.create();
    request.block = <u64>block;
    const answer = this.disk.read(request);
    if (answer.ok) {
      this.settle(answer.value, block, false, true);
      answer.value.free();
    } else {
      this.errors++;
      if (answer.fault != Fault.None && answer.fault != Fault.Crashed) request.free();
    }
  }

  private write(block: u32): void {
    const request = BlockRequest.create();
    request.block = <u64>block;
    this.fill(request, block);
    const answer = this.disk.write(request);
    if (answer.ok) {
      this.settle(answer.value, block, true, true);
      answer.value.free();
    } else {
      this.errors++;
      this.doubt(block);
      if (answer.fault != Fault.None && answer.fault != Fault.Crashed) request.free();
    }
  }

  private readAll(): void {
    for (let block: u32 = 0; block < BLOCKS && this.errors < MAX_ERRORS; block++)
      if (this.flights[block] == NOTHING) this.read(block);
  }

  private checkCapacity(): void {
    const answer = this.disk.capacity();
    if (!answer.ok) this.errors++;
    else if (answer.value != <u64>BLOCKS) this.wrong++;
  }

  // ── contents ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An answer: a request that says it is done. */
  private settle(request: BlockRequest, block: u32, writes: bool, ok: bool): void {
    if (!ok) {
      this.errors++;
      if (writes) this.doubt(block);
      return;
    }
    if (writes) {
      this.versions[block] = this.news[block];
      this.doubts[block] = CERTAIN;
    }
    if (<u32>request.block != block || !this.isRight(request, block)) this.wrong++;
  }

  private doubt(block: u32): void {
    this.doubts[block] = this.doubts[block] == CERTAIN ? EITHER : UNKNOWN;
  }

  private isRight(request: BlockRequest, block: u32): bool {
    const doubt = this.doubts[block];
    if (doubt == UNKNOWN) return true;
    const version = this.versions[block];
    const other = doubt == EITHER ? this.news[block] : version;
    for (let at: u32 = 0; at < BYTES; at += 8) {
      const found = request.dataLoad<u64>(at);
      if (found != word(block, version, at) && found != word(block, other, at)) return false;
    }
    return true;
  }

  /** The contents of the block's next version. */
  private fill(request: BlockRequest, block: u32): void {
    const version = ++this.version;
    // What an earlier write may have left is not known any more once there is another one.
    if (this.doubts[block] == EITHER) this.doubts[block] = UNKNOWN;
    this.news[block] = version;
    for (let at: u32 = 0; at < BYTES; at += 8) request.dataStore<u64>(at, word(block, version, at));
  }

  /** xorshift32. */
  @inline private next(): u32 {
    let x = this.state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    this.state = x;
    return x >> 3;
  }
}

/** What stands at byte `at` of a block: no two places have the same. */
function word(block: u32, version: u32, at: u32): u64 {
  return (((<u64>version) << 32) | ((block + 1) << 16) | at) * 0x9e3779b97f4a7c15;
}

BlockCheckServer.provide(new Check());
