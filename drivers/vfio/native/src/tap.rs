//! TAP interfaces: Ethernet frames between this process and the machine's network, many at a time.
//!
//! Source: Linux, Documentation/networking/tuntap.rst. Invariants: a frame is passed whole or not at all; the event loop
//! is told once that frames have come, and again only after all of them were read.

use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, IoSliceMut, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::thread::JoinHandle;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Result, Status};
use napi_derive::napi;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

use crate::error::{invalid, last, system};
use crate::interrupts::Wake;
use crate::memory::{View, Words};

const DEVICE: &str = "/dev/net/tun";
const FRAMES: u64 = 0;
const STOP: u64 = 1;

struct Shared {
    file: File,
    stop: EventFd,
    epoll: Epoll,
}

impl Shared {
    /// One shot: the descriptor is not looked at again before `arm`.
    fn arm(&self, operation: ControlOperation) -> std::io::Result<()> {
        let event = EpollEvent::new(EventSet::IN | EventSet::ONE_SHOT, FRAMES);
        self.epoll.ctl(operation, self.file.as_raw_fd(), event)
    }

    fn run(&self, wake: &Wake) {
        let mut events = [EpollEvent::default(); 2];
        loop {
            let ready = match self.epoll.wait(-1, &mut events) {
                Ok(ready) => ready,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let stop = events.iter().take(ready).any(|event| event.data() == STOP);
            if stop || wake.call((), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
                return;
            }
        }
    }
}

/// Opens or makes an interface. → its name, as the system made it.
fn attach(file: &File, name: &str) -> Result<String> {
    let wanted = CString::new(name).map_err(|_| invalid("a name with a zero byte"))?;
    let bytes = wanted.as_bytes_with_nul();
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if bytes.len() > request.ifr_name.len() {
        return Err(invalid(format!(
            "\"{name}\": a name has at most {} bytes",
            request.ifr_name.len() - 1
        )));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) } < 0 {
        return Err(last(format!("{DEVICE}: interface \"{name}\"")));
    }
    Ok(request
        .ifr_name
        .iter()
        .take_while(|c| **c != 0)
        .map(|c| *c as u8 as char)
        .collect())
}

#[napi]
pub struct Tap {
    shared: Option<Arc<Shared>>,
    thread: Option<JoinHandle<()>>,
    name: String,
}

impl Tap {
    fn shared(&self) -> Result<&Arc<Shared>> {
        self.shared
            .as_ref()
            .ok_or_else(|| invalid(format!("{}: closed", self.name)))
    }
}

#[napi]
impl Tap {
    /// `name`: of an interface, which is made when there is none; `%d` in it stands for a number of the system's choice.
    /// `readable` is called from the event loop when frames have come. Keeps the process alive until `close`.
    #[napi(constructor)]
    pub fn new(name: String, readable: Function<(), ()>) -> Result<Tap> {
        let open = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(DEVICE);
        let file = open.map_err(|e| system(DEVICE, &e))?;
        let name = attach(&file, &name)?;
        let wake: Wake = readable.build_threadsafe_function().build()?;
        let made = || -> std::io::Result<Shared> {
            let stop = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
            let shared = Shared {
                file,
                stop,
                epoll: Epoll::new()?,
            };
            shared.arm(ControlOperation::Add)?;
            let event = EpollEvent::new(EventSet::IN, STOP);
            shared
                .epoll
                .ctl(ControlOperation::Add, shared.stop.as_raw_fd(), event)?;
            Ok(shared)
        };
        let shared = Arc::new(made().map_err(|e| system(&name, &e))?);
        let waiting = shared.clone();
        let thread = std::thread::Builder::new()
            .name("samara-tap".to_owned())
            .spawn(move || waiting.run(&wake))
            .map_err(|e| system("TAP thread", &e))?;
        Ok(Tap {
            shared: Some(shared),
            thread: Some(thread),
            name,
        })
    }

    #[napi(getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Reads frames into places of `stride` bytes, their lengths into `lengths`. → how many; fewer than there are places
    /// when all were read. Longer frames than a place are dropped.
    #[napi]
    pub fn read(&self, mut into: View, stride: u32, mut lengths: Words) -> Result<u32> {
        let shared = self.shared()?;
        let mut places = into
            .bytes_mut()
            .chunks_exact_mut(stride.max(1) as usize)
            .zip(lengths.words());
        let mut count = 0;
        let mut place = places.next();
        while let Some((bytes, length)) = place.take() {
            // A byte more than fits tells a frame that fills its place from one that does not fit.
            let mut spill = [0u8; 1];
            let most = bytes.len();
            match (&shared.file).read_vectored(&mut [IoSliceMut::new(bytes), IoSliceMut::new(&mut spill)]) {
                Ok(read) if read <= most => {
                    *length = read as u32;
                    count += 1;
                    place = places.next();
                }
                Ok(_) => place = Some((bytes, length)),
                Err(e) if e.kind() == ErrorKind::Interrupted => place = Some((bytes, length)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    shared
                        .arm(ControlOperation::Modify)
                        .map_err(|e| system(&self.name, &e))?;
                    break;
                }
                Err(e) => return Err(system(format!("{}: read", self.name), &e)),
            }
        }
        Ok(count)
    }

    /// Writes the first `count` frames. → how many were taken: fewer when the system's queue is full.
    #[napi]
    pub fn write(&self, from: View, stride: u32, mut lengths: Words, count: u32) -> Result<u32> {
        let shared = self.shared()?;
        let frames = from.bytes().chunks_exact(stride.max(1) as usize).zip(lengths.words());
        let mut taken = 0;
        for (bytes, length) in frames.take(count as usize) {
            let frame = bytes.get(..*length as usize);
            let frame =
                frame.ok_or_else(|| invalid(format!("{}: a frame of {length} bytes in {stride}", self.name)))?;
            match (&shared.file).write(frame) {
                Ok(_) => taken += 1,
                Err(e) if e.kind() == ErrorKind::WouldBlock || e.raw_os_error() == Some(libc::ENOBUFS) => break,
                Err(e) => return Err(system(format!("{}: frame {taken} of {length} bytes", self.name), &e)),
            }
        }
        Ok(taken)
    }

    /// An interface that was made for this disappears.
    #[napi]
    pub fn close(&mut self) {
        if let Some(thread) = self.thread.take() {
            if let Some(shared) = &self.shared {
                let _ = shared.stop.write(1);
            }
            let _ = thread.join();
        }
        self.shared = None;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.close();
    }
}
