/**
 * The keeper: answers each line with all that it has kept, and hands it over to the next version.
 *
 * Invariant: a version that took over makes nothing that the former one had made.
 */
import { Owned } from "heap/owned";
import { BlockDevice, BlockRequest } from "idl/block-device";
import { ShellExecuteResult, ShellServer } from "idl/shell";
import { Handover, StateReader, StateWriter, handOver, tookOver } from "os/state";

export { samara_restore, samara_restored, samara_save, samara_save_size } from "os/state";

const VERSION: u32 = 1;

class Keeper extends Handover {
  calls: u32 = 0;
  last: string = "nothing";
  sum: u64 = 0;
  ratio: f64 = 0;
  disk: BlockDevice | null = null;
  request: Owned<BlockRequest> = new Owned<BlockRequest>();

  save(out: StateWriter): void {
    out.u32(this.calls);
    out.text(this.last);
    out.u64(this.sum);
    out.f64(this.ratio);
    out.capability(this.disk!);
    out.object(this.request.borrowed);
  }

  restore(input: StateReader): void {
    this.calls = input.u32();
    this.last = input.text();
    this.sum = input.u64();
    this.ratio = input.f64();
    this.disk = input.capability<BlockDevice>();
    this.request.put(input.object<BlockRequest>());
  }

  answer(line: string): string {
    this.calls++;
    this.sum += 0x1_0000_0000;
    this.ratio += 0.5;
    const before = this.last;
    this.last = line;
    // The object goes to the disk and comes back, through the capability that was kept.
    const request = this.request.take();
    const written = this.disk!.write(request);
    if (written.refused) this.request.put(request);
    if (!written.ok) return "the disk failed";
    this.request.put(written.value);
    const numbers = `calls ${this.calls}, sum ${this.sum}, ratio ${this.ratio}, tag ${this.request.borrowed.tag}`;
    return `version ${VERSION}: ${numbers}, before: ${before}`;
  }
}

const keeper = new Keeper();
handOver(keeper);

class Program extends ShellServer {
  execute(line: string): ShellExecuteResult {
    return ShellExecuteResult.ok(keeper.answer(line));
  }
}

ShellServer.provide(new Program());

export function main(): void {
  if (tookOver()) return;
  keeper.disk = BlockDevice.use("disk");
  const request = BlockRequest.create();
  request.tag = 40 + VERSION;
  keeper.request.put(request);
}
