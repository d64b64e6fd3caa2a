/**
 * Whether the heap's structure is whole after a run: owners, containment both ways, deque rings.
 *
 * Written from the layout alone and for the hostile world, so that it also judges what the heap's own checker, which
 * needs the allocator, would not see.
 */
import {
  GENERATION_BITS,
  GENERATION_MASK,
  LENT,
  OBJECT_LINK,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OWNER_CONTAINED,
  OWNER_HOST,
} from "#shared-heap/layout.ts";
import { ATTACKER, slotTypes, T, VICTIM, type World, type WorldObject } from "./world.ts";

/** Describes the first broken invariant, or null. */
export function structureViolation(world: World): string | null {
  for (const object of world.objects) {
    const broken = recordViolation(world, object) ?? slotsViolation(world, object);
    if (broken !== null) return `${object.name}: ${broken}`;
  }
  return null;
}

interface Holder {
  readonly owner: number;
  readonly handle: number;
  readonly link: number;
  readonly slot: number;
}

function holder(world: World, index: number): Holder {
  const tag = world.words[world.word(index, OBJECT_TAG)]!;
  return {
    owner: (tag >>> GENERATION_BITS) ^ index,
    handle: (index << GENERATION_BITS) | (tag & GENERATION_MASK),
    link: world.words[world.word(index, OBJECT_LINK)]!,
    slot: world.words[world.word(index, OBJECT_SLOT)]!,
  };
}

function recordViolation(world: World, object: WorldObject): string | null {
  const { owner, handle, link, slot } = holder(world, object.index);
  if (owner !== OWNER_CONTAINED) {
    if (![OWNER_HOST, VICTIM, ATTACKER].includes(owner)) return `owned by ${owner}`;
    return link === 0 && slot === 0 ? null : "not contained, but linked";
  }
  const container = world.objects.find((o) => o.index === link);
  if (container === undefined) return `contained in record ${link}`;
  if (slot < 0 || slot >= slotTypes(container.type).length) return `in slot ${slot} of ${container.name}`;
  if (slotTypes(container.type)[slot] !== object.type) return `of the wrong type for ${container.name}`;
  const held = world.heapView.getInt32(world.slotAddress(container, slot), true);
  return held === handle ? null : `not what ${container.name} holds in slot ${slot}`;
}

function slotsViolation(world: World, object: WorldObject): string | null {
  const slots = slotTypes(object.type);
  if (((world.words[world.word(object.index, OBJECT_TYPE)]! & ~LENT) | 0) !== object.type) return "its type changed";
  const head = object.type === T.deque ? world.heapView.getInt32(object.address - 4 * (slots.length + 1), true) : 0;
  const length = object.type === T.deque ? world.heapView.getInt32(object.address - 4 * (slots.length + 2), true) : 0;
  if (object.type === T.deque && (head < 0 || head >= slots.length)) return `head ${head}`;
  if (length < 0 || length > slots.length) return `length ${length}`;
  for (let i = 0; i < slots.length; i++) {
    const held = world.heapView.getInt32(world.slotAddress(object, i), true);
    const inRing = (i - head + slots.length) % slots.length < length;
    if (object.type === T.deque && inRing !== (held !== 0))
      return `position ${i} holds ${held}, head ${head}, length ${length}`;
    if (held === 0) continue;
    const element = holder(world, held >>> GENERATION_BITS);
    if (
      element.owner !== OWNER_CONTAINED ||
      element.link !== object.index ||
      element.slot !== i ||
      element.handle !== held
    ) {
      return `slot ${i} holds 0x${held.toString(16)}, which is not in it`;
    }
  }
  return null;
}
