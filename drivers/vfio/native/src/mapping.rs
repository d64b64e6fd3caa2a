//! Memory of devices and of peers, as ArrayBuffers.
//!
//! Owns each mapping from its mmap to its munmap. Invariant: JavaScript reaches the bytes while they are mapped and
//! never after: `close` detaches the buffer first, and a page that goes away below us (a device that lost its memory
//! decoding, a file that its owner cut off) reads as all ones instead of ending the process.

use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use napi::bindgen_prelude::ArrayBuffer;
use napi::{Env, Result};
use napi_derive::napi;

use crate::error::{invalid, last, whole};

/// Mappings that the SIGBUS handler knows. A device has a few, a virtual machine's memory some hundreds.
const GUARDED: usize = 4096;
/// Start and end of each; start 0 = free, 1 = being entered.
static STARTS: [AtomicUsize; GUARDED] = [const { AtomicUsize::new(0) }; GUARDED];
static ENDS: [AtomicUsize; GUARDED] = [const { AtomicUsize::new(0) }; GUARDED];
static PAGE: AtomicUsize = AtomicUsize::new(4096);
static INSTALL: Once = Once::new();

/// Replaces the page that could not be reached by one of ones, as a bus answers for a device that is gone.
extern "C" fn on_bus_error(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo_t to a handler that was installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    let ours = STARTS.iter().zip(ENDS.iter()).any(|(start, end)| {
        let start = start.load(Ordering::SeqCst);
        start > 1 && address >= start && address < end.load(Ordering::SeqCst)
    });
    let size = PAGE.load(Ordering::SeqCst);
    if ours {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let page = (address & !(size - 1)) as *mut libc::c_void;
        // SAFETY: the page lies in a mapping of ours, which starts and ends at pages; mmap is a bare system call.
        if unsafe { libc::mmap(page, size, protection, flags, -1, 0) } != libc::MAP_FAILED {
            // SAFETY: just mapped for writing, `size` bytes.
            unsafe { ptr::write_bytes(page.cast::<u8>(), 0xff, size) };
            return;
        }
    }
    // Not ours: the default action, on the instruction that is tried again.
    // SAFETY: signal() is async-signal-safe.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
}

/// Installed with the first mapping, for the life of the process.
fn install() -> io::Result<()> {
    let mut result = Ok(());
    INSTALL.call_once(|| {
        // SAFETY: sysconf has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if let Ok(page) = usize::try_from(page) {
            PAGE.store(page, Ordering::SeqCst);
        }
        // SAFETY: all zeroes is a valid sigaction; its fields are set below.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `action` is initialised; the handler makes async-signal-safe calls alone.
        if unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) } != 0 {
            result = Err(io::Error::last_os_error());
        }
    });
    result
}

/// A mapping; unmapped when nobody holds it any more, or by `unmap`.
pub struct Region {
    address: usize,
    bytes: usize,
    slot: Option<usize>,
    mapped: AtomicBool,
}

impl Region {
    /// Maps part of a file, device or memfd.
    pub fn new(fd: RawFd, offset: u64, bytes: u64, write: bool, what: &str) -> Result<Arc<Region>> {
        let length = usize::try_from(bytes)
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| invalid(format!("{what}: no bytes")))?;
        let at = libc::off_t::try_from(offset).map_err(|_| invalid(format!("{what}: offset {offset}")))?;
        install().map_err(|e| crate::error::system("sigaction(SIGBUS)", &e))?;
        let protection = if write {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let address = unsafe { libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, at) };
        if address == libc::MAP_FAILED {
            return Err(last(format!("{what}: mmap of {bytes} bytes at {offset}")));
        }
        let address = address as usize;
        let slot = STARTS
            .iter()
            .position(|start| start.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok());
        let region = Region {
            address,
            bytes: length,
            slot,
            mapped: AtomicBool::new(true),
        };
        let Some((start, end)) = slot.and_then(|slot| Some((STARTS.get(slot)?, ENDS.get(slot)?))) else {
            return Err(invalid(format!("{what}: {GUARDED} mappings exist")));
        };
        let page = PAGE.load(Ordering::SeqCst);
        end.store(address + length.next_multiple_of(page), Ordering::SeqCst);
        start.store(address, Ordering::SeqCst);
        Ok(Arc::new(region))
    }

    fn unmap(&self) {
        if !self.mapped.swap(false, Ordering::SeqCst) {
            return;
        }
        // SAFETY: our own mapping, of this address and size, and this is the one time.
        unsafe { libc::munmap(self.address as *mut libc::c_void, self.bytes) };
        if let Some(start) = self.slot.and_then(|slot| STARTS.get(slot)) {
            start.store(0, Ordering::SeqCst);
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.unmap();
    }
}

/// What JavaScript holds.
#[napi]
pub struct Mapping {
    region: Arc<Region>,
    lent: AtomicBool,
}

impl Mapping {
    pub fn new(region: Arc<Region>) -> Mapping {
        Mapping {
            region,
            lent: AtomicBool::new(false),
        }
    }

    /// Address of a whole 32-bit word inside.
    fn word(&self, offset: f64) -> Result<*mut u32> {
        let at = whole(offset, "offset")? as usize;
        let fits = at.is_multiple_of(4) && at.checked_add(4).is_some_and(|end| end <= self.region.bytes);
        if !fits || !self.region.mapped.load(Ordering::SeqCst) {
            return Err(invalid(format!(
                "word {at} of a mapping of {} bytes",
                self.region.bytes
            )));
        }
        Ok((self.region.address + at) as *mut u32)
    }
}

#[napi]
impl Mapping {
    /// The bytes as an ArrayBuffer. Once: two buffers of the same memory are one too many for the engine.
    #[napi]
    pub fn buffer<'a>(&self, env: &'a Env) -> Result<ArrayBuffer<'a>> {
        if self.lent.swap(true, Ordering::SeqCst) {
            return Err(invalid("the buffer of this mapping was already made"));
        }
        let (address, bytes) = (self.region.address as *mut u8, self.region.bytes);
        let hold = self.region.clone();
        // SAFETY: `hold` keeps the memory mapped until the engine has finalised the buffer; `close` detaches it first.
        unsafe { ArrayBuffer::from_external(env, address, bytes, hold, |_, hold| drop(hold)) }
    }

    /// Detaches the buffer, so that every view of it is empty, and unmaps the memory.
    #[napi]
    pub fn close(&self, buffer: ArrayBuffer) -> Result<()> {
        if buffer.as_ptr() as usize != self.region.address {
            return Err(invalid("this buffer is not of this mapping"));
        }
        buffer.detach()?;
        self.region.unmap();
        Ok(())
    }

    /// One 32-bit load, where typed arrays promise no such thing (`vfio.ts` says where).
    #[napi]
    pub fn load32(&self, offset: f64) -> Result<u32> {
        let word = self.word(offset)?;
        // SAFETY: aligned, inside, mapped: `word` looked.
        Ok(unsafe { ptr::read_volatile(word) })
    }

    /// One 32-bit store, after everything that was stored before.
    #[napi]
    pub fn store32(&self, offset: f64, value: u32) -> Result<()> {
        let word = self.word(offset)?;
        std::sync::atomic::fence(Ordering::SeqCst);
        // SAFETY: aligned, inside, mapped: `word` looked.
        unsafe { ptr::write_volatile(word, value) };
        Ok(())
    }
}
