//! Interrupts: eventfds that a thread waits for and hands to Node's event loop.
//!
//! Invariant: however fast a device signals, at most one call waits in the event loop; which vectors fired is kept as
//! bits, and none is lost.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use napi_derive::napi;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

use crate::error::{invalid, system};

/// Most vectors of MSI-X (PCI Local Bus 3.0, 6.8.2.3).
const MOST_VECTORS: u32 = 2048;
/// What the thread takes from epoll at once.
const BATCH: usize = 64;
const STOP: u64 = u64::MAX;

/// Calls JavaScript: nothing is passed, the callback asks `take`.
pub type Wake = ThreadsafeFunction<(), (), (), Status, false>;

struct Shared {
    vectors: Vec<EventFd>,
    pending: Vec<AtomicU32>,
    /// A call is on its way to the event loop.
    called: AtomicBool,
    stop: EventFd,
    epoll: Epoll,
}

impl Shared {
    fn new(count: u32) -> std::io::Result<Shared> {
        let flags = libc::EFD_NONBLOCK | libc::EFD_CLOEXEC;
        let vectors = (0..count)
            .map(|_| EventFd::new(flags))
            .collect::<std::io::Result<Vec<_>>>()?;
        let (stop, epoll) = (EventFd::new(flags)?, Epoll::new()?);
        let tokens = vectors
            .iter()
            .map(AsRawFd::as_raw_fd)
            .zip(0u64..)
            .chain([(stop.as_raw_fd(), STOP)]);
        for (fd, token) in tokens {
            epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(EventSet::IN, token))?;
        }
        let pending = (0..count.div_ceil(32)).map(|_| AtomicU32::new(0)).collect();
        Ok(Shared {
            vectors,
            pending,
            called: AtomicBool::new(false),
            stop,
            epoll,
        })
    }

    /// The thread's loop; ends when told, or when Node is ending.
    fn run(&self, wake: &Wake) {
        let mut events = [EpollEvent::default(); BATCH];
        loop {
            let ready = match self.epoll.wait(-1, &mut events) {
                Ok(ready) => ready,
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => continue,
                Err(_) => return,
            };
            for token in events.iter().take(ready).map(EpollEvent::data) {
                if token == STOP {
                    return;
                }
                self.note(token as usize);
            }
            if !self.called.swap(true, Ordering::SeqCst)
                && wake.call((), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok
            {
                return;
            }
        }
    }

    fn note(&self, vector: usize) {
        let Some((fd, word)) = self.vectors.get(vector).zip(self.pending.get(vector / 32)) else {
            return;
        };
        // The count does not matter: interrupts of one vector run together.
        if fd.read().is_ok() {
            word.fetch_or(1 << (vector % 32), Ordering::SeqCst);
        }
    }
}

/// A set of vectors, each an eventfd.
#[napi]
pub struct Interrupts {
    /// None: closed. The descriptors go with the last of the two that hold it, this and the thread.
    shared: Option<Arc<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[napi]
impl Interrupts {
    /// `fired` is called from the event loop when any fired. Keeps the process alive until `close`.
    #[napi(constructor)]
    pub fn new(count: u32, fired: Function<(), ()>) -> Result<Interrupts> {
        if count == 0 || count > MOST_VECTORS {
            return Err(invalid(format!("{count} vectors: 1 to {MOST_VECTORS} are possible")));
        }
        let wake: Wake = fired.build_threadsafe_function().build()?;
        let shared = Arc::new(Shared::new(count).map_err(|e| system(format!("{count} eventfds"), &e))?);
        let waiting = shared.clone();
        let thread = std::thread::Builder::new()
            .name("samara-irq".to_owned())
            .spawn(move || waiting.run(&wake))
            .map_err(|e| system("interrupt thread", &e))?;
        Ok(Interrupts {
            shared: Some(shared),
            thread: Some(thread),
        })
    }

    /// Takes the bits of vectors 32 * word …; start with word 0.
    #[napi]
    pub fn take(&self, word: u32) -> u32 {
        let Some(shared) = &self.shared else { return 0 };
        if word == 0 {
            // Before the bits are read: who sets one from here on makes another call.
            shared.called.store(false, Ordering::SeqCst);
        }
        shared
            .pending
            .get(word as usize)
            .map_or(0, |bits| bits.swap(0, Ordering::SeqCst))
    }

    /// Stops the thread and closes the eventfds. Devices have to be told first.
    #[napi]
    pub fn close(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        // Fails when the thread has ended by itself.
        let _ = shared.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Interrupts {
    /// None once it is closed.
    pub fn eventfds(&self) -> &[EventFd] {
        self.shared.as_ref().map_or(&[], |shared| &shared.vectors)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.close();
    }
}
