/**
 * Lowered domains without a kernel: the loader, the exchange heap and nothing else.
 *
 * For benchmarks that look at one mechanism alone (a checked access, a bare call) and must be able to leave out what
 * the kernel never leaves out. Invariant: the code that runs is exactly what `admit` made.
 */
import { admit } from "#kernel/wasm/admit.ts";
import {
  EXPORT_CAPS,
  EXPORT_OWNER,
  EXPORT_RECORD,
  EXPORT_RESET,
  IMPORT_HEAP,
  IMPORT_KERNEL,
  IMPORT_LEDGER,
} from "#kernel/wasm/intrinsics.ts";
import type { LowerOptions, LowerStats, Policy } from "#kernel/wasm/policy.ts";
import { ExchangeHeap } from "#shared-heap/heap.ts";
import { DOMAIN_SHIFT, DOMAINS, FIRST_DOMAIN, GENERATION_BITS, ledgerBytes } from "#shared-heap/layout.ts";

const PAGE = 65536;

export interface BareInstance {
  readonly owner: number;
  readonly exports: WebAssembly.Exports;
  /** The capability table: slot 0 is the tick, method m of the first capability is slot 1 + m. */
  readonly capabilities: WebAssembly.Table;
  readonly stats: LowerStats;
}

function sharedMemory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** The policy of a domain that imports intrinsics only, and the methods given. */
export function barePolicy(methods: Policy["methods"] = new Map()): Policy {
  return { functions: new Map(), methods, maxPages: 64 };
}

/** Memories 1 and 2, and the domains that were put on them. */
export class Bare {
  readonly heap: ExchangeHeap;
  readonly #memories: { readonly heap: WebAssembly.Memory; readonly ledger: WebAssembly.Memory };
  readonly #pages: { readonly heapPages: number; readonly ledgerPages: number };
  #next = FIRST_DOMAIN;

  /**
   * @param heapPages size of the exchange heap, pages of 64 KiB
   * @param objects records of the ledger
   */
  constructor(heapPages = 64, objects = 4096) {
    this.#pages = { heapPages, ledgerPages: ledgerBytes(objects) / PAGE };
    this.#memories = { heap: sharedMemory(heapPages), ledger: sharedMemory(this.#pages.ledgerPages) };
    const { heap, ledger } = this.#memories;
    this.heap = new ExchangeHeap({ heap: heap.buffer, ledger: ledger.buffer, objects });
  }

  /** Lowers and instantiates. @throws AdmissionError */
  instance(
    bytes: Uint8Array,
    policy: Policy,
    lower: Pick<LowerOptions, "elide" | "tick" | "unchecked"> = {},
  ): BareInstance {
    const owner = this.#next++;
    const admitted = admit(bytes, policy, { ...lower, ...this.#pages });
    const imports: WebAssembly.Imports = {
      [IMPORT_KERNEL]: { [IMPORT_HEAP]: this.#memories.heap, [IMPORT_LEDGER]: this.#memories.ledger },
      env: { memory: new WebAssembly.Memory(admitted.memory ?? { initial: 0, maximum: 0 }) },
    };
    // Lowered imports are dead slots: any function may fill them.
    for (const { module, name } of admitted.imports) (imports[module] ??= {})[name] = () => 0;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(admitted.bytes), imports);
    (exports[EXPORT_RESET] as () => void)();
    (exports[EXPORT_OWNER] as WebAssembly.Global).value = owner << GENERATION_BITS;
    (exports[EXPORT_RECORD] as WebAssembly.Global).value = DOMAINS + (owner << DOMAIN_SHIFT);
    this.heap.setLimits(owner, 0xffffffff, 0xffffffff);
    return { owner, exports, capabilities: exports[EXPORT_CAPS] as WebAssembly.Table, stats: admitted.stats };
  }
}
