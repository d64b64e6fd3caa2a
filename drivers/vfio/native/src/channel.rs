//! UNIX sockets that carry messages and file descriptors.
//!
//! Owns the framing: a message begins with 16 bytes, of which 4 … 7 are its size (vfio-user protocol, "Header"). What
//! the rest means is TypeScript's. Invariants: never more is read or kept than the caller's buffer and 16 descriptors
//! hold, whatever a peer announces; every wait has an end.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use napi::Result;
use napi_derive::napi;
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

use crate::descriptor::{Descriptor, take};
use crate::error::{invalid, last, protocol, system};
use crate::interrupts::Interrupts;
use crate::memory::View;

const HEADER: usize = 16;
/// Most descriptors with one message: what QEMU sends and takes at most.
const MOST_DESCRIPTORS: usize = 16;
/// How long a peer may take for the rest of a message that it has begun, and to take one of ours.
const STALL: Duration = Duration::from_secs(2);

/// Waits until a descriptor can be read. False when the time is over.
fn readable(fd: RawFd, until: Instant) -> Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up, so that a wait of half a millisecond is no spin.
        let millis = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, which is a local.
        match unsafe { libc::poll(&mut poll, 1, millis) } {
            0 => return Ok(false),
            n if n > 0 => return Ok(true),
            _ if std::io::Error::last_os_error().kind() == ErrorKind::Interrupted => continue,
            _ => return Err(last("poll of a socket")),
        }
    }
}

fn after_millis(millis: u32) -> Instant {
    Instant::now() + Duration::from_millis(u64::from(millis))
}

/// One end of a connection.
#[napi]
pub struct Channel {
    stream: Option<UnixStream>,
    name: String,
    /// What goes with the next message.
    outgoing: Vec<OwnedFd>,
    /// What came with the last one.
    incoming: Vec<OwnedFd>,
}

impl Channel {
    fn new(stream: UnixStream, name: String) -> Result<Channel> {
        stream.set_write_timeout(Some(STALL)).map_err(|e| system(&name, &e))?;
        Ok(Channel {
            stream: Some(stream),
            name,
            outgoing: Vec::new(),
            incoming: Vec::new(),
        })
    }

    fn stream(&self) -> Result<&UnixStream> {
        self.stream
            .as_ref()
            .ok_or_else(|| invalid(format!("{}: closed", self.name)))
    }

    /// Fills `part` and collects descriptors. False when the peer closed before the first byte.
    fn fill(&mut self, part: &mut [u8], until: Instant) -> Result<bool> {
        let mut done = 0;
        while done < part.len() {
            let stream = self.stream()?;
            if !readable(stream.as_raw_fd(), until)? {
                return Err(protocol(&self.name, "the peer stopped in the middle of a message"));
            }
            let rest = part.get_mut(done..).unwrap_or_default();
            let mut fds = [-1; MOST_DESCRIPTORS];
            let mut pieces = [libc::iovec {
                iov_base: rest.as_mut_ptr().cast(),
                iov_len: rest.len(),
            }];
            // SAFETY: one piece, which is the rest of `part`.
            let (read, count) = match unsafe { stream.recv_with_fds(&mut pieces, &mut fds) } {
                Ok(got) => got,
                Err(e) if e.errno() == libc::EINTR => continue,
                Err(e) => return Err(system(&self.name, &std::io::Error::from_raw_os_error(e.errno()))),
            };
            for fd in fds.iter().take(count) {
                // SAFETY: the kernel has just made it for us.
                self.incoming.push(unsafe { take(*fd) });
            }
            if self.incoming.len() > MOST_DESCRIPTORS {
                return Err(protocol(&self.name, "too many descriptors with one message"));
            }
            if read == 0 && done == 0 {
                return Ok(false);
            }
            if read == 0 {
                return Err(protocol(&self.name, "the peer closed in the middle of a message"));
            }
            done += read;
        }
        Ok(true)
    }
}

#[napi]
impl Channel {
    #[napi(factory)]
    pub fn connect(path: String) -> Result<Channel> {
        let stream = UnixStream::connect(&path).map_err(|e| system(&path, &e))?;
        Channel::new(stream, path)
    }

    /// Sends a descriptor with the next message. The caller keeps its own.
    #[napi]
    pub fn attach(&mut self, descriptor: &Descriptor) -> Result<()> {
        self.outgoing.push(descriptor.copy()?);
        Ok(())
    }

