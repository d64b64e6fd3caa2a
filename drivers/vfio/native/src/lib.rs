//! The native shim: what Samara needs of Linux and Node does not offer.
//!
//! Owns file descriptors, memory mappings and the threads that wait for them; no protocol and no policy, those are
//! TypeScript. Invariants: every size and offset is checked here before it becomes an address, whoever gave it; no
//! function panics; each error names the call's errno and the path or descriptor that it was about.

mod channel;
mod descriptor;
mod device;
mod error;
mod interrupts;
mod mapping;
mod memory;
mod tap;
