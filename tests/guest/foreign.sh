#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# PCI functions that look like a window but are none: shared memory of zeros,
# of random bytes, and one that has the magic and nonsense behind it.  The
# driver leaves the first two alone, refuses the third with a line, and keeps
# serving its own.  Run without Mullion's daemon: plain QEMU and its memory
# files.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is missing"

truncate -s 1M zero.shm
head -c 1M /dev/urandom >random.shm
head -c 1M /dev/urandom >magic.shm
# The magic, as abi/window.h has it, in front of random bytes.
cat >magic.c <<'C'
#include <stdio.h>
#include "abi/window.h"
int main(void)
{
	struct mullion_window_header h = { .magic = MULLION_WINDOW_MAGIC };

	return fwrite(&h.magic, sizeof(h.magic), 1, stdout) != 1;
}
C
gcc -I"$top" -o magic magic.c
./magic | dd of=magic.shm conv=notrunc status=none

# The command comes in the initrd, as from the daemon.
mkdir -p extra/mullion
# shellcheck disable=SC2016
printf '%s\0' sh -c '
	for f in /sys/bus/pci/devices/*; do
		[ "$(cat $f/vendor)" = 0x1af4 ] || continue
		[ -e $f/driver ] && echo "$(basename $f) $(basename $(readlink $f/driver))"
	done
	dmesg | grep -i visorbus' >extra/mullion/command
(cd extra && find . -mindepth 1 | cpio --quiet -o -H newc) >extra.cpio
# init waits for the devices to be announced: here nobody does
cat extra.cpio "$image/initrd.img" >initrd.img

options=()
for name in zero random magic; do
	options+=(-object "memory-backend-file,id=$name,share=on,mem-path=$dir/$name.shm,size=1M"
		-device "ivshmem-plain,memdev=$name")
done
timeout 1200 qemu-system-x86_64 -accel tcg -m 512 -nodefaults -display none -no-reboot \
	-kernel "$kernel" -initrd initrd.img -append "console=ttyS0 panic=-1 mullion.wait=0" \
	"${options[@]}" -serial "file:$console" -serial file:out -serial file:status || true
console_check
cat out status
grep -q 'exit 0' status || fail "the guest did not end well"
expect "functions that the driver took" 0 "$(grep -c '^0000:.* visorbus$' out || true)"
grep -qi 'refus\|invalid\|not a window\|unknown' out || fail "the window with the magic was not refused with a line"
