/**
 * The heap intrinsics as AssemblyScript sees them.
 *
 * Owns the declarations only: names and signatures are those of the kernel's table, and the kernel's loader replaces
 * every call by checked inline code. Invariant: nothing here is exported to a domain's own code except through typed
 * wrappers.
 */

// Loads: (handle, offset) → value. Stores are value-first: (value, handle, offset). Offsets are unsigned bytes.
// @ts-ignore: decorator
@external("heap", "load_u8") export declare function load_u8(handle: u32, offset: u32): u8;
// @ts-ignore: decorator
@external("heap", "load_i8") export declare function load_i8(handle: u32, offset: u32): i8;
// @ts-ignore: decorator
@external("heap", "load_u16") export declare function load_u16(handle: u32, offset: u32): u16;
// @ts-ignore: decorator
@external("heap", "load_i16") export declare function load_i16(handle: u32, offset: u32): i16;
// @ts-ignore: decorator
@external("heap", "load_i32") export declare function load_i32(handle: u32, offset: u32): i32;
// @ts-ignore: decorator
@external("heap", "load_i64") export declare function load_i64(handle: u32, offset: u32): i64;
// @ts-ignore: decorator
@external("heap", "load_f32") export declare function load_f32(handle: u32, offset: u32): f32;
// @ts-ignore: decorator
@external("heap", "load_f64") export declare function load_f64(handle: u32, offset: u32): f64;
// @ts-ignore: decorator
@external("heap", "store_i8") export declare function store_i8(value: i32, handle: u32, offset: u32): void;
// @ts-ignore: decorator
@external("heap", "store_i16") export declare function store_i16(value: i32, handle: u32, offset: u32): void;
// @ts-ignore: decorator
@external("heap", "store_i32") export declare function store_i32(value: i32, handle: u32, offset: u32): void;
// @ts-ignore: decorator
@external("heap", "store_i64") export declare function store_i64(value: i64, handle: u32, offset: u32): void;
// @ts-ignore: decorator
@external("heap", "store_f32") export declare function store_f32(value: f32, handle: u32, offset: u32): void;
// @ts-ignore: decorator
@external("heap", "store_f64") export declare function store_f64(value: f64, handle: u32, offset: u32): void;

// Peeks read the object in a slot of a container, in place: (container, slot, offset) → value.
// @ts-ignore: decorator
@external("heap", "peek_u8") export declare function peek_u8(container: u32, slot: u32, offset: u32): u8;
// @ts-ignore: decorator
@external("heap", "peek_u16") export declare function peek_u16(container: u32, slot: u32, offset: u32): u16;
// @ts-ignore: decorator
@external("heap", "peek_i32") export declare function peek_i32(container: u32, slot: u32, offset: u32): i32;
// @ts-ignore: decorator
@external("heap", "peek_i64") export declare function peek_i64(container: u32, slot: u32, offset: u32): i64;

// @ts-ignore: decorator
@external("heap", "size") export declare function size(handle: u32): u32;
// @ts-ignore: decorator
@external("heap", "put") export declare function put(handle: u32, container: u32, slot: u32): void;
// @ts-ignore: decorator
@external("heap", "take") export declare function take(container: u32, slot: u32): u32;
// @ts-ignore: decorator
@external("heap", "has") export declare function has(container: u32, slot: u32): i32;
// @ts-ignore: decorator
@external("heap", "push") export declare function push(handle: u32, deque: u32): i32;
// @ts-ignore: decorator
@external("heap", "pop") export declare function pop(deque: u32): u32;
// @ts-ignore: decorator
@external("heap", "len") export declare function len(deque: u32): i32;
// @ts-ignore: decorator
@external("heap", "push_n") export declare function push_n(pointer: usize, count: i32, deque: u32): i32;
// @ts-ignore: decorator
@external("heap", "pop_n") export declare function pop_n(pointer: usize, count: i32, deque: u32): i32;
// @ts-ignore: decorator
@external("heap", "copy_in") export declare function copy_in(pointer: usize, length: u32, handle: u32, at: u32): void;
// @ts-ignore: decorator
@external("heap", "copy_out") export declare function copy_out(pointer: usize, length: u32, handle: u32, at: u32): void;
// @ts-ignore: decorator
@external("heap", "copy") export declare function copy(from: u32, fromAt: u32, length: u32, to: u32, toAt: u32): void;
// @ts-ignore: decorator
@external("heap", "fill") export declare function fill(byte: i32, length: u32, handle: u32, at: u32): void;

// Kernel calls.
// @ts-ignore: decorator
@external("heap", "free") export declare function free(handle: u32): void;
// @ts-ignore: decorator
@external("heap", "resize") export declare function resize(handle: u32, size: u32): i32;