    /// Sends the eventfds of vectors `first` … with the next message.
    #[napi]
    pub fn attach_vectors(&mut self, interrupts: &Interrupts, first: u32, count: u32) -> Result<()> {
        for vector in interrupts.eventfds().iter().skip(first as usize).take(count as usize) {
            // SAFETY: fcntl on an eventfd that the set owns.
            let copy = unsafe { libc::fcntl(vector.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) };
            if copy < 0 {
                return Err(last("copy of an eventfd"));
            }
            // SAFETY: just made, ours.
            self.outgoing.push(unsafe { take(copy) });
        }
        Ok(())
    }

    /// Sends the first `length` bytes of `from` as they are, with what was attached.
    #[napi]
    pub fn send(&mut self, from: View, length: u32) -> Result<()> {
        let outgoing = std::mem::take(&mut self.outgoing);
        let bytes = from
            .bytes()
            .get(..length as usize)
            .ok_or_else(|| invalid("more bytes than there are"))?;
        let mut stream = self.stream()?;
        let mut sent = 0;
        if !outgoing.is_empty() {
            let fds: Vec<RawFd> = outgoing.iter().map(AsRawFd::as_raw_fd).collect();
            let count = stream.send_with_fds(&[bytes], &fds);
            sent = count.map_err(|e| system(&self.name, &std::io::Error::from_raw_os_error(e.errno())))?;
        }
        stream
            .write_all(bytes.get(sent..).unwrap_or_default())
            .map_err(|e| system(&self.name, &e))
    }

    /// Waits up to `millis` for a message and reads it. → its size; 0: the peer closed; -1: nothing came.
    /// After an error the stream is of no more use.
    #[napi]
    pub fn receive(&mut self, mut into: View, millis: u32) -> Result<i32> {
        self.incoming.clear();
        if !readable(self.stream()?.as_raw_fd(), after_millis(millis))? {
            return Ok(-1);
        }
        let until = Instant::now() + STALL;
        let mut header = [0; HEADER];
        if !self.fill(&mut header, until)? {
            return Ok(0);
        }
        let size = header
            .get(4..8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_ne_bytes) as usize;
        let buffer = into.bytes_mut();
        if size < HEADER || size > buffer.len() {
            return Err(protocol(
                &self.name,
                format!("a message of {size} bytes; {HEADER} to {} fit", buffer.len()),
            ));
        }
        let (first, rest) = buffer.split_at_mut(HEADER);
        first.copy_from_slice(&header);
        let rest = rest.get_mut(..size - HEADER).unwrap_or_default();
        if !rest.is_empty() && !self.fill(rest, until)? {
            return Err(protocol(&self.name, "the peer closed after a header"));
        }
        Ok(size as i32)
    }

    /// The descriptors that came with the last message, in order.
    #[napi]
    pub fn take_descriptors(&mut self) -> Vec<Descriptor> {
        std::mem::take(&mut self.incoming)
            .into_iter()
            .map(Descriptor::new)
            .collect()
    }

    #[napi]
    pub fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Fails when the peer was first.
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.outgoing.clear();
        self.incoming.clear();
    }
}

/// A socket that waits for peers. Only the user's own processes reach it.
#[napi]
pub struct Listener {
    listener: Option<UnixListener>,
    path: String,
}

#[napi]
impl Listener {
    #[napi(factory)]
    pub fn bind(path: String) -> Result<Listener> {
        let listener = UnixListener::bind(&path).map_err(|e| system(&path, &e))?;
        listener.set_nonblocking(true).map_err(|e| system(&path, &e))?;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).map_err(|e| system(&path, &e))?;
        Ok(Listener {
            listener: Some(listener),
            path,
        })
    }

    /// Waits up to `millis` for a peer.
    #[napi]
    pub fn accept(&self, millis: u32) -> Result<Option<Channel>> {
        let listener = self
            .listener
            .as_ref()
            .ok_or_else(|| invalid(format!("{}: closed", self.path)))?;
        if !readable(listener.as_raw_fd(), after_millis(millis))? {
            return Ok(None);
        }
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).map_err(|e| system(&self.path, &e))?;
                Channel::new(stream, self.path.clone()).map(Some)
            }
            // The peer has gone again, or a signal came.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(e) if e.kind() == ErrorKind::ConnectionAborted => Ok(None),
            Err(e) => Err(system(&self.path, &e)),
        }
    }

    /// Takes the socket away from the file system too.
    #[napi]
    pub fn close(&mut self) {
        if self.listener.take().is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}
