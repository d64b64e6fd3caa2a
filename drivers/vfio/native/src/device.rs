//! A device bound to vfio-pci: its group, its own container, regions, interrupts, DMA mappings.
//!
//! One container for each device, so that its IOMMU address space holds what is mapped for it and nothing of another
//! device's. Source: Linux, Documentation/driver-api/vfio.rst and include/uapi/linux/vfio.h. Invariant: `vfio-ioctls`
//! sets things up; reads, writes and reset are ours, because the crate does not report when they fail.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Error, Result, Status, Task};
use napi_derive::napi;
use vfio_bindings::bindings::vfio::{
    VFIO_BASE, VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, VFIO_TYPE,
};
use vfio_ioctls::{VfioContainer, VfioDevice as Handle, VfioError, VfioRegionInfoCap};

use crate::error::{invalid, last, name, system, whole};
use crate::interrupts::Interrupts;
use crate::mapping::{Mapping, Region};
use crate::memory::View;

/// Regions of a PCI device: BARs 0–5, ROM, config space (vfio.h, VFIO_PCI_*_REGION_INDEX).
const REGIONS: u32 = 8;
/// Interrupt kinds: INTx, MSI, MSI-X, error, request (vfio.h, VFIO_PCI_*_IRQ_INDEX).
const IRQ_KINDS: u32 = 5;
/// `_IO(VFIO_TYPE, VFIO_BASE + 11)`, vfio.h.
const DEVICE_RESET: libc::c_ulong = ((VFIO_TYPE as libc::c_ulong) << 8) | (VFIO_BASE as libc::c_ulong + 11);

#[napi(object)]
pub struct Area {
    pub offset: f64,
    pub bytes: f64,
}

#[napi(object)]
pub struct RegionInfo {
    pub bytes: f64,
    pub readable: bool,
    pub writable: bool,
    /// Parts that may be mapped.
    pub areas: Vec<Area>,
}

/// The crate's error with the errno that it may carry, in the form of all our errors.
fn failed(what: &str, error: &VfioError) -> Error {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut number = None;
    while let Some(now) = cause {
        number = now
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
            .or(number);
        number = now
            .downcast_ref::<vmm_sys_util::errno::Error>()
            .map(|e| e.errno())
            .or(number);
        cause = now.source();
    }
    let name = number.and_then(name).unwrap_or("EIO");
    Error::new(Status::GenericFailure, format!("{name}: {what}: {error}"))
}

struct Open {
    name: String,
    /// A second descriptor of the device's, for accesses that report failure. First, because fields are closed in this
    /// order, and a group cannot leave its container while a descriptor of its device is open.
    file: File,
    device: Handle,
    container: Arc<VfioContainer>,
    /// Of the last reset: one of the three below.
    reset: AtomicU32,
}

/// There is none under way; the last one failed.
const RESET_DONE: u32 = 0;
const RESET_RUNS: u32 = 1;
const RESET_FAILED: u32 = 2;

impl Open {
    fn new(sysfs: &str) -> Result<Open> {
        let group = format!("{sysfs}/iommu_group");
        std::fs::read_link(&group).map_err(|e| system(format!("{group} (no such device, or no IOMMU)"), &e))?;
        let container = VfioContainer::new(None).map_err(|e| failed("/dev/vfio/vfio", &e))?;
        let container = Arc::new(container);
        let device = Handle::new(Path::new(sysfs), container.clone(), false).map_err(|e| failed(sysfs, &e))?;
        // SAFETY: dup of an open descriptor; the result is looked at.
        let copy = unsafe { libc::fcntl(device.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return Err(last(sysfs));
        }
        // SAFETY: just made, nobody else's.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(copy) });
        let name = Path::new(sysfs)
            .file_name()
            .map_or(sysfs.to_owned(), |n| n.to_string_lossy().into_owned());
        Ok(Open {
            name,
            device,
            container,
            file,
            reset: AtomicU32::new(RESET_DONE),
        })
    }

    /// Where in the device's file an access lies.
    fn place(&self, region: u32, offset: f64, width: u32) -> Result<u64> {
        let at = whole(offset, "offset")?;
        let size = if region < REGIONS {
            self.device.get_region_size(region)
        } else {
            0
        };
        if !matches!(width, 1 | 2 | 4) || at.checked_add(u64::from(width)).is_none_or(|end| end > size) {
            return Err(invalid(format!(
                "{}: {width} bytes at {at} of region {region}, {size} bytes",
                self.name
            )));
        }
        Ok(self.device.get_region_offset(region) + at)
    }
}

/// Function reset, in a thread of the pool: it takes up to seconds.
pub struct Reset {
    open: Arc<Open>,
}

impl Task for Reset {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        // SAFETY: an ioctl without argument on an open vfio device.
        let failed = unsafe { libc::ioctl(self.open.file.as_raw_fd(), DEVICE_RESET) } != 0;
        let result = if failed {
            Err(last(format!("{}: VFIO_DEVICE_RESET", self.open.name)))
        } else {
            Ok(())
        };
        let state = if failed { RESET_FAILED } else { RESET_DONE };
        self.open.reset.store(state, Ordering::SeqCst);
        result
    }

