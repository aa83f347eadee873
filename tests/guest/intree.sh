#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernel: 5.10
#
# The s-Par drivers of Linux 5.10, from Debian's source as it is, in a virtual
# machine that this test starts and `mullion attach' serves: a disk is written,
# read and compared, files travel over a switch, services are killed meanwhile,
# devices are paused and removed, the guest starts again; and its kernel never complains.
# See tests/intree/linux/build for what is done so that QEMU's guest believes in
# s-Par.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

intree=$top/build/images/intree-5.10
if ! "$top/tests/intree/linux/build" "$intree" >build.out 2>build.log; then
	[ ! -s build.out ] || skip "$(cat build.out)"
	tail -n 20 build.log >&2
	fail "the guest cannot be built"
fi

# The reserved range lies between kernel and initial RAM disk.
control=0x10000000
control_bytes=0x10000
reserved=$((64 << 20))
ram_bytes=$((512 << 20))

# machine NAME: the guest; as `boot' has it
machine() {
	local name=$1 fd
	truncate -s $ram_bytes "$name.ram"
	mkfifo "$name.in" "$name.pipe.out"
	ln -s "$name.in" "$name.pipe.in"
	"$intree/bin/qemu" -accel tcg,thread=single -cpu max -smp 2 -m $((ram_bytes >> 20)) \
		-machine pc,memory-backend=ram \
		-object "memory-backend-file,id=ram,size=$ram_bytes,mem-path=$PWD/$name.ram,share=on" \
		-nodefaults -no-user-config -display none \
		-kernel "$intree/vmlinux" -initrd "$intree/initrd.img" \
		-append "console=ttyS0 loglevel=7 panic=-1 no_timer_check memmap=$reserved\$$control" \
		-acpitable "sig=SSDT,data=$intree/ssdt.aml" -serial "file:$name.console" \
		-chardev "pipe,id=shell,path=$PWD/$name.pipe" -serial chardev:shell \
		-qmp "unix:$PWD/$name.qmp,server=on,wait=off" >"$name.qemu" 2>&1 &
	net_pid[$name]=$!
	helpers+=($!)
	cat "$name.pipe.out" >"$name.out" &
	helpers+=($!)
	exec {fd}<>"$name.in"
	net_in[$name]=$fd
	net_guests=$((net_guests + 1))
	net_number[$name]=$net_guests
}

# attach NAME OPTION...
attach() {
	local name=$1
	shift
	"$mullion" attach --name "$name" --ram "$PWD/$name.ram" --control-gpa $control \
		--control-bytes $control_bytes --reserved "$control:$reserved" \
		--pid "${net_pid[$name]}" "$@" >"$name.attach" 2>&1 &
	attach_pid=$!
	helpers+=("$attach_pid")
}

# As firmware would: is there a control channel?
has_channel() {	# NAME
	[ "$(od -A n -t x8 -j $((control)) -N 8 "$1.ram" | tr -d ' ')" = 000000004c4e4345 ] ||
		! kill -0 $attach_pid 2>/dev/null
}

# loaded NAME [COUNT]: the drivers, once its shell is ready for the COUNT-th time
loaded() {
	wait_until 60 has_channel "$1" && kill -0 $attach_pid || fail "attach: $(cat "$1.attach")"
	wait_until 60 shell_ready "$1" "${2:-1}" || fail "$1 does not start"
	printf '%s() { /bin/%s "$@"; }\n' ip ip ping ping >&"${net_in[$1]}"
	must "$1" "drivers $control $control_bytes"
}

shell_ready() {	# NAME COUNT
	[ "$(grep -c '^ready' "$1.out")" -ge "$2" ]
}

# The process that serves a device class of guest a, and how often that was replaced.
service() {	# CLASS FIELD
	"$mullion" show a --json | python3 -c '
import json, sys
for service in json.load(sys.stdin)["services"]:
    if service["class"] == sys.argv[1]:
        print(service[sys.argv[2]])' "$1" "$2"
}

is_service() {	# CLASS FIELD VALUE
	[ "$(service "$1" "$2")" = "$3" ]
}

# replace CLASS: kill the service, and wait for its successor
replace() {
	local generation
	generation=$(service "$1" generation)
	kill -9 "$(service "$1" pid)"
	wait_until 30 is_service "$1" generation $((generation + 1)) ||
		fail "generation $((generation + 1)) of $1 did not come"
	wait_until 30 is_service "$1" state serving || fail "the successor for $1 does not serve"
}

# A change before this one may be under way.
change() {	# DEVICE STATE
	wait_until 30 "$mullion" device set a "$1" "state=$2" 2>refusal ||
		fail "$1 is not $2: $(cat refusal)"
}

content() {	# NAME COMMAND...: its output
	on "$@" || fail "$*"
}

network lan Uplink=none
box c lan
truncate -s 256M disk.img
head -c 33554432 /dev/urandom | dd of=disk.img conv=notrunc status=none
truncate -s 64M other.img

machine a
attach a --disk "$PWD/disk.img" --disk "$PWD/other.img" --net lan,mac=02:00:00:00:00:01
loaded a

# Disks: what the host wrote, and what the host reads.
ends a "disk 0 && disk 1"
expect "size" 524288 "$(content a "blockdev --getsz /dev/disk0")"
expect "content" "$(head -c 33554432 disk.img | sha256sum)" \
	"$(content a "dd if=/dev/disk0 bs=1M count=32 iflag=direct status=none | sha256sum")"
must a "head -c 33554432 /dev/urandom >/tmp/data &&
	dd if=/tmp/data of=/dev/disk0 bs=256k seek=256 oflag=direct status=none && sync"
expect "content" "$(content a "sha256sum </tmp/data")" \
	"$(dd if=disk.img bs=1M skip=64 count=32 status=none | sha256sum)"
