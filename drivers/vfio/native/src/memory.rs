//! The exchange heap's pages: where they are, and what backs them.
//!
//! Invariant: `back` changes which pages lie under a range of a Wasm memory and no byte of what is read there; it is
//! called before any thread, device or peer uses the range.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use napi_derive::napi;

use crate::descriptor::{Descriptor, take};
use crate::error::{invalid, last};

/// The bytes that a typed array shows, of shared memory too, which napi's own types refuse.
pub struct View {
    pub address: usize,
    pub bytes: usize,
}

impl View {
    /// For calls that keep no byte: JavaScript is waiting, and whoever shares the memory may change it at any time, so
    /// nothing is read twice.
    pub fn bytes(&self) -> &[u8] {
        match self.bytes {
            0 => &[],
            // SAFETY: the engine's own range, alive during the call that has the view as an argument.
            n => unsafe { std::slice::from_raw_parts(self.address as *const u8, n) },
        }
    }

    /// The same, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self.bytes {
            0 => &mut [],
            // SAFETY: as above; no call takes two views of the same bytes.
            n => unsafe { std::slice::from_raw_parts_mut(self.address as *mut u8, n) },
        }
    }
}

/// Address and size of a typed array of one kind.
///
/// # Safety
/// `env` and `value` must be of the running call.
unsafe fn typed(env: sys::napi_env, value: sys::napi_value, wanted: i32, unit: usize, name: &str) -> Result<View> {
    let (mut kind, mut length, mut offset) = (0, 0, 0);
    let (mut data, mut buffer) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the caller says so of the first two; the other pointers are to locals.
    let status = unsafe {
        sys::napi_get_typedarray_info(env, value, &mut kind, &mut length, &mut data, &mut buffer, &mut offset)
    };
    if status != sys::Status::napi_ok || kind != wanted {
        return Err(invalid(format!("not a {name}")));
    }
    Ok(View {
        address: data as usize,
        bytes: length * unit,
    })
}

impl TypeName for View {
    fn type_name() -> &'static str {
        "Uint8Array"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for View {}

impl FromNapiValue for View {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<View> {
        // SAFETY: of the running call.
        unsafe { typed(env, value, sys::TypedarrayType::uint8_array, 1, "Uint8Array") }
    }
}

/// The words of a Uint32Array.
pub struct Words(View);

impl Words {
    pub fn words(&mut self) -> &mut [u32] {
        match self.0.bytes {
            0 => &mut [],
            // SAFETY: as `View::bytes_mut`; the engine aligns what a Uint32Array shows.
            n => unsafe { std::slice::from_raw_parts_mut(self.0.address as *mut u32, n / 4) },
        }
    }
}

impl TypeName for Words {
    fn type_name() -> &'static str {
        "Uint32Array"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Words {}

impl FromNapiValue for Words {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Words> {
        // SAFETY: of the running call.
        unsafe { typed(env, value, sys::TypedarrayType::uint32_array, 4, "Uint32Array").map(Words) }
    }
}

/// Bytes of a huge page of x86-64 and of arm64 with 4 KiB pages.
const HUGE: usize = 2 << 20;

/// A memory file of `bytes`, that nobody to whom it is passed can shrink below what we have mapped.
fn memory_file(bytes: usize, huge: bool) -> Result<OwnedFd> {
    let mut flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    if huge {
        flags |= libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    }
    // SAFETY: the name is a C string; the result is looked at.
    let fd = unsafe { libc::memfd_create(c"samara-heap".as_ptr(), flags) };
    if fd < 0 {
        return Err(last("memfd_create"));
    }
    // SAFETY: just made, ours.
    let file = unsafe { take(fd) };
    let size = libc::off_t::try_from(bytes).map_err(|_| invalid("too many bytes"))?;
    // fallocate as well: it reserves the pages, so that no later access ends in a bus error for want of one.
    // SAFETY: system calls on our own descriptor, without pointers.
    let failed = unsafe {
        libc::ftruncate(fd, size) != 0
            || libc::fallocate(fd, 0, 0, size) != 0
            || libc::fcntl(
                fd,
                libc::F_ADD_SEALS,
                libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL,
            ) != 0
    };
    if failed {
        return Err(last(format!(
            "{bytes} bytes of {} memory",
            if huge { "hugepage" } else { "shared" }
        )));
    }
    Ok(file)
}

/// Puts a memory file of its own below a view, with the bytes that the view shows now.
///
/// `huge`: in 2 MiB pages; then the view has to start and end at such.
#[napi]
pub fn back(view: View, huge: bool) -> Result<Descriptor> {
    let unit = if huge { HUGE } else { 4096 };
    if view.bytes == 0 || !view.address.is_multiple_of(unit) || !view.bytes.is_multiple_of(unit) {
        return Err(invalid(format!(
            "the range does not start and end at pages of {unit} bytes"
        )));
    }
    let file = memory_file(view.bytes, huge)?;
    let (protection, at) = (libc::PROT_READ | libc::PROT_WRITE, view.address as *mut libc::c_void);
    // SAFETY: a new mapping at an address of the kernel's choice.
    let copy = unsafe {
        libc::mmap(
            ptr::null_mut(),
            view.bytes,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if copy == libc::MAP_FAILED {
        return Err(last("mmap of the heap's new pages"));
    }
    // SAFETY: both are mapped and `view.bytes` long, the view by the engine, and a new mapping overlaps nothing.
    unsafe { ptr::copy_nonoverlapping(at.cast::<u8>(), copy.cast::<u8>(), view.bytes) };
    // SAFETY: our own mapping from above.
    unsafe { libc::munmap(copy, view.bytes) };
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    // SAFETY: replaces pages inside the engine's own reservation, which it releases as a whole; the bytes stay the same.
    let new = unsafe { libc::mmap(at, view.bytes, protection, flags, file.as_raw_fd(), 0) };
    if new == libc::MAP_FAILED {
        return Err(last("mmap over the heap"));
    }
    Ok(Descriptor::new(file))
}

/// Where a view lies, so that a range can be cut to whole huge pages.
#[napi]
pub fn huge_offset(view: View) -> u32 {
    (view.address.next_multiple_of(HUGE) - view.address) as u32
}

/// Asks for transparent huge pages under a view, the fallback.
#[napi]
pub fn advise_huge(view: View) -> Result<()> {
    // SAFETY: advice on a range that the engine has mapped; it changes no byte.
    let status = unsafe { libc::madvise(view.address as *mut libc::c_void, view.bytes, libc::MADV_HUGEPAGE) };
    if status == 0 {
        Ok(())
    } else {
        Err(last("madvise(MADV_HUGEPAGE)"))
    }
}