    fn resolve(&mut self, _env: Env, _output: ()) -> Result<()> {
        Ok(())
    }
}

#[napi]
pub struct VfioDevice {
    open: Option<Arc<Open>>,
}

impl VfioDevice {
    fn open(&self) -> Result<&Arc<Open>> {
        self.open.as_ref().ok_or_else(|| invalid("this device was closed"))
    }
}

#[napi]
impl VfioDevice {
    /// Opens `/sys/bus/pci/devices/…`, which must be bound to vfio-pci, with all of its group.
    #[napi(constructor)]
    pub fn new(sysfs: String) -> Result<VfioDevice> {
        Ok(VfioDevice {
            open: Some(Arc::new(Open::new(&sysfs)?)),
        })
    }

    #[napi]
    pub fn regions(&self) -> Result<Vec<RegionInfo>> {
        let device = &self.open()?.device;
        Ok((0..REGIONS).map(|index| describe(device, index)).collect())
    }

    /// Vectors that each kind of interrupt has.
    #[napi]
    pub fn irqs(&self) -> Result<Vec<u32>> {
        let device = &self.open()?.device;
        Ok((0..IRQ_KINDS)
            .map(|kind| device.get_irq_info(kind).map_or(0, |irq| irq.count))
            .collect())
    }

    /// One little-endian access of 1, 2 or 4 bytes, as one transaction.
    #[napi]
    pub fn read(&self, region: u32, offset: f64, width: u32) -> Result<u32> {
        let open = self.open()?;
        let at = open.place(region, offset, width)?;
        let mut bytes = [0u8; 4];
        let part = bytes.get_mut(..width as usize).ok_or_else(|| invalid("width"))?;
        match open.file.read_at(part, at) {
            Ok(read) if read == width as usize => Ok(u32::from_le_bytes(bytes)),
            Ok(read) => Err(invalid(format!(
                "{}: region {region}: {read} of {width} bytes read",
                open.name
            ))),
            Err(e) => Err(system(format!("{}: region {region}, read at {offset}", open.name), &e)),
        }
    }

    #[napi]
    pub fn write(&self, region: u32, offset: f64, width: u32, value: u32) -> Result<()> {
        let open = self.open()?;
        let at = open.place(region, offset, width)?;
        let bytes = value.to_le_bytes();
        let part = bytes.get(..width as usize).ok_or_else(|| invalid("width"))?;
        match open.file.write_at(part, at) {
            Ok(written) if written == width as usize => Ok(()),
            Ok(written) => Err(invalid(format!(
                "{}: region {region}: {written} of {width} bytes written",
                open.name
            ))),
            Err(e) => Err(system(format!("{}: region {region}, write at {offset}", open.name), &e)),
        }
    }