must a "/bin/mke2fs -q -t ext4 /dev/disk1 && mkdir /mnt && mount -t ext4 /dev/disk1 /mnt &&
	cp /tmp/data /mnt && umount /mnt && /bin/e2fsck -fn /dev/disk1"
must a "sg_inq /dev/disk0 && sg_luns /dev/disk0 && sg_turs /dev/disk0 && sg_reset -d /dev/disk0"

# The network, to a guest in a namespace.
ends a "test -e /sys/class/net/eth0"
# In standby the driver closes its interface, and Linux takes the addresses.
must a "sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1"
booted a
must a "/bin/ping -q -c 5 -i 0.2 -W 30 10.9.0.1 && /bin/ping -q -c 5 -i 0.2 -W 30 fd09::1"
must c "ping -q -c 100 -i 0.01 -W 30 -s 1400 10.9.0.2"
iperf_serve c
iperf a 10.9.0.1 -n 32M
iperf a 10.9.0.1 -n 32M -R
iperf a fd09::1 both -n 16M
iperf a 10.9.0.1 -u -b 50M -l 1400 -n 1M

# The disk service dies, thrice; the guest notices nothing.
fio="fio --name=kill --filename=/dev/disk0 --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw
	--bs=4k-64k --size=128M --io_size=64M --verify=crc32c --output=/tmp/fio"
must a "($(echo $fio); echo \$? >/tmp/fio.status) >/tmp/fio.log 2>&1 &"
kills=0
while [ $kills -lt 3 ] && ! on a "test -e /tmp/fio.status"; do
	replace disk
	kills=$((kills + 1))
	sleep 0.5
done
ends a "test -e /tmp/fio.status"
must a "test \$(cat /tmp/fio.status) = 0 || { cat /tmp/fio /tmp/fio.log; false; }"
info "$kills disk services killed"

# The switch dies; a connection does not.
iperf a 10.9.0.1 both -n 64M &
traffic=$!
kills=0
while [ $kills -lt 3 ] && kill -0 $traffic 2>/dev/null; do
	replace net
	kills=$((kills + 1))
	sleep 0.5
done
wait $traffic || fail "a connection ended with the switch"
must a "/bin/ping -q -c 5 -i 0.2 -W 30 10.9.0.1 && /bin/ping -q -c 5 -i 0.2 -W 30 fd09::1"
info "$kills switches killed"

# Paused and resumed: an interface as often as one likes, a disk once.
for _ in 1 2 3 4 5 6; do
	change vbus2:dev0 paused
	change vbus2:dev0 running
	ends a "/bin/ping -q -c 1 -W 5 10.9.0.1"
done
change vbus1:dev0 paused
must a "rm -f /tmp/dd.status; (dd if=/dev/disk0 of=/dev/null bs=64k skip=1000 count=16 iflag=direct; echo \$? >/tmp/dd.status) >/tmp/dd.log 2>&1 &"
must a "test ! -e /tmp/dd.status"
change vbus1:dev0 running
ends a "test -e /tmp/dd.status"
must a "test \$(cat /tmp/dd.status) = 0 || { cat /tmp/dd.log; false; }"
! "$mullion" device set a vbus1:dev0 state=paused 2>refusal || fail "a disk is paused twice"
grep -q "one pause only" refusal || fail "$(cat refusal)"
replace disk
must a "dd if=/dev/disk0 of=/dev/null bs=64k skip=2000 count=16 iflag=direct"

# A disk is found when the guest looks for it, and gone when that asks again; an
# interface comes and goes by itself.
truncate -s 32M third.img
"$mullion" device add a disk "$PWD/third.img"
must a "echo - - - >/sys/class/scsi_host/host0/scan"
ends a "disk 2"
must a "dd if=/tmp/data of=/dev/disk2 bs=256k oflag=direct status=none && sync"
expect "content" "$(content a "sha256sum </tmp/data")" "$(sha256sum <third.img)"
must a "echo 1 >/sys/class/scsi_device/0:0:0:2/device/delete"
"$mullion" device remove a "$PWD/third.img"
for _ in 1 2; do
	"$mullion" device add a net lan,mac=02:00:00:00:00:09
	ends a "test -e /sys/class/net/eth1"
	addresses a eth1 8 2
	addresses c eth0 8 1
	must a "/bin/ping -q -c 2 -i 0.2 -W 30 10.8.0.1"
	must a "/bin/ping -f -q -s 1400 10.8.0.1 >/dev/null 2>&1 &"
	"$mullion" device remove a 02:00:00:00:00:09
	ends a "test ! -e /sys/class/net/eth1"
	must a "killall ping; /bin/ping -q -c 2 -i 0.2 -W 30 10.9.0.1"
done

# It starts again, with nobody telling that; everything is there once more.
printf '%s' '{"execute":"qmp_capabilities"}{"execute":"system_reset"}' |
	socat -t 2 - "UNIX-CONNECT:$PWD/a.qmp" >qmp.log
loaded a 2
ends a "disk 0 && disk 1 && test -e /sys/class/net/eth0"
booted a
must a "/bin/ping -q -c 2 -i 0.2 -W 30 10.9.0.1"
expect "content" "$(head -c 33554432 disk.img | sha256sum)" \
	"$(content a "dd if=/dev/disk0 bs=1M count=32 iflag=direct status=none | sha256sum")"

# It is let go in good order, and goes on without devices.
kill $attach_pid
wait $attach_pid || fail "attach ended with $?: $(cat a.attach)"
ends a "test ! -e /sys/class/net/eth0 && test ! -e /sys/class/scsi_device/0:0:0:0"
net_finish
if grep -aE 'I/O error|FAILED Result|Medium Error' a.console >&2; then
	fail "the guest's disk driver complained"
fi
