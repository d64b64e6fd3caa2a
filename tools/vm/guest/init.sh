#!/usr/bin/busybox sh
# First program of the guest, behind the lab's /init: makes the places that programs write to, then does what the
# host says on the port "agent". Nothing of it outlives the guest: writes to the lab and the repository go to memory.
set -u
export PATH=/usr/sbin:/usr/bin HOME=/run/home TMPDIR=/tmp LC_ALL=C NO_COLOR=1
export NODE_COMPILE_CACHE=/code
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mkdir -p /dev/pts /dev/shm
busybox mount -t devpts devpts /dev/pts
busybox mount -t tmpfs tmpfs /dev/shm
busybox mount -t tmpfs tmpfs /run
busybox mount -t tmpfs tmpfs /tmp
busybox mount -t virtiofs lab /lab
busybox mount -t virtiofs code /code
modprobe overlay
# $1: a folder of a read-only tree that programs write into.
writable() {
  busybox mkdir -p "/run/over$1/upper" "/run/over$1/work"
  busybox mount -t overlay -o "lowerdir=$1,upperdir=/run/over$1/upper,workdir=/run/over$1/work" overlay "$1"
}
writable /etc
writable /var
[ ! -d /samara/build ] || writable /samara/build
busybox mkdir -p /run/home /run/lock
busybox ln -s /proc/self/fd /dev/fd
busybox ip link set lo up
cd /samara

for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = agent ] && exec 3<>"/dev/${port##*/}"
done
echo ready >&3
# A line is the number of a job: /lab/NUMBER.sh, whose output goes to /lab/NUMBER.out. A job is a process group of its
# own; what the shell sets for jobs in the background, that they do not hear Ctrl-C, is undone.
while read -r job <&3; do
  [ "$job" = off ] && break
  (
    /usr/bin/setsid --wait env --default-signal=INT,QUIT bash "/lab/$job.sh" </dev/null >"/lab/$job.out" 2>&1 3>&-
    echo "$job $?" >&3
  ) &
done
busybox sync
busybox poweroff -f
