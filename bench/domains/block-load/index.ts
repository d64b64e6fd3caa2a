/**
 * The client of the recovery benchmark: reads or writes random blocks of 4 KiB, as fast as the device answers.
 *
 * Invariant: a write puts the block's number into its first word, and a read looks whether it is there (or 0, before
 * the first write), so a request that was answered with another block's contents does not count.
 */
import { Owned } from "heap/owned";
import { BlockDevice, BlockOperation, BlockRequest } from "idl/block-device";
import { BlockLoadRunResult, BlockLoadServer, LoadError } from "idl/block-load";

class Load extends BlockLoadServer {
  private disk: BlockDevice = BlockDevice.use("disk");
  private blocks: u64 = 0;
  private state: u64 = 0x9e3779b97f4a7c15;
  private request: Owned<BlockRequest> = new Owned<BlockRequest>();

  open(): void {
    const answer = this.disk.capacity();
    if (!answer.ok) abort("the disk does not answer");
    this.blocks = answer.value;
  }

  run(operation: BlockOperation, count: u32): BlockLoadRunResult {
    const writes = operation == BlockOperation.Write;
    for (; count > 0; count--) {
      const block = this.next();
      const request = this.request.isEmpty ? BlockRequest.create() : this.request.take();
      request.block = block;
      if (writes) request.dataStore<u64>(0, block + 1);
      const done = writes ? this.write(request) : this.read(request);
      if (!done) return BlockLoadRunResult.err(LoadError.Failed);
      const first = this.request.borrowed.dataLoad<u64>(0);
      if (first != block + 1 && (writes || first != 0)) return BlockLoadRunResult.err(LoadError.Wrong);
    }
    return BlockLoadRunResult.ok();
  }

  private read(request: BlockRequest): bool {
    const answer = this.disk.read(request);
    if (answer.ok) this.request.put(answer.value);
    else if (answer.refused) this.request.put(request);
    return answer.ok;
  }

  private write(request: BlockRequest): bool {
    const answer = this.disk.write(request);
    if (answer.ok) this.request.put(answer.value);
    else if (answer.refused) this.request.put(request);
    return answer.ok;
  }

  /** A random block (xorshift64). */
  @inline private next(): u64 {
    let x = this.state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    this.state = x;
    return (x >> 11) % this.blocks;
  }
}

const load = new Load();
BlockLoadServer.provide(load);

export function main(): void {
  load.open();
}
