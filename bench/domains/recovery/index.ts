/**
 * The client of the recovery benchmark: random blocks, one at a time or with requests in flight.
 *
 * Invariant: requests that a device takes with it are made anew, so the loops end also when it fails.
 */
import {
  BlockDevice,
  BlockOperation,
  BlockRequest,
  BlockRequestDeque32,
  BlockStatus,
} from "idl/block-device";
import { WorkloadError, WorkloadInFlightResult, WorkloadPlainResult, WorkloadServer } from "idl/workload";

class RandomBlocks extends WorkloadServer {
  private disk: BlockDevice = BlockDevice.use("disk");
  private blocks: u64 = 0;
  private state: u64 = 0x2545f4914f6cdd1d;

  /** A block number (xorshift64*). The device is asked for its size once. */
  private next(): u64 {
    this.state ^= this.state >> 12;
    this.state ^= this.state << 25;
    this.state ^= this.state >> 27;
    return (((this.state * 0x2545f4914f6cdd1d) >> 32) * this.blocks) >> 32;
  }

  private aim(request: BlockRequest, operation: BlockOperation): BlockRequest {
    request.block = this.next();
    request.operation = operation;
    return request;
  }

  private ready(): bool {
    if (this.blocks == 0) {
      const capacity = this.disk.capacity();
      if (capacity.ok) this.blocks = capacity.value;
    }
    return this.blocks != 0;
  }

  plain(operation: BlockOperation, count: u32): WorkloadPlainResult {
    if (!this.ready()) return WorkloadPlainResult.err(WorkloadError.NoDevice);
    const disk = this.disk;
    let request = BlockRequest.create();
    let good: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      request.block = this.next();
      if (operation == BlockOperation.Write) {
        const answer = disk.write(request);
        if (answer.ok) good++;
        request = answer.ok ? answer.value : BlockRequest.create();
      } else {
        const answer = disk.read(request);
        if (answer.ok) good++;
        request = answer.ok ? answer.value : BlockRequest.create();
      }
    }
    request.free();
    return WorkloadPlainResult.ok(good);
  }

  inFlight(operation: BlockOperation, count: u32, depth: u32): WorkloadInFlightResult {
    if (!this.ready()) return WorkloadInFlightResult.err(WorkloadError.NoDevice);
    let requests = BlockRequestDeque32.create();
    for (let i: u32 = 0; i < min<u32>(min<u32>(depth, 32), count); i++) requests.push(this.aim(BlockRequest.create(), operation));
    let done = BlockRequestDeque32.create();
    let flying: u32 = 0;
    let begun: u32 = 0;
    let good: u32 = 0;
    // Requests go round: from `requests` to the device, from there to `done`, and back.
    while (begun < count || flying > 0) {
      const offered = <u32>requests.length;
      if (offered > 0 && begun < count) {
        const answer = this.disk.submit(requests);
        if (!answer.ok) break;
        requests = answer.value;
        const taken = offered - <u32>requests.length;
        flying += taken;
        begun += taken;
      }
      const answer = this.disk.poll(done);
      if (!answer.ok) break;
      done = answer.value;
      for (let request = done.pop(); !request.isNull; request = done.pop()) {
        if (request.status == BlockStatus.Ok) good++;
        flying--;
        if (begun + <u32>requests.length < count) requests.push(this.aim(request, operation));
        else request.free();
      }
    }
    requests.free();
    done.free();
    return WorkloadInFlightResult.ok(good);
  }
}

WorkloadServer.provide(new RandomBlocks());
