//! Errors as JavaScript sees them: `ERRNO: what was tried: what the system says`.

use std::io;

use napi::{Error, Status};

/// Names of the errors that these calls end with; others are shown by number.
const NAMES: &[(i32, &str)] = &[
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::EINTR, "EINTR"),
    (libc::EIO, "EIO"),
    (libc::ENXIO, "ENXIO"),
    (libc::EBADF, "EBADF"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EISDIR, "EISDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::EROFS, "EROFS"),
    (libc::EPIPE, "EPIPE"),
    (libc::ERANGE, "ERANGE"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG"),
    (libc::ELOOP, "ELOOP"),
    (libc::EMSGSIZE, "EMSGSIZE"),
    (libc::EPROTO, "EPROTO"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EADDRINUSE, "EADDRINUSE"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ECONNRESET, "ECONNRESET"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
];

pub fn name(number: i32) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// What a system call said, with what it was about.
pub fn system(what: impl std::fmt::Display, error: &io::Error) -> Error {
    let number = error.raw_os_error().unwrap_or(libc::EIO);
    let reason = match name(number) {
        Some(name) => format!("{name}: {what}: {error}"),
        None => format!("errno {number}: {what}: {error}"),
    };
    Error::new(Status::GenericFailure, reason)
}

/// The same, from the calling thread's errno. Call it before anything else does.
pub fn last(what: impl std::fmt::Display) -> Error {
    system(what, &io::Error::last_os_error())
}

/// The caller's mistake, or a value of the system's that makes no sense.
pub fn invalid(what: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, format!("EINVAL: {what}"))
}

/// What a peer did against the protocol.
pub fn protocol(what: impl std::fmt::Display, how: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, format!("EPROTO: {what}: {how}"))
}

/// A number of JavaScript as an offset or a size.
pub fn whole(value: f64, what: &str) -> napi::Result<u64> {
    // 2^53 - 1: beyond it JavaScript's numbers are not exact.
    if value.is_finite() && value.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&value) {
        return Ok(value as u64);
    }
    Err(invalid(format!("{what} {value} is no offset or size")))
}
