/**
 * The domains of the load benchmark: WebAssembly text of any size, made of functions as compilers write them.
 *
 * Invariant: the same size gives the same text, and `main` ends after calling one function, so that the time of a
 * start is that of loading and not of the program.
 */

/** Digits that `withNonce` replaces, in the module's data: no two modules with different ones are the same bytes. */
const NONCE = "nonce-0000000000";

/** One function of about 170 bytes: a loop over heap and memory, a branch, a call of an earlier function. */
function functionText(i: number): string {
  const callee = i === 0 ? "(local.get $b)" : `(call $f${Math.floor(i / 2)} (local.get $b) (local.get $n))`;
  return `
  (func $f${i} (export "f${i}") (param $h i32) (param $n i32) (result i32)
    (local $a i32) (local $b i32) (local $wide i64)
    (local.set $b (i32.const ${i * 7919}))
    (if (i32.lt_s (local.get $n) (i32.const 1)) (then (return (local.get $b))))
    (loop $again
      (local.set $a (i32.add (local.get $a) (call $load (local.get $h) (i32.const ${(i * 4) & 60}))))
      (local.set $b (i32.xor (i32.rotl (local.get $b) (i32.const 5)) (local.get $a)))
      (i32.store offset=${256 + (i & 255) * 4} (i32.and (local.get $b) (i32.const 1020)) (local.get $a))
      (local.set $wide (i64.add (local.get $wide) (i64.mul (i64.extend_i32_u (local.get $b)) (i64.const ${i + 3}))))
      (call $store (local.get $b) (local.get $h) (i32.const ${(i * 8) & 56}))
      (if (i32.eqz (i32.and (local.get $b) (i32.const 15)))
        (then (local.set $a (i32.sub (local.get $a) (i32.wrap_i64 (local.get $wide)))))
        (else (local.set $a (i32.load8_u offset=1024 (i32.and (local.get $a) (i32.const 255))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add (local.get $a) ${callee}))`;
}

/** Text of a domain with `functions` functions, about 200 bytes of module each. */
export function domainText(functions: number): string {
  return `(module
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "${NONCE}")${Array.from({ length: functions }, (_, i) => functionText(i)).join("")}
  (func (export "main") (drop (call $f${functions - 1} (i32.const 0) (i32.const 0)))))`;
}

/** A copy of the module that no cache has seen. `serial` below 10^10. */
export function withNonce(bytes: Uint8Array, serial: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  const at = Buffer.from(copy.buffer).indexOf(NONCE);
  if (at < 0) throw new Error("the module holds no nonce");
  copy.set(new TextEncoder().encode(`nonce-${serial.toString().padStart(10, "0")}`), at);
  return copy;
}
