/**
 * A driver that lies: it answers one request wrongly, without crashing.
 *
 * Invariant: it tells one lie for each that it was told to tell, and is otherwise an honest driver.
 */
import { OwnedArray } from "heap/owned";
import {
  BlockDeviceCapacityResult,
  BlockDeviceFlushResult,
  BlockDevicePatienceResult,
  BlockDevicePollResult,
  BlockDeviceReadResult,
  BlockDeviceServer,
  BlockDeviceStatisticsResult,
  BlockDeviceSubmitResult,
  BlockDeviceWriteResult,
  BlockError,
  BlockOperation,
  BlockRequest,
  BlockRequestDeque32,
  BlockStatus,
} from "idl/block-device";
import { BlockMedium } from "idl/block-medium";
import { FaultInjectionArmResult, FaultInjectionServer } from "idl/fault-injection";

const DEPTH: u32 = 128;
/** Short: a lie about it would only make the shadow wait. */
const PATIENCE_MS: u32 = 20;
const BYTES = BlockRequest.dataLength;

/** In the order of `LIES` in tools/campaign/faults.ts. */
enum Lie {
  None,
  WrongData,
  StaleData,
  MisplacedRead,
  LostWrite,
  MisplacedWrite,
  TornWrite,
  SpoiltRequest,
  FalseError,
  StrangeStatus,
  StrangeTag,
  OtherBlock,
  Hang,
  FalseCapacity,
}

/**
 * What a new life is told at its start: lie × 256 + which request; this number: nothing. The campaign writes another one
 * into the built module (see tools/campaign/faults.ts), and has a driver that lies in each life.
 */
const NOTHING: u32 = 0x5eed1e00;
let orders: u32 = NOTHING;

class LyingDisk extends BlockDeviceServer {
  private medium: BlockMedium = BlockMedium.use("medium");
  private count: u64 = 0;
  private queue: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(DEPTH);
  /** What is never done, and stays this domain's until its end. */
  private hanging: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(DEPTH);
  private hung: i32 = 0;
  private submitted: u32 = 0;
  private polled: u32 = 0;
  private lie: Lie = Lie.None;
  private left: u32 = 0;

  open(): void {
    if (orders != NOTHING) this.obey();
    const answer = this.medium.capacity();
    if (!answer.ok) abort("the medium does not answer");
    this.count = answer.value;
  }

  read(request: BlockRequest): BlockDeviceReadResult {
    request = this.execute(request, BlockOperation.Read);
    const status = request.status;
    if (status == BlockStatus.Ok) return BlockDeviceReadResult.ok(request);
    request.free();
    return BlockDeviceReadResult.err(<BlockError>(<i32>status - 1));
  }

  write(request: BlockRequest): BlockDeviceWriteResult {
    request = this.execute(request, BlockOperation.Write);
    const status = request.status;
    if (status == BlockStatus.Ok) return BlockDeviceWriteResult.ok(request);
    request.free();
    return BlockDeviceWriteResult.err(<BlockError>(<i32>status - 1));
  }

  submit(requests: BlockRequestDeque32): BlockDeviceSubmitResult {
    while (requests.length > 0 && this.submitted - this.polled < DEPTH)
      this.queue.put(requests.pop(), this.submitted++ & (DEPTH - 1));
    return BlockDeviceSubmitResult.ok(requests);
  }

  poll(done: BlockRequestDeque32): BlockDevicePollResult {
    for (let room = BlockRequestDeque32.capacity - done.length; room > 0 && this.polled != this.submitted; room--) {
      let request = this.queue.take(this.polled++ & (DEPTH - 1));
      if (this.lies(Lie.Hang)) {
        this.hanging.put(request, this.hung++ & (DEPTH - 1));
        continue;
      }
      request = this.execute(request, request.operation);
      if (this.lies(Lie.StrangeStatus)) request.status = <BlockStatus>77;
      if (this.lies(Lie.StrangeTag)) request.tag ^= 1;
      done.append(request);
    }
    return BlockDevicePollResult.ok(done);
  }

  flush(): BlockDeviceFlushResult {
    return BlockDeviceFlushResult.ok();
  }

  capacity(): BlockDeviceCapacityResult {
    return BlockDeviceCapacityResult.ok(this.lies(Lie.FalseCapacity) ? this.count / 2 : this.count);
  }

  patience(): BlockDevicePatienceResult {
    return BlockDevicePatienceResult.ok(PATIENCE_MS);
  }

  statistics(): BlockDeviceStatisticsResult {
    return BlockDeviceStatisticsResult.ok(0, 0, 0);
  }

  /** Makes `orders` those of now. */
  obey(): void {
    this.lie = <Lie>(orders >> 8);
    this.left = orders & 255;
  }

  /** Whether this is the request about which to lie in this way. */
  private lies(lie: Lie): bool {
    if (this.lie != lie || this.left == 0) return false;
    return --this.left == 0;
  }

  private execute(request: BlockRequest, operation: BlockOperation): BlockRequest {
    request.status = BlockStatus.Ok;
    if (request.block >= this.count) request.status = BlockStatus.OutOfRange;
    else if (this.lies(Lie.FalseError)) request.status = BlockStatus.Io;
    else if (operation == BlockOperation.Read) request = this.load(request);
    else if (operation == BlockOperation.Write) this.store(request);
    else request.status = BlockStatus.Unsupported;
    if (this.lies(Lie.OtherBlock)) request.block ^= 1;
    return request;
  }

  private load(request: BlockRequest): BlockRequest {
    // What the client's buffer held goes back as it was.
    if (this.lies(Lie.StaleData)) return request;
    const block = this.lies(Lie.MisplacedRead) ? request.block ^ 1 : request.block;
    const answer = this.medium.read(block, 0, BYTES, request);
    if (!answer.ok) abort("the medium failed");
    request = answer.value;
    if (this.lies(Lie.WrongData)) request.dataStore<u64>(2048, ~request.dataLoad<u64>(2048));
    return request;
  }

  private store(request: BlockRequest): void {
    if (this.lies(Lie.LostWrite)) return;
    const block = this.lies(Lie.MisplacedWrite) ? request.block ^ 1 : request.block;
    const length = this.lies(Lie.TornWrite) ? BYTES / 2 : BYTES;
    if (!this.medium.write(block, 0, length, request).ok) request.status = BlockStatus.Io;
    if (this.lies(Lie.SpoiltRequest)) request.dataFill(0, 64, 512);
  }
}

class Orders extends FaultInjectionServer {
  constructor(private disk: LyingDisk) {
    super();
  }

  /** `after` is lie × 256 + which request. */
  arm(after: u32): FaultInjectionArmResult {
    orders = after;
    this.disk.obey();
    return FaultInjectionArmResult.ok();
  }
}

const disk = new LyingDisk();
disk.open();
BlockDeviceServer.provide(disk);
FaultInjectionServer.provide(new Orders(disk));
