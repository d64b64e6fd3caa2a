//! File descriptors that JavaScript holds: memory and eventfds, our own or a peer's.
//!
//! Invariant: one owner; closed by `close` or by the collector, never twice, and never passed on to a program that is
//! started.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use napi::Result;
use napi_derive::napi;

use crate::error::{invalid, last, system, whole};
use crate::mapping::{Mapping, Region};

#[napi]
pub struct Descriptor {
    file: Option<File>,
}

impl Descriptor {
    pub fn new(fd: OwnedFd) -> Descriptor {
        Descriptor {
            file: Some(File::from(fd)),
        }
    }

    fn file(&self) -> Result<&File> {
        self.file.as_ref().ok_or_else(|| invalid("this descriptor was closed"))
    }

    /// Another descriptor of the same file.
    pub fn copy(&self) -> Result<OwnedFd> {
        self.file()?
            .try_clone()
            .map(OwnedFd::from)
            .map_err(|e| system("copy of a descriptor", &e))
    }

    pub fn raw(&self) -> Result<RawFd> {
        Ok(self.file()?.as_raw_fd())
    }
}

#[napi]
impl Descriptor {
    /// Opens a file that exists, to be shared as memory.
    #[napi(factory)]
    pub fn open(path: String) -> Result<Descriptor> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| system(&path, &e))?;
        Ok(Descriptor { file: Some(file) })
    }

    /// Maps part of what it refers to, shared.
    #[napi]
    pub fn map(&self, offset: f64, bytes: f64, write: bool) -> Result<Mapping> {
        let region = Region::new(
            self.raw()?,
            whole(offset, "offset")?,
            whole(bytes, "size")?,
            write,
            "descriptor",
        )?;
        Ok(Mapping::new(region))
    }

    /// Bytes of the file behind it; 0 for an eventfd.
    #[napi]
    pub fn size(&self) -> Result<f64> {
        let data = self.file()?.metadata().map_err(|e| system("fstat", &e))?;
        Ok(data.len() as f64)
    }

    /// Which file it is: the same for each descriptor of it.
    #[napi]
    pub fn identity(&self) -> Result<String> {
        let data = self.file()?.metadata().map_err(|e| system("fstat", &e))?;
        Ok(format!("{}:{}", data.dev(), data.ino()))
    }

    /// Adds one to an eventfd. A peer that does not read loses nothing: the count stays where it is.
    #[napi]
    pub fn signal(&self) -> Result<()> {
        match self.file()?.write(&1u64.to_ne_bytes()) {
            Ok(_) => Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => Ok(()),
            Err(e) => Err(system("eventfd", &e)),
        }
    }

    /// Makes `signal` return instead of waiting for whoever reads. Needed for an eventfd that a peer made.
    #[napi]
    pub fn nonblocking(&self) -> Result<()> {
        let fd = self.raw()?;
        // SAFETY: fcntl on a descriptor that we own reads and sets flags alone.
        let failed = unsafe {
            let flags = libc::fcntl(fd, libc::F_GETFL);
            flags < 0 || libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) < 0
        };
        if failed { Err(last("fcntl")) } else { Ok(()) }
    }

    #[napi]
    pub fn close(&mut self) {
        self.file = None;
    }
}

/// Takes over a descriptor that a system call returned, closed when another program is started.
///
/// # Safety
/// `fd` must be open and nobody else's.
pub unsafe fn take(fd: RawFd) -> OwnedFd {
    // SAFETY: setting a flag of a descriptor that is ours.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    // SAFETY: ours, says the caller.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
