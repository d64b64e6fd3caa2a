/**
 * The load of the benchmarks of queues: many requests in flight on a disk, which is another domain's, or a class of
 * this one.
 *
 * Invariant: a write puts the block's number into its first word, and a read looks whether it is there (or 0, before
 * the first write), unless the disk came with contents; a run ends when all of its requests are back, so each begins
 * with the same buffers.
 */
import { Owned, OwnedArray } from "heap/owned";
import { BlockOperation, BlockRequest, BlockRequestDeque32, BlockStatus } from "idl/block-device";
import { LoadError, LoadPattern, QueueLoadOpenResult, QueueLoadRunResult, QueueLoadServer } from "idl/block-load";

const MAX_DEPTH: u32 = 128;

/** `T` has the methods `submit`, `poll` and `capacity` of a block device. */
export class Loop<T> extends QueueLoadServer {
  private blocks: u64 = 0;
  private state: u64 = 0x9e3779b97f4a7c15;
  private position: u64 = 0;
  /** Requests that are not in flight. */
  private spare: OwnedArray<BlockRequest> = new OwnedArray<BlockRequest>(MAX_DEPTH);
  private spares: u32 = 0;
  private out: Owned<BlockRequestDeque32> = new Owned<BlockRequestDeque32>();
  private done: Owned<BlockRequestDeque32> = new Owned<BlockRequestDeque32>();
  private wrong: bool = false;
  private known: bool = true;

  constructor(private disk: T) {
    super();
  }

  open(known: bool): QueueLoadOpenResult {
    this.known = known;
    const answer = this.disk.capacity();
    if (!answer.ok) return QueueLoadOpenResult.err(LoadError.Failed);
    this.blocks = min<u64>(answer.value, u32.MAX_VALUE);
    while (this.spares < MAX_DEPTH) this.spare.put(BlockRequest.create(), this.spares++);
    return QueueLoadOpenResult.ok();
  }

  run(
    operation: BlockOperation,
    pattern: LoadPattern,
    depth: u32,
    batch: u32,
    count: u32,
  ): QueueLoadRunResult {
    this.wrong = false;
    let left = count;
    let flying: u32 = 0;
    while (left > 0 || flying > 0) {
      while (left > 0 && flying < depth) {
        const wanted = min(min(batch, depth - flying), left);
        const taken = this.send(operation, pattern, wanted);
        if (taken < 0) return QueueLoadRunResult.err(LoadError.Failed);
        flying += taken;
        left -= taken;
        if (<u32>taken < wanted) break;
      }
      const back = this.receive(operation);
      if (back < 0) return QueueLoadRunResult.err(LoadError.Failed);
      flying -= back;
    }
    return this.wrong ? QueueLoadRunResult.err(LoadError.Wrong) : QueueLoadRunResult.ok();
  }

  /** @returns how many the disk took, or -1 */
  private send(operation: BlockOperation, pattern: LoadPattern, count: u32): i32 {
    const out = this.out.isEmpty ? BlockRequestDeque32.create() : this.out.take();
    for (let i: u32 = 0; i < count; i++) {
      const request = this.spare.take(--this.spares);
      const block = pattern == LoadPattern.Random ? this.random() : this.next();
      request.block = block;
      request.operation = operation;
      if (operation == BlockOperation.Write) request.dataStore<u64>(0, block + 1);
      out.append(request);
    }
    const answer = this.disk.submit(out);
    if (answer.refused) this.out.put(out);
    if (!answer.ok) return -1;
    const rest = answer.value;
    const refused = rest.length;
    for (let i = 0; i < refused; i++) this.spare.put(rest.pop(), this.spares++);
    this.out.put(rest);
    return <i32>count - refused;
  }

  /** @returns how many came back, or -1 */
  private receive(operation: BlockOperation): i32 {
    const empty = this.done.isEmpty ? BlockRequestDeque32.create() : this.done.take();
    const answer = this.disk.poll(empty);
    if (answer.refused) this.done.put(empty);
    if (!answer.ok) return -1;
    const done = answer.value;
    const count = done.length;
    for (let i = 0; i < count; i++) {
      const request = done.pop();
      const first = request.dataLoad<u64>(0);
      const isRead = operation == BlockOperation.Read;
      const right = first == request.block + 1 || (isRead && (first == 0 || !this.known));
      if (request.status != BlockStatus.Ok || !right) this.wrong = true;
      this.spare.put(request, this.spares++);
    }
    this.done.put(done);
    return count;
  }

  @inline private next(): u64 {
    const block = this.position;
    this.position = block + 1 == this.blocks ? 0 : block + 1;
    return block;
  }

  /** xorshift64; its upper half as a fraction of the number of blocks, without a division. */
  @inline private random(): u64 {
    let x = this.state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    this.state = x;
    return ((x >> 32) * this.blocks) >> 32;
  }
}
