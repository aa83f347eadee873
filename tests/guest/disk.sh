#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# also: guest-physical
# also: ram
#
# Disks as a guest sees them: size, content both ways, serial numbers, LUNs,
# read-only, several devices; bad images are one clear line.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 8M /dev/urandom >a.img
truncate -s 64M b.img
sum=$(sha256sum <a.img)

# Read, both through the page cache of the guest and around it.
# shellcheck disable=SC2016
guest --disk a.img,serial=FIRST --disk b.img,serial=SECOND,lun=1 -- sh -ec '
	cat /sys/block/sda/size /sys/block/sdb/size
	cat /sys/block/sda/device/vpd_pg80 | tr -d "\000\200" | tail -c 5; echo
	dd if=/dev/sda bs=1M 2>/dev/null | sha256sum
	dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum
	dd if=/dev/sda of=/dev/sdb bs=512k seek=3 oflag=direct 2>/dev/null
	sync
' >out
cat out
expect "size of the first disk" $((8 * 2048)) "$(sed -n 1p out)"
expect "size of the second disk" $((64 * 2048)) "$(sed -n 2p out)"
expect "serial number" FIRST "$(sed -n 3p out)"
expect "content" "$sum" "$(sed -n 4p out)"
expect "content, direct" "$sum" "$(sed -n 5p out)"
expect "what was written" "$sum" "$(dd if=b.img bs=512k skip=3 count=16 2>/dev/null | sha256sum)"

# Read-only is enforced below the guest.
# shellcheck disable=SC2016
guest --disk a.img,ro -- sh -c '
	cat /sys/block/sda/ro
	dd if=/dev/zero of=/dev/sda bs=4k count=1 oflag=direct 2>/dev/null && exit 1
	sg_dd if=/dev/zero of=/dev/sda bs=512 count=8 blk_sgio=1 2>/dev/null && exit 2
	exit 0' >out || fail "a read-only disk was written"
expect "read-only attribute" 1 "$(cat out)"
expect "read-only disk" "$sum" "$(sha256sum <a.img)"

# Ten disks at once, named in the order of their LUNs.
disks=()
for i in 0 1 2 3 4 5 6 7 8 9; do
	truncate -s $((i + 1))M "many$i.img"
	disks+=(--disk "many$i.img,serial=MANY$i")
done
guest "${disks[@]}" -- sh -c 'cat /sys/block/sd?/size' >out
expect "ten disks" "2048 4096 6144 8192 10240 12288 14336 16384 18432 20480" \
	"$(xargs <out)"

# What cannot be served is refused before a guest starts.
refused() {	# SPEC
	local status=0
	"$mullion" run --kernel "$kernel" --initrd "$image/initrd.img" --disk "$1" \
		-- true >out 2>err || status=$?
	cat err
	expect "exit status for $1" 125 $status
	expect "lines about $1" 1 "$(wc -l <err)"
}
refused missing.img
refused "$dir"
refused a.img,nonsense=1
truncate -s 1000 odd.img
refused odd.img
: >empty.img
refused empty.img
