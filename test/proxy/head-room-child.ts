/**
 * A process of its own for `stack.test.ts`: goes down until the stack ends, and prints how many levels were left when
 * the check first failed. `head-room-child.ts probe` looks at the kernel's probe; V8 is started with flags that choose
 * the compiler. `head-room-child.ts room COMPILER` looks at a function that calls `room`, as proxies do, and was
 * compiled by that; needs `--allow-natives-syntax`.
 */
import { makeProbe } from "../../kernel/proxy/modules.ts";
import { room } from "../../kernel/proxy/room.ts";

const [what, compiler] = process.argv.slice(2);

/** Built from text, since no other compiler knows the names of V8's own functions. */
const native = (...code: [...string[], string]): Function => new Function(...code);

function proxy(): (depth: number) => void {
  const make = native("room", "return function $proxy(depth) { room(depth); return depth; }");
  const f = make(room) as (depth: number) => void;
  native("f", "%PrepareFunctionForOptimization(f)")(f);
  for (let i = 0; i < 10; i++) f(i);
  const compile: Record<string, string> = {
    interpreter: "",
    baseline: "%CompileBaseline(f)",
    middle: "%OptimizeMaglevOnNextCall(f)",
    best: "%OptimizeFunctionOnNextCall(f)",
  };
  native("f", compile[compiler!]!)(f);
  f(0);
  return f;
}

const check = what === "room" ? proxy() : makeProbe();
if (what === "room") native("f", "%NeverOptimizeFunction(f)")(descend);
check(0 as never);
let failed = -1;
let deepest = 0;

function descend(level: number): void {
  deepest = level;
  if (failed < 0) {
    try {
      check(0 as never);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      failed = level;
    }
  }
  descend(level + 1);
}

try {
  descend(0);
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
}
process.stdout.write(`${deepest - failed}\n`);
