/** Seeded bugs in what stands between the kernel and devices of other processes. */
import type { Mutant } from "./mutant.ts";

const WINDOWS = "drivers/vfio/windows.ts";
const SESSION = "drivers/vfio/session.ts";
const HEAP = "drivers/vfio/heap.ts";

export const VFIO_MUTANTS: readonly Mutant[] = [
  {
    name: "window-without-end",
    file: WINDOWS,
    find: "if (inside < 0 || inside + bytes > window.bytes) return null;",
    replace: "if (inside < 0) return null;",
    why: "a served device reaches its client's memory behind a window",
    killers: ["drivers/vfio/windows.test.ts"],
    modes: "any",
  },
  {
    name: "bus-master-not-asked",
    file: WINDOWS,
    find: "if (!this.#busMaster || window === undefined || window.file === null) return null;",
    replace: "if (window === undefined || window.file === null) return null;",
    why: "a served device writes to memory after its driver has been stopped",
    killers: ["drivers/vfio/windows.test.ts"],
    modes: "any",
  },
  {
    name: "unmapped-window-kept",
    file: WINDOWS,
    find: "for (const { file } of this.#windows.splice(first, end - first)) this.#release(file);",
    replace: "void end;",
    why: "a served device reaches memory that its client has taken back",
    killers: ["drivers/vfio/windows.test.ts"],
    modes: "any",
  },
  {
    name: "refusal-taken-for-consent",
    file: SESSION,
    find: "if ((this.in.flags & wire.ERROR) !== 0) throw new Refused(`command ${command}`, this.in.error);",
    replace: "",
    why: "a DMA map that the server refused passes for one that it made",
    killers: ["drivers/vfio/hostile-server.test.ts"],
    only: "no memory taken",
    modes: "any",
  },
  {
    name: "silence-taken-for-quiet",
    file: SESSION,
    find: "if (this.#gone && !this.#closedByServer)",
    replace: "if (this.#gone && this.#resetting === 0)",
    why: "windows are given to others while a server that hangs may still write to them",
    killers: ["drivers/vfio/vfio-user.test.ts"],
    only: "does not answer",
    modes: "any",
  },
  {
    name: "pinned-pages-replaced",
    file: HEAP,
    find: "if (clash !== undefined) {",
    replace: "if (clash !== undefined && clash.file !== null) {",
    why: "a device goes on writing to pages that are no longer below the heap",
    killers: ["drivers/vfio/heap.test.ts"],
    modes: "any",
  },
];
