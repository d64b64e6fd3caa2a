/**
 * Head room for generated proxies: `room(depth)` throws RangeError when less than about 48 KiB of stack is left.
 *
 * V8 checks at the entry of a function that there is room for its frame as the interpreter lays it out, whichever of
 * its compilers made the code, because the function may have to go on in the interpreter. The frame has a register for
 * each of ROOM_NAMES names; those behind the `return` have no code, but they have registers. A function that is inlined
 * counts in the check of the one around it, as long as something in it can send it back to the interpreter: here the
 * call in a branch that has never been taken. So a proxy that V8 has optimised checks for the room where it checks for
 * its own frame anyway, and it costs nothing.
 *
 * The probe of `modules.ts`, a call, is for what domains import, and for ticks: it asks for less, so that a callee that
 * was entered with just enough can use them, and is not blamed for the stack that its caller has used up.
 * Invariant: `depth` is never negative.
 */
const ROOM_NAMES = 6144;

export const room = makeRoom();

function makeRoom(): (depth: number) => void {
  const names = Array.from({ length: ROOM_NAMES }, (_, i) => `r${i}`);
  const body = `if (depth < 0) never(); return; ${names.join("; ")};`;
  const never = (): never => {
    throw new Error("the depth of the stack is negative");
  };
  const make = new Function("never", `return function room(depth) { var ${names.join(", ")}; ${body} }`);
  return make(never) as (depth: number) => void;
}
