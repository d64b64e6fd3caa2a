//! The Wasmtime peer of the crossing benchmark: two components composed into one, the caller looping over the callee's
//! function. It owns its engines only; text, counts and statistics are the harness's (bench/crossing/mechanisms).
//!
//! Protocol, one line each way. Arguments: path of the composed component, path of the calibration chain. First
//! line out: `{"version", "options"}`. Then `ENGINE CASE N BYTES` in (`inlined null 1000 0`) and
//! `{"ns": ns per call, "cyclesPerNs": x}` out, until the input ends. Every error ends the process with a message.
use std::io::{BufRead, Write};
use std::time::Instant;
use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Config, Engine, Error, Inlining, Instance, Module, OptLevel, Store};

type Result<T> = std::result::Result<T, Error>;

/// What the harness prints beside the figures; keep it equal to `engine`.
const OPTIONS: &str = "Cranelift, opt-level speed, release build; epochs, fuel, concurrency support and \
    backtraces off; signals-based traps and 4 GiB reservations with guard pages, so no bounds checks (defaults)";

fn engine(inlining: Inlining) -> Result<Engine> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.compiler_inlining(inlining);
    config.signals_based_traps(true);
    config.memory_may_move(false);
    config.memory_init_cow(true);
    config.consume_fuel(false);
    config.epoch_interruption(false);
    config.wasm_backtrace_max_frames(None);
    config.concurrency_support(false);
    Engine::new(&config)
}

/// One engine with the composed component in it.
struct Subject {
    store: Store<()>,
    null: TypedFunc<(u32,), ()>,
    bytes: TypedFunc<(u32, u32), (u32,)>,
}

impl Subject {
    fn new(inlining: Inlining, component: &str) -> Result<Subject> {
        let engine = engine(inlining)?;
        let component = Component::from_file(&engine, component)?;
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
        let null = instance.get_typed_func(&mut store, "run-null")?;
        let bytes = instance.get_typed_func(&mut store, "run-bytes")?;
        Ok(Subject { store, null, bytes })
    }

    fn run(&mut self, case: &str, n: u32, length: u32) -> Result<()> {
        match case {
            "null" => self.null.call(&mut self.store, (n,)),
            "bytes" => {
                let (sum,) = self.bytes.call(&mut self.store, (n, length))?;
                // The caller's 64th byte is a one: a copy that did not happen would show.
                let right = length != 64 || sum == n;
                if right { Ok(()) } else { Err(Error::msg(format!("{n} answers came to {sum}"))) }
            }
            _ => Err(Error::msg(format!("unknown case {case:?}"))),
        }
    }
}

/// The chain of dependent additions that tells the core's clock, the same text that the harness runs.
struct Chain {
    store: Store<()>,
    run: wasmtime::TypedFunc<i32, i64>,
    /// Additions per unit of the argument.
    length: f64,
}

impl Chain {
    fn new(path: &str, length: f64) -> Result<Chain> {
        let engine = engine(Inlining::No)?;
        let module = Module::from_file(&engine, path)?;
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let run = instance.get_typed_func(&mut store, "chain")?;
        Ok(Chain { store, run, length })
    }

    fn cycles_per_ns(&mut self) -> Result<f64> {
        const ROUNDS: i32 = 300;
        let start = Instant::now();
        self.run.call(&mut self.store, ROUNDS)?;
        Ok(f64::from(ROUNDS) * self.length / start.elapsed().as_nanos() as f64)
    }
}

fn answer(line: &str, subjects: &mut [(&str, Subject)], chain: &mut Chain) -> Result<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [engine, case, n, length] = words[..] else {
        return Err(Error::msg(format!("expected ENGINE CASE N BYTES, got {line:?}")));
    };
    let (n, length): (u32, u32) = (n.parse()?, length.parse()?);
    let subject = subjects.iter_mut().find(|(name, _)| *name == engine).map(|(_, subject)| subject);
    let subject = subject.ok_or_else(|| Error::msg(format!("unknown engine {engine:?}")))?;
    let before = chain.cycles_per_ns()?;
    let start = Instant::now();
    subject.run(case, n, length)?;
    let ns = start.elapsed().as_nanos() as f64 / f64::from(n);
    let after = chain.cycles_per_ns()?;
    Ok(format!("{{\"ns\": {ns}, \"cyclesPerNs\": {}}}", before.max(after)))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, component, chain, length] = &arguments[..] else {
        return Err(Error::msg("usage: samara-peer-wasmtime COMPOSED.wat CHAIN.wat ADDITIONS"));
    };
    let mut subjects = [
        ("inlined", Subject::new(Inlining::Yes, component)?),
        ("called", Subject::new(Inlining::Intrinsics, component)?),
    ];
    let mut chain = Chain::new(chain, length.parse()?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{{\"version\": \"{}\", \"options\": \"{OPTIONS}\"}}", env!("WASMTIME_VERSION"))?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", answer(&line?, &mut subjects, &mut chain)?)?;
        out.flush()?;
    }
    Ok(())
}
