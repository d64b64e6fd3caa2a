/**
 * The right to start domains from bytes, and to end them.
 *
 * Owns the contract between a domain that creates others and the kernel. Invariants: a child has nothing that its
 * creator did not have: its limits are taken from the creator's and come back when it is buried, its grants are the
 * creator's own; it dies with its creator. An object of this interface acts in the name of the domain that it was
 * granted to.
 */
import type { RpcResult, Slice, Str, u32 } from "./prelude.ts";
import type { DomainState } from "./system.ts";

export declare enum DomainsError {
  /** No image was begun, or not all of its bytes have come. */
  NoImage,
  /** More bytes than the image was begun with. */
  TooLarge,
  /** A letter, then letters, digits and "-" is what a name may be, 63 at most. */
  BadName,
  /** `provides` or `uses` cannot be read; `lastError` says where. */
  BadDescription,
  /** A child of this name lives, is not buried yet, or is being created. */
  NameTaken,
  /** The creator has nothing of this name, or no longer. */
  NoSuchGrant,
  NoSuchInterface,
  /** The creator has not so much left. */
  LimitExceeded,
  /** The bytes are no module that may run here; `lastError` says why. */
  BadImage,
  /** The child died in its first code. */
  Died,
  NoSuchDomain,
  /** The domain is dead already. */
  NotRunning,
  /** The domain that this capability was granted to is dead. */
  NoCreator,
}

/** The children of one domain. */
export interface Domains {
  /** Begins the image of the next child. Its bytes take room of the creator's memory limit until it is created. */
  begin(bytes: u32): RpcResult<void, DomainsError>;
  /** The next bytes of the image. */
  append(piece: Slice<4096>): RpcResult<void, DomainsError>;
  /**
   * Makes a domain of the image and runs its first code. The creator reaches what it provides as `NAME.OBJECT`.
   * `provides` is like `program: Shell, store: KeyValue`; `uses` like `disk = disk, store = other.store`: the name for
   * the child, and one of the creator's own or an object of another child. The rest are limits, as in a manifest.
   */
  create(
    name: Str<63>,
    provides: Str<1024>,
    uses: Str<1024>,
    memoryPages: u32,
    heapBytes: u32,
    heapObjects: u32,
    threads: u32,
    domains: u32,
  ): Promise<RpcResult<void, DomainsError>>;
  /** Why the last call in this creator's name was refused; empty when none was. */
  lastError(): RpcResult<Str<512>, never>;
  /** What the creator has left for itself and for children. */
  left(): RpcResult<{ memoryPages: u32; heapBytes: u32; heapObjects: u32; threads: u32; domains: u32 }, DomainsError>;
  /** State of a child; one that is buried is no child any more. */
  state(name: Str<63>): RpcResult<DomainState, DomainsError>;
  /** Ends a child as if it had crashed. */
  kill(name: Str<63>): RpcResult<void, DomainsError>;
}
