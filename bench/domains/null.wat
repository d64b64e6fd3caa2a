;; The two domains of `direct` and `trampoline`, one module: `null` is called, `run` calls its import n times. The same
;; text is admitted twice, so that caller and callee are lowered as every domain is, ticks included.
(module
  (import "Bench$0000000000000000" "null" (func $null (param i32) (result i32)))
  (global $calls (mut i32) (i32.const 0))
  (func (export "null") (param $self i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.const 0))
  ;; The same without the object's number: what a capability table can hold as it is.
  (func (export "direct") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.const 0))
  (func (export "calls") (result i32)
    (global.get $calls))
  (func (export "run") (param $n i32) (result i32)
    (local $failed i32)
    (loop $again
      (local.set $failed (i32.or (local.get $failed) (call $null (i32.const 1024))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $failed)))