    /// Maps an area of a region.
    #[napi]
    pub fn map(&self, region: u32, offset: f64, bytes: f64) -> Result<Mapping> {
        let open = self.open()?;
        let (at, size) = (whole(offset, "offset")?, whole(bytes, "size")?);
        let total = if region < REGIONS {
            open.device.get_region_size(region)
        } else {
            0
        };
        if at.checked_add(size).is_none_or(|end| end > total) {
            return Err(invalid(format!(
                "{}: {size} bytes at {at} of region {region}, {total} bytes",
                open.name
            )));
        }
        let what = format!("{}: region {region}", open.name);
        let place = open.device.get_region_offset(region) + at;
        Ok(Mapping::new(Region::new(
            open.file.as_raw_fd(),
            place,
            size,
            true,
            &what,
        )?))
    }

    /// Gives the device the pages of `view`, at address `iova`.
    #[napi]
    pub fn dma_map(&self, view: View, iova: f64) -> Result<()> {
        let open = self.open()?;
        let at = whole(iova, "IOVA")?;
        // SAFETY: the view's pages are mapped now and pinned by this call, so whatever the device writes later lands in
        // those pages, even when the memory itself is gone.
        let done = unsafe { open.container.vfio_dma_map(at, view.bytes, view.address as *mut u8) };
        done.map_err(|e| {
            failed(
                &format!("{}: DMA map of {} bytes at IOVA {at:#x}", open.name, view.bytes),
                &e,
            )
        })
    }

    #[napi]
    pub fn dma_unmap(&self, iova: f64, bytes: f64) -> Result<()> {
        let open = self.open()?;
        let (at, size) = (whole(iova, "IOVA")?, whole(bytes, "size")? as usize);
        let done = open.container.vfio_dma_unmap(at, size);
        done.map_err(|e| failed(&format!("{}: DMA unmap of {size} bytes at IOVA {at:#x}", open.name), &e))
    }

    /// Vectors 0 … of a kind go to these eventfds.
    #[napi]
    pub fn enable_irqs(&self, kind: u32, interrupts: &Interrupts) -> Result<()> {
        let open = self.open()?;
        let done = open.device.enable_irq(kind, interrupts.eventfds().iter().collect());
        done.map_err(|e| failed(&format!("{}: interrupts of kind {kind}", open.name), &e))
    }

    #[napi]
    pub fn disable_irqs(&self, kind: u32) -> Result<()> {
        let open = self.open()?;
        open.device
            .disable_irq(kind)
            .map_err(|e| failed(&format!("{}: interrupts of kind {kind}", open.name), &e))
    }

    /// Rejects with ENOTTY when the function has no reset of its own.
    #[napi]
    pub fn reset(&self) -> Result<AsyncTask<Reset>> {
        let open = self.open()?.clone();
        open.reset.store(RESET_RUNS, Ordering::SeqCst);
        Ok(AsyncTask::new(Reset { open }))
    }

    /// What became of the last reset, for those who cannot wait for its promise: 0 done, 1 under way, 2 failed.
    #[napi]
    pub fn reset_state(&self) -> Result<u32> {
        Ok(self.open()?.reset.load(Ordering::SeqCst))
    }

    /// The system resets the function and forgets its mappings when the last descriptor goes.
    #[napi]
    pub fn close(&mut self) {
        self.open = None;
    }
}

fn describe(device: &Handle, index: u32) -> RegionInfo {
    let (size, flags) = (device.get_region_size(index), device.get_region_flags(index));
    let mut areas = Vec::new();
    if size > 0 && flags & VFIO_REGION_INFO_FLAG_MMAP != 0 {
        let sparse = device.get_region_caps(index).into_iter().find_map(|cap| match cap {
            VfioRegionInfoCap::SparseMmap(sparse) => Some(sparse.areas),
            _ => None,
        });
        match sparse {
            Some(parts) => {
                areas.extend(parts.iter().map(|a| Area {
                    offset: a.offset as f64,
                    bytes: a.size as f64,
                }));
            }
            None => areas.push(Area {
                offset: 0.0,
                bytes: size as f64,
            }),
        }
    }
    RegionInfo {
        bytes: size as f64,
        readable: flags & VFIO_REGION_INFO_FLAG_READ != 0,
        writable: flags & VFIO_REGION_INFO_FLAG_WRITE != 0,
        areas,
    }
}
