/**
 * The words of the check: one place for every message.
 *
 * Invariant: each says what is wrong, where what it depends on happened (`line:column` of the same file), and what to
 * do about it.
 */
import type { Node } from "./compiler.ts";
import type { How, Place } from "./graph.ts";
import type { Event } from "./state.ts";

/** `12:5`, or with the file's name when it is another one than `from`'s. */
export function place(node: Node, from: Node): string {
  const { source, start } = node.range;
  const line = source.lineAt(start);
  const at = `${line}:${source.columnAt()}`;
  return source === from.range.source ? at : `${source.normalizedPath}:${at}`;
}

const quoted = ({ name, temporary }: Place): string => (temporary ? name : `\`${name}\``);

export function was(how: How): string {
  switch (how.kind) {
    case "freed":
      return "freed";
    case "moved":
      return `moved to \`${how.to}\``;
    case "stored":
      return `put away by \`${how.by}\``;
    case "kept":
      return `kept in \`${how.in}\``;
    case "returned":
      return "returned";
    case "chosen":
      return "chosen by `?:`";
    case "assigned":
      return `moved to \`${how.to}\``;
    case "ended":
      return `taken away by \`${how.by}\``;
  }
}

const AGAIN: Readonly<Record<How["kind"], string>> = {
  freed: "freed",
  moved: "moved",
  stored: "put away",
  kept: "kept",
  returned: "returned",
  chosen: "used",
  assigned: "moved",
  ended: "used",
};

const ADVICE: Readonly<Record<How["kind"], string>> = {
  freed: "free it after its last use",
  moved: "use it before, or go on with what the call answers",
  stored: "use it before, or take it out again",
  kept: "use it before it is kept",
  returned: "use it before it is put into the answer",
  chosen: "go on with what the expression answers",
  assigned: "go on with the new name",
  ended: "use it before, or ask for the loan again",
};

const called = (how: How): string => (how.kind === "moved" ? how.to : "");

export const usedAfter = (p: Place, { node, how }: Event, at: Node): string =>
  how.kind === "ended"
    ? `${quoted(p)} is used after the loan has ended: \`${how.by}\` at ${place(node, at)} took the object away; ` +
      ADVICE.ended
    : `${quoted(p)} is used after it was ${was(how)} at ${place(node, at)}: ${ADVICE[how.kind]}`;

export const usedMaybe = (p: Place, { node, how }: Event, at: Node): string =>
  `${quoted(p)} is used here, but on a path it was ${was(how)} at ${place(node, at)}: ` +
  `use it on the other paths only, or keep it on all of them`;

export const usedGiven = (p: Place, { node, how }: Event, at: Node): string =>
  `${quoted(p)} is used after it was ${was(how)} at ${place(node, at)}: it is still owned only where the answer ` +
  `says \`refused\`; ask that first, or go on with what the call answers`;

export function againAfter(p: Place, how: How, { node, how: before }: Event, at: Node, certain: boolean): string {
  const when = certain ? "it was" : "on a path it was";
  const once = before.kind === "moved" ? "go on with what the call answers, or make another one" : "once is enough";
  const advice = certain ? once : "do it on the other paths only";
  return `${quoted(p)} is ${AGAIN[how.kind]} here, but ${when} ${was(before)} at ${place(node, at)}: ${advice}`;
}

export const againGiven = (p: Place, how: How, { node, how: before }: Event, at: Node): string =>
  `${quoted(p)} is ${AGAIN[how.kind]} here, but it was ${was(before)} at ${place(node, at)}: it is still owned only ` +
  `where the answer says \`refused\`; ask that first`;

export const aroundLoop = (p: Place, how: How, { how: before }: Event): string =>
  `${quoted(p)} is ${AGAIN[how.kind]} here in each round of a loop, but was ${was(before)} in the first: ` +
  `make or take another one in each round`;

export const unset = (p: Place): string => `${quoted(p)} holds no object yet: assign one on every path that leads here`;

export const isNull = (p: Place): string =>
  `${quoted(p)} is null here: what uses it ends the domain; do this on the other branch`;

export const borrowed = (p: Place, how: How): string =>
  `${quoted(p)} is only borrowed here, so it cannot be ${AGAIN[how.kind]}: ` +
  (how.kind === "kept" || how.kind === "stored"
    ? "a loan ends with the call; copy what it holds, or have it moved here (`RRef` in the interface)"
    : "its owner does that; have it moved here if it shall be yours");

