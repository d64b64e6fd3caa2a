;; Wires the two components into one. The text of both stands in front of these lines (see mechanisms/components.ts).
  (instance $a (instantiate $callee))
  (alias export $a "samara:bench/target" (instance $target))
  (instance $b (instantiate $caller (with "samara:bench/target" (instance $target))))
  (alias export $b "run-null" (func $run-null))
  (alias export $b "run-bytes" (func $run-bytes))
  (export "run-null" (func $run-null))
  (export "run-bytes" (func $run-bytes))
