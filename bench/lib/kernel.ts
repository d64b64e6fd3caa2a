/**
 * A kernel with nothing in it, for benchmarks that need the real one: allocation, admission, start of domains.
 *
 * Invariant: no host service, no cache on disk; whatever is measured is the kernel's own.
 */
import { Kernel } from "#kernel/kernel.ts";
import type { Model } from "#kernel/interface/model.ts";
import { DEFAULT_LIMITS, type ResolvedDomain } from "#kernel/manifest/manifest.ts";

const FINGERPRINT = "0000000000000000";

/** One record of 64 bytes, and one interface that reaches it, so that a domain may be granted the type. */
export const BENCH_MODEL: Model = {
  enums: {},
  types: {
    Block: {
      kind: "record",
      name: "Block",
      doc: "",
      file: "bench",
      slots: [],
      size: 64,
      fingerprint: FINGERPRINT,
      fields: [{ name: "bytes", doc: "", type: { kind: "bytes", length: 64 }, at: 0 }],
    },
  },
  interfaces: {
    Bench: {
      name: "Bench",
      doc: "",
      file: "bench",
      fingerprint: FINGERPRINT,
      methods: [
        {
          name: "pass",
          doc: "",
          error: null,
          result: { kind: "void" },
          params: [{ name: "block", type: { kind: "rref", type: "Block" } }],
        },
      ],
    },
  },
};

export function createKernel(): Kernel {
  return new Kernel({
    model: BENCH_MODEL,
    heapBytes: 4 << 20,
    objects: 4096,
    host: {
      cpuMicros: () => process.cpuUsage().user,
      now: () => performance.now(),
      turn: (call) => void setImmediate(call),
      after: (ms, call) => {
        const timer = setTimeout(call, ms);
        return () => clearTimeout(timer);
      },
      onFault: () => {},
    },
  });
}

/** A manifest entry that may use the type `Block` and the interface `Bench`, and provides nothing. */
export function benchEntry(name: string): ResolvedDomain {
  return {
    name,
    domain: name,
    limits: {
      ...DEFAULT_LIMITS,
      memoryPages: 64,
      heapBytes: 1 << 20,
      heapObjects: 1024,
      sliceMs: 10_000,
      entryMs: 100_000,
    },
    provides: [],
    uses: [{ name: "bench", interface: "Bench", provider: "nobody", object: "bench", self: 0 }],
  };
}
