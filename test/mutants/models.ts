/** Seeded bugs in the device models: what a driver, and the kernel, must be able to rely on. */
import type { Mutant } from "./mutant.ts";

const HOSTS = "drivers/models/hosts";
const NVME = "drivers/models/nvme";
const WORKER = `${HOSTS}/worker.test.ts`;
const POWER = `${NVME}/power-cut.test.ts`;
const COMMANDS = `${NVME}/io.test.ts`;
const ADMIN = `${NVME}/model.test.ts`;
const FAULTS = `${NVME}/faults.test.ts`;

export const MODEL_MUTANTS: readonly Mutant[] = [
  {
    name: "dma-window-begins-only",
    file: `${HOSTS}/heap-dma.ts`,
    find: "if (iova < window.iova || iova + bytes > window.iova + window.bytes) continue;",
    replace: "if (iova < window.iova) continue;",
    why: "a device writes behind the memory that it was given",
    killers: [COMMANDS],
    modes: "any",
  },
  {
    name: "dma-without-bus-mastering",
    file: `${HOSTS}/heap-dma.ts`,
    find: "if ((this.#mastering() & 1) === 0)",
    replace: "if (bytes === 0)",
    why: "a device that was silenced writes into memory that may be somebody else's by now",
    killers: [FAULTS],
    modes: "any",
  },
  {
    name: "drain-does-not-wait",
    file: `${HOSTS}/mailbox.ts`,
    find: "return this.#waitForTaken(this.#words[PUT]!, patienceMs);",
    replace: "return true;",
    why: "memory is reclaimed while the model's thread is in the middle of a copy, and reads pass writes",
    killers: [WORKER],
    modes: "any",
  },
  {
    name: "full-queue-overwritten",
    file: `${NVME}/controller.ts`,
    find: "if (sq.cq.full || sq.cq.waiting.length > 0) {",
    replace: "if (sq.cq.waiting.length > 0) {",
    why: "a completion that was not read yet is lost",
    killers: [ADMIN],
    modes: "any",
  },
  {
    name: "fua-leaves-cache",
    file: "drivers/models/write-cache.ts",
    find: "if (chunk !== undefined) chunk.dirty &= ~this.#bits(at, bytes);",
    replace: "void chunk;",
    why: "a later flush brings back what was there before a write with FUA",
    killers: [COMMANDS, POWER],
    modes: "any",
  },
  {
    name: "flush-without-write-back",
    file: "drivers/models/write-cache.ts",
    find: "flush(): void { this.#writeBack();",
    replace: "flush(): void {",
    why: "what was acknowledged by a flush is lost with the power",
    killers: [POWER, COMMANDS],
    modes: "any",
  },
  {
    name: "prp2-offset-taken",
    file: `${NVME}/prp.ts`,
    find: "if ((second & (PAGE - 1)) !== 0) return Status.INVALID_PRP_OFFSET;",
    replace: "",
    why: "an address that no driver may give is taken, and the transfer ends behind its page",
    killers: [COMMANDS],
    modes: "any",
  },
  {
    name: "reset-keeps-commands",
    file: `${NVME}/controller.ts`,
    find: "this.queuesChanged(); this.pending.drop(null);",
    replace: "this.queuesChanged();",
    why: "a command of before the reset is carried out after it",
    killers: [ADMIN, FAULTS],
    modes: "any",
  },
];
