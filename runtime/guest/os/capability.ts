/**
 * Capabilities: the right to call an object of another domain.
 *
 * Owns what all generated client classes share. `this` IS the capability's number, which means something only to this
 * domain and its kernel. Invariant: a number that was not granted, or that was dropped, ends the domain when it is
 * used.
 */
import { encodeText } from "os/text";

// @ts-ignore: decorator
@external("cap", "drop") declare function drop(capability: u32): void;
// @ts-ignore: decorator
@external("cap", "revoke") declare function revoke(capability: u32): void;

/** Longest name of a capability in a manifest, bytes. */
const MAX_NAME: i32 = 255;
// @ts-ignore: decorator
@lazy const NAME: usize = memory.data(256, 16);

/** Where the bytes of the last encoded capability name lie. */
// @ts-ignore: decorator
@inline
export function capabilityNamePointer(): usize {
  return NAME;
}

/** Encodes the name of a capability for a `use` import; returns its length in bytes. */
export function encodeCapabilityName(name: string): i32 {
  const bytes = encodeText(name, NAME, MAX_NAME);
  if (bytes > MAX_NAME) abort("the name of a capability is too long");
  return bytes;
}

/** Ends the domain: its manifest entry grants no such capability. */
export function notGranted(name: string): void {
  abort("the manifest grants no such capability: " + name);
}

// @ts-ignore: decorator
@unmanaged
export class Capability {
  protected constructor() {}

  /** The number: for messages and tables only. */
  @inline get handle(): u32 {
    return changetype<u32>(this);
  }

  @inline get isNull(): bool {
    return changetype<u32>(this) == 0;
  }

  /** Gives the capability back; its number is invalid afterwards. */
  @inline drop(): void {
    drop(changetype<u32>(this));
  }

  /** Takes back, at once, what was passed on from this capability, by whomever; this one stays. */
  @inline revoke(): void {
    revoke(changetype<u32>(this));
  }
}
