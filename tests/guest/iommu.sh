#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Guests with a real IOMMU, QEMU's model of Intel's: what a driver hands out is
# then no address that a service could know.  Guest-physical addressing is
# refused by the guest, in one line; windows are none of the IOMMU's business, and
# nor are channels in RAM, for which there is no function behind it; with the
# IOMMU passing everything through it works.  Nothing ever gets as far as a fault.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

qemu=${MULLION_QEMU:-$(command -v qemu-system-x86_64)}
"$qemu" -device help | grep '"intel-iommu"' >/dev/null || skip "this QEMU has no intel-iommu"
# The daemon asks it for its version, too.
cat >emulator <<SH
#!/bin/sh
exec '$qemu' "\$@" -device intel-iommu
SH
chmod +x emulator
daemon_stop
MULLION_QEMU=$dir/emulator
export MULLION_QEMU
daemon_start

head -c 4M /dev/urandom >a.img
sum=$(sha256sum <a.img)

# Disk and network, or why there is neither.
# shellcheck disable=SC2016 # the guest's
script='
	[ -d /sys/class/iommu/dmar0 ] || echo "no IOMMU"
	for d in /sys/bus/visorbus/devices/*:dev*; do
		tries=0
		while [ ! -e $d/driver ] && [ $tries -lt 300 ] &&
			! dmesg | grep -q "${d##*/}: refused"; do
			tries=$((tries + 1))
			sleep 0.1
		done
		[ ! -e $d/driver ] || echo $(cat $d/mullion/addressing $d/mullion/placement)
	done
	[ ! -e /dev/sda ] || dd if=/dev/sda of=/dev/sda bs=64k iflag=direct oflag=direct 2>/dev/null
	[ ! -e /dev/sda ] || dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum
	if [ -e /sys/class/net/eth0 ] && /bin/ping -c 2 -W 30 10.0.2.2 >/dev/null; then
		echo pinged
	fi
	dmesg | grep "visor.*refused"
	dmesg | grep -i "DMAR:.*fault"
	true'

iommu() {	# PARAMETERS OPTION...
	local parameters=$1
	shift
	talk=(--append "loglevel=7 $patience intel_iommu=on mullion.wait=0 $parameters")
	guest --name iommu --machine q35 --disk a.img --net nat "$@" -- sh -c "$script" >out ||
		{ cat out; fail "$parameters $*: exit status $?"; }
	cat out
	! grep -q 'no IOMMU' out || fail "$parameters $*: the guest's kernel uses no IOMMU"
	! grep -qi 'fault' out || fail "$parameters $*: the IOMMU stopped an access"
}

works() {	# MODE
	expect "$1: how devices are used" 2 "$(grep -cx "$1" out)"
	grep -q "^${sum%% *} " out || fail "$1: another content"
	grep -qx pinged out || fail "$1: no network"
	! grep 'refused' out || fail "$1: see above"
}

iommu iommu.passthrough=0 --addressing guest-physical
expect "lines about an IOMMU" 2 "$(grep -c \
	'guest-physical addresses, and there is an IOMMU between devices and memory' out)"
expect "devices behind an IOMMU" "" "$(grep -E 'physical pci|pinged|^[0-9a-f]{64}' out || true)"
iommu iommu.passthrough=0
works "window pci"
iommu iommu=pt --addressing guest-physical
works "guest-physical pci"
iommu iommu.passthrough=0 --addressing guest-physical --window ram
works "guest-physical ram"
info "an IOMMU that translates: windows and channels in RAM work, guest-physical is refused; passing through: works"
