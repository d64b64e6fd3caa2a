//! Tells the program which Wasmtime it was built with, from the lock file, so that the table never lies about it.
use std::fs;

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock is committed beside Cargo.toml");
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"wasmtime\"");
    let version = lines.nth(1).and_then(|line| line.split('"').nth(1)).expect("wasmtime is in Cargo.lock");
    println!("cargo:rustc-env=WASMTIME_VERSION={version}");
}
