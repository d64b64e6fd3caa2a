/**
 * What the wrong programs work with.
 *
 * Invariant: nothing here breaks a rule.
 */
import { BlockDevice } from "idl/block-device";
import { BlockMedium } from "idl/block-medium";

export const disk = BlockDevice.use("disk");
export const medium = BlockMedium.use("medium");

/** What the tests choose: which way a program goes that can go two. */
let heads: bool = true;
export function choose(way: bool): void {
  heads = way;
}
export function toss(): bool {
  return heads;
}
