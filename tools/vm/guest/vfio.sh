# For scripts in the guest: hands PCI functions to vfio-pci, in the kernel's own words. `samara bind` does so for people.

# $@: addresses such as 0000:00:04.0
vfio() {
  local device path
  modprobe vfio-pci || return
  for device; do
    path=/sys/bus/pci/devices/$device
    [ ! -e "$path/driver" ] || echo "$device" >"$path/driver/unbind" || return
    echo vfio-pci >"$path/driver_override" && echo "$device" >/sys/bus/pci/drivers_probe || return
    [ "$(basename "$(readlink "$path/driver")")" = vfio-pci ] || return
  done
}
