;; The component that calls: its exports loop, so that one entry from the host is spread over `n` calls of the import.
;; `run-bytes` passes `length` bytes by value from its own memory at 64 and sums the
;; answers: n when length is 64, since the last byte is a one.
(component $caller
  (import "samara:bench/target" (instance $target
    (export "null" (func))
    (export "bytes" (func (param "data" (list u8)) (result u32)))))
  (core module $own (memory (export "memory") 1) (data (i32.const 127) "\01"))
  (core instance $m (instantiate $own))
  (alias core export $m "memory" (core memory $memory))
  (alias export $target "null" (func $null))
  (alias export $target "bytes" (func $bytes))
  (core func $lowered-null (canon lower (func $null)))
  (core func $lowered-bytes (canon lower (func $bytes) (memory $memory)))
  (core module $code
    (import "target" "null" (func $null))
    (import "target" "bytes" (func $bytes (param i32 i32) (result i32)))
    (import "own" "memory" (memory 1))
    (func (export "run-null") (param $n i32)
      (loop $again
        (call $null)
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "run-bytes") (param $n i32) (param $length i32) (result i32)
      (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (call $bytes (i32.const 64) (local.get $length))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum)))
  (core instance $core (instantiate $code
    (with "target" (instance (export "null" (func $lowered-null)) (export "bytes" (func $lowered-bytes))))
    (with "own" (instance $m))))
  (alias core export $core "run-null" (core func $run-null))
  (alias core export $core "run-bytes" (core func $run-bytes))
  (func (export "run-null") (param "n" u32) (canon lift (core func $run-null)))
  (func (export "run-bytes") (param "n" u32) (param "length" u32) (result u32)
    (canon lift (core func $run-bytes))))
