/**
 * `kernel.domains`: the right to start domains from bytes, one object for each domain that has it.
 *
 * Invariant: an object acts in the name of the domain that it was granted to, whoever calls it, and of no other.
 */
import type { Domain } from "../../kernel/domain/domain.ts";
import { CreationError } from "../../kernel/creation/description.ts";
import { left, type Share } from "../../kernel/creation/quota.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { answer, clip, refused, STATES } from "./lifecycle.ts";

const MAX_ERROR = 512;

/** Objects 0, 1, … are those of `names`, the others those of children. */
export function domainsService(kernel: Kernel, names: readonly string[]): (self: number) => Record<string, Function> {
  /** Why the last call in a creator's name was refused. */
  const errors = new WeakMap<Domain, string>();
  const creatorOf = (self: number): Domain | null => {
    const name = names[self];
    return name === undefined ? kernel.creation.creator(self) : kernel.provider(name);
  };
  return (self) => {
    const creator = creatorOf(self);
    if (creator?.alive !== true) return GONE;
    return service(kernel, creator, (message) => errors.set(creator, message), errors.get(creator) ?? "");
  };
}

/** The creator of this number is dead. */
const GONE = new Proxy<Record<string, Function>>(
  {},
  { get: (_, method) => () => (method === "lastError" ? answer("") : refused("NoCreator")) },
);

function service(kernel: Kernel, creator: Domain, note: (message: string) => void, lastError: string) {
  const { creation } = kernel;
  const refusal = (error: unknown) => {
    if (!(error instanceof CreationError)) throw error;
    note(clip(error.message, MAX_ERROR));
    return refused(error.code);
  };
  const attempt = (act: () => unknown) => {
    try {
      return answer(act());
    } catch (error) {
      return refusal(error);
    }
  };
  return {
    begin: (bytes: number) => attempt(() => creation.begin(creator, bytes)),
    append: (piece: Uint8Array) => attempt(() => creation.append(creator, piece)),
    create: (name: string, provides: string, uses: string, ...limits: number[]) => {
      const [memoryPages, heapBytes, heapObjects, threads, domains] = limits as [
        number,
        number,
        number,
        number,
        number,
      ];
      const share: Share = { memoryPages, heapBytes, heapObjects, threads, domains };
      return creation.create(creator, { name, provides, uses, share }).then(() => answer(), refusal);
    },
    lastError: () => answer(lastError),
    left: () => answer(left(kernel.heap, creator)),
    state: (name: string) => attempt(() => STATES.indexOf(creation.child(creator, name).state)),
    kill: (name: string) =>
      attempt(() => {
        const child = creation.child(creator, name);
        if (!child.alive) throw new CreationError("NotRunning", `${child.name} is dead already`);
        kernel.kill(child, "killed by its creator");
      }),
  };
}
