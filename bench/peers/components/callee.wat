;; The component that is called. Owns nothing but a counter and a buffer: `null` counts, so that no compiler may drop
;; the call; `bytes` reads one byte of what it was given, so that the copy has to happen. Its realloc hands out the same
;; buffer each time, the cheapest that the component model allows.
(component $callee
  (core module $code
    (memory (export "memory") 1)
    (global $calls (mut i32) (i32.const 0))
    (func (export "null")
      (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
    (func (export "bytes") (param $at i32) (param $length i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 1))))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.const 1024)))
  (core instance $core (instantiate $code))
  (alias core export $core "memory" (core memory $memory))
  (alias core export $core "null" (core func $core-null))
  (alias core export $core "bytes" (core func $core-bytes))
  (alias core export $core "realloc" (core func $core-realloc))
  (func $null (canon lift (core func $core-null)))
  (func $bytes (param "data" (list u8)) (result u32)
    (canon lift (core func $core-bytes) (memory $memory) (realloc $core-realloc)))
  (instance $target
    (export "null" (func $null))
    (export "bytes" (func $bytes)))
  (export "samara:bench/target" (instance $target)))
