#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtual machine that this test starts, and `mullion attach' serves: its kernel
# has Mullion's drivers and is told where its control channel is.  A disk is read,
# written and compared while the disk's service is killed; the machine is reset in
# the same memory; its devices are taken from it.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

control=0x10000000
bytes=0x2a000
size=$((768 << 20))
truncate -s $size ram
head -c 16777216 /dev/urandom >disk.img
sum=$(md5sum <disk.img)

helpers=()
end() {
	local status=$?
	kill "${helpers[@]}" 2>/dev/null || true
	(exit $status)
	lib_end
}
trap end EXIT

mkfifo keyboard
qemu-system-x86_64 -accel tcg -cpu max -machine pc,memory-backend=ram -m $((size >> 20)) \
	-object "memory-backend-file,id=ram,size=$size,mem-path=$PWD/ram,share=on" \
	-nodefaults -no-user-config -display none -monitor none -kernel "$kernel" \
	-initrd "$image/initrd.img" \
	-append "console=ttyS0 loglevel=7 panic=-1 no_timer_check memmap=16384K\$$control visorbus.control=$control:$bytes" \
	-qmp "unix:qmp,server=on,wait=off" -serial stdio <>keyboard >"$console" 2>qemu.log &
machine=$!
helpers+=("$machine")
exec {keys}<>keyboard

"$mullion" attach --name vm --ram ram --control-gpa $control --control-bytes $bytes \
	--reserved $control:0x1000000 --disk disk.img --net nat --pid $machine >attach.log 2>&1 &
attach=$!
helpers+=("$attach")

# run COMMAND...: in the machine's shell; its output, in one line
run() {
	local mark=${EPOCHREALTIME//[.,]/}
	# the mark is not in what the terminal echoes
	echo "x=\$($*); echo \"ma\"rk$mark \$x" >&"$keys"
	wait_until 120 grep -aqs "^mark$mark" "$console" || fail "$*: $(tail -n 20 "$console")"
	sed -n "s/^mark$mark \(.*\)\r\$/\1/p" "$console"
}

# A shell that is not there yet loses what is typed.
is_awake() {
	echo 'echo "awa"ke$PPID' >&"$keys"
	sleep 0.5
	[ "$(grep -ac '^awake' "$console")" -gt "$1" ]
}

is_shown_state() {
	is_shown vm state online || ! kill -0 $attach 2>/dev/null
}
wait_until 120 is_shown_state && kill -0 $attach || fail "attach: $(cat attach.log qemu.log)"
wait_until 60 is_awake 0 || fail "the guest does not start"
expect "drivers" "visorhba visornic" "$(shown vm devices.0.driver) $(shown vm devices.1.driver)"
expect "the extension is used" False "$(shown vm control.plain)"
expect "content" "${sum%% *}" "$(run md5sum /dev/sda | cut -d' ' -f1)"

generation=$(shown vm services.0.generation)
echo '{ i=0; while [ $i -lt 40 ]; do dd if=/dev/sda of=/dev/sda bs=1M conv=notrunc oflag=direct iflag=direct; i=$((i+1)); done; echo "cop"ied; } 2>/dev/null' >&"$keys"
for _ in 1 2 3 4 5; do
	kill_service vm
done
wait_until 120 grep -aqs '^copied' "$console" || fail "the copy does not end"
expect "content after kills" "${sum%% *}" "$(run md5sum /dev/sda | cut -d' ' -f1)"
expect "generation" $((generation + 5)) "$(shown vm services.0.generation)"

# A reset: the memory is as it was, the drivers say so themselves.
awake=$(grep -ac '^awake' "$console")
printf '{"execute":"qmp_capabilities"}{"execute":"system_reset"}' |
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect("qmp"); s.sendall(sys.stdin.buffer.read()); s.recv(4096); s.recv(4096)'
is_second() {
	[ "$(shown vm control.epoch)" = 2 ] && is_shown vm state online
}
wait_until 120 is_second || fail "the reset guest does not come back: $(tail -n 20 "$console")"
wait_until 60 is_awake "$awake" || fail "no shell after the reset"
expect "content after a reset" "${sum%% *}" "$(run md5sum /dev/sda | cut -d' ' -f1)"

kill $attach
wait $attach || fail "attach: $(cat attach.log)"
expect "disks that are left" "" "$(run ls /sys/block | tr -d '\r')"
console_check
info "a machine of somebody else's, with kills of its service and a reset"