export const leaks = (p: Place, since: Node | null, at: Node): string =>
  `${quoted(p)} leaks on this path: it is owned${since === null ? "" : ` since ${place(since, at)}`}, and neither ` +
  `moved, freed, stored nor returned; free it before`;

export const leaksUnnamed = (p: Place): string =>
  `${p.name} is dropped: nobody owns it any more; keep it in a variable, and free or move it`;

export const leaksRefused = (p: Place, { node, how }: Event, at: Node): string =>
  `${quoted(p)} leaks on this path when the call at ${place(node, at)} was refused: it was ${was(how)}, and then is ` +
  `still owned; free it where the answer says \`refused\``;

export const offered = (p: Place, { how }: Event): string =>
  `${quoted(p)} leaks when \`${called(how)}\` answers false, which is not looked at: ` +
  "free it then, or use what ends the domain instead (`append`)";

export const refusedUnnamed = (p: Place, { how }: Event): string =>
  `${p.name} leaks when \`${called(how)}\` is refused: keep it in a variable, and free it where ` +
  "the answer says `refused`";

export const leaksOffered = (p: Place, { node, how }: Event, at: Node): string =>
  `${quoted(p)} leaks on this path when \`${called(how)}\` at ${place(node, at)} answers false: ` +
  `it is still owned then; free it there, or use what ends the domain instead (\`append\`)`;

export const overwritten = (p: Place, since: Node | null, at: Node): string =>
  `${quoted(p)} is assigned again while it owns an object${since === null ? "" : ` (since ${place(since, at)})`}, ` +
  `which leaks: free or move that one before`;

export const ignored = (call: string, field: string): string =>
  `the answer of \`${call}\` carries an object (\`${field}\`), which leaks when it is ignored: ` +
  `look at \`ok\`, and free, move or keep the object`;

export const unexamined = (p: Place, result: Place): string =>
  `\`${p.name}\` is read before it is known that the call has succeeded: ` +
  (result.temporary ? "keep the answer in a variable and look at its `ok`" : `look at \`${result.name}.ok\` first`);

export const mixed = (p: Place, { node, how }: Event, at: Node, name: string): string =>
  `\`${name}\` keeps ${quoted(p)} on this path, but on another one it was ${was(how)} at ${place(node, at)}: ` +
  "its callers cannot know whether they own it still; move it on all paths or on none, or answer a bool that says it " +
  "(`Offer`)";

export const broken = (p: Place, name: string, { node, how }: Event, at: Node): string =>
  `\`${name}\` answers here that it did not take ${quoted(p)}, but it was ${was(how)} at ${place(node, at)}: ` +
  `the caller would use it again`;

export const copied = (from: string, to: string): string =>
  `\`${to}\` would be a second name for what \`${from}\` owns: go on using \`${from}\``;

export const asNumber = (name: string): string =>
  `the handle of \`${name}\` is hidden in a number: pass or keep the object itself; numbers are for messages ` +
  "(`.handle.toString()`) and comparisons";

export const field = (name: string, type: string): string =>
  `\`${name}\` would hold an object that others can neither take nor see moved: make it an \`Owned<${type}>\` ` +
  "(`heap/owned`), or `readonly` when it lives as long as what it belongs to";

export const global = (name: string, type: string): string =>
  `\`${name}\` captures an object in a variable that outlives the call: make it an \`Owned<${type}>\` ` +
  "(`heap/owned`), or `const` when it lives as long as the domain";

export const answerKept = (name: string): string =>
  `\`${name}\` keeps the answer of a call, and with it an object that nobody can see moved: look at \`ok\` at once, ` +
  "and keep the object in an `Owned` (`heap/owned`)";

export const lentAndMoved = (p: Place, name: string): string =>
  `${quoted(p)} is lent and moved to \`${name}\` in one call: the loan would be of what is gone; ` +
  "pass another object";

export const functionValue = (name: string, parameter: string): string =>
  `\`${name}\` only borrows \`${parameter}\`, and a function value cannot say so: who calls it believes to have ` +
  "moved the object; write a function that takes it, and frees or moves it";

export const answerPassed = (name: string): string =>
  `\`${name}\` is the answer of a call and carries an object: look at \`ok\` here, and pass the object`;

export const hidden = (name: string, type: string): string =>
  `\`${name}\` hides objects of type \`${type}\` from this check: use \`OwnedArray<${type}>\` (\`heap/owned\`), ` +
  "a deque or an array of the exchange heap";
