#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: ram
#
# A guest goes on with another kernel and the machine is not reset: by kexec,
# then by kdump, each time from under running I/O.  The next kernel finds the same
# channels; its disk is what it was, and nothing that the kernel before it had
# under way lands there later.  A crash kernel has the disk, reads the memory of
# the one that crashed, and the guest is as new after its reset.
#
# shellcheck disable=SC2016 # what is in such quotes is for the guest
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
command -v kexec >/dev/null || fail "kexec is not installed; run 'make deps-check'"

# Half of it is read, the other half written while kernels come and go.
head -c 32M /dev/urandom >a.img
sum=$(head -c 16M a.img | sha256sum)
# What the guest needs for its next kernel, on a disk; ldd names what is in /.
mapfile -t files < <(ldd "$(command -v kexec)" | grep -o '/[^ ]*')
next=$top/build/images/builtin
tar -chf next.img -C "$next" vmlinuz initrd.img \
	-C / "${files[@]#/}" --transform 's,.*/kexec$,kexec,' \
	"$(readlink -f "$(command -v kexec)" | sed 's,^/,,')"

cat >kx.ini <<INI
[Guest]
Name=kx
Memory=$memory
Kernel=$kernel
Initrd=$initrd
Append=loglevel=7 $patience crashkernel=192M
Disk=$dir/a.img
Disk=$dir/next.img,lun=1
Net=nat
INI

logs() {
	"$mullion" logs kx | tr -d '\r'
}

says() {	# TEXT COUNT
	[ "$(logs | grep -ac "$1")" -ge "$2" ]
}

# Tabs would complete what is typed.
type_line() {
	tr -s '\n\t' '  ' <<<"$1" >&9
	echo >&9
}

# run COMMAND: in the shell of whichever kernel is there; its output, in one line
run() {
	local mark=mark$BASHPID.$RANDOM$RANDOM
	# the mark is not in what the terminal echoes
	type_line "x=\$($1); echo ${mark:0:2}\"\"${mark:2} \$x ."
	wait_until 60 says "^$mark .*\.\$" 1 || { logs | tail -n 30; fail "no answer to: $1"; }
	logs | sed -n "s/^$mark \(.*\)\.\$/\1/p" | sed 's/ *$//'
}

# A shell that is not there yet loses what is typed.
awake() {	# KERNELS
	says 'Built-in guest of Mullion' "$1" || return 1
	echo "echo a\"\"wake.$1" >&9
	sleep 0.3
	says "^awake.$1" 1
}

# booted KERNELS: so many have come up to a shell.  Which disk is sda is anybody's
# guess: they are /a and /next here.
booted() {
	wait_until 120 awake "$1" || { logs | tail -n 40; fail "kernel $1 has no shell"; }
	run 'for d in /sys/block/sd*; do case $(cat $d/size) in
		'$((32 << 11))') ln -s /dev/${d##*/} /a ;;
		'$(($(stat -c %s next.img) >> 9))') ln -s /dev/${d##*/} /next ;;
		esac; done' >/dev/null
}

# I/O without an end: whoever starts the next kernel does not wait for it.
busy() {
	type_line '{ while :; do dd if=/a of=/dev/null bs=64k iflag=direct; done &
	while :; do dd if=/dev/zero of=/a bs=16k seek=1024 count=1024 oflag=direct; done &
	ping 10.0.2.2 & } >/dev/null 2>&1'
	run 'until [ $(cat /sys/block/$(basename $(readlink /a))/stat | tr -s " " | cut -d " " -f 6) -gt 200 ]; do sleep 0.1; done'
}

# Devices, where their channels lie, and how they are used.
devices() {
	run 'cd /sys/bus/visorbus/devices; for d in *:dev*; do
		echo $d $(cat $d/channel/physaddr $d/mullion/addressing $d/mullion/placement); done'
}

epochs() {
	run 'cat /sys/bus/visorbus/devices/*:dev*/mullion/epoch'
}

content() {
	run 'dd if=/a bs=1M count=16 iflag=direct 2>/dev/null | sha256sum'
}

network() {
	expect "$1: the network" works "$(run 'ping -c 2 -W 30 10.0.2.2 >/dev/null && echo works')"
}

"$mullion" define kx.ini
"$mullion" start kx
mkfifo keys
"$mullion" console kx <keys >/dev/null 2>&1 &
client=$!
exec 9>keys
booted 1
[ "$(run 'cat /sys/kernel/kexec_crash_size')" -gt 0 ] 2>/dev/null ||
	skip "this kernel has no memory for a crash kernel"
before=$(devices)
old=$(epochs)

# Both ways to load a kernel: the tool finds where it may lie, or the kernel does.
how=-c
[ "$mode" != guest-physical ] || how=-s

# The next kernel, the way a user would start it: with the command line of this one.
run 'cd / && tar xf /next'
run "/kexec $how -l /vmlinuz --initrd=/initrd.img --command-line=\"\$(cat /proc/cmdline)\""
busy
echo '/kexec -e -x' >&9
booted 2
wait_until 60 is_shown kx state online || fail "after kexec it is $(shown kx state)"
expect "devices after kexec" "$before" "$(devices)"
expect "content after kexec" "${sum%% *}" "$(content | cut -d ' ' -f 1)"
network "after kexec"
new=$(epochs)
for _ in $old; do
	[ "${new%% *}" -gt "${old%% *}" ] || fail "epochs after kexec: $new, before: $old"
	old=${old#* } new=${new#* }
done
# the old kernel has taken its leave, the new one has come
expect "control epoch after kexec" 3 "$(shown kx control.epoch)"
logs >"$console"
console_check
if "$mullion" events | grep 'kx' | grep -E 'crashed|panicked|reset itself'; then
	fail "kexec was taken for something else"
fi

# The same from a crash.
run 'cd / && tar xf /next'
run "/kexec $how -p /vmlinuz --initrd=/initrd.img"' --command-line="$(
	sed "s/crashkernel=[^ ]*//" /proc/cmdline) nr_cpus=1 reset_devices"'
expect "the crash kernel is loaded" 1 "$(run 'cat /sys/kernel/kexec_crash_loaded')"
# Not the disk to dump to, though the last to come.
truncate -s 4M late.img
"$mullion" device add kx "$dir/late.img,share=on"
run 'until [ -b /dev/sdc ]; do sleep 0.1; done'
busy
echo 'echo c >/proc/sysrq-trigger' >&9
booted 3
expect "disks of the crash kernel" "sda sdb" "$(run 'cd /sys/block && ls -d sd*')"
expect "content in the crash kernel" "${sum%% *}" "$(content | cut -d ' ' -f 1)"
size=$(run 'stat -c %s /proc/vmcore')
[ "$size" -gt $((128 << 20)) ] || fail "/proc/vmcore has $size bytes"
# 0x55 where zeros were being written
run 'tr "\0" U </dev/zero | dd of=/a bs=64k seek=256 count=256 iflag=fullblock oflag=direct 2>/dev/null;
	dd if=/proc/vmcore of=/a bs=64k seek=256 count=16 iflag=fullblock oflag=direct 2>/dev/null'
expect "devices in the crash kernel" "${before%% vbus*}" "$(devices | sed 's/ vbus.*//')"
expect "state in the crash kernel" online "$(shown kx state)"
head -c 17M a.img | tail -c 1M >dump
expect "signature of the dump" 7f454c46 "$(od -An -tx1 -N4 dump | tr -d ' ')"
grep -aq "OSRELEASE=$(cat "$next/release")" dump || fail "the dump is of no kernel"
expect "what was written after the crash" "$(tr '\0' U </dev/zero | head -c 15M | sha256sum)" \
	"$(tail -c 15M a.img | sha256sum)"

# What dump tools do in the end.
echo 'reboot -f' >&9
booted 4
wait_until 60 is_shown kx state online || fail "after the reset it is $(shown kx state)"
expect "content after the reset" "${sum%% *}" "$(content | cut -d ' ' -f 1)"
expect "what was written after the crash" "$(tr '\0' U </dev/zero | head -c 15M | sha256sum)" \
	"$(tail -c 15M a.img | sha256sum)"
network "after the reset"

exec 9>&-
kill $client 2>/dev/null || true
wait $client 2>/dev/null || true
# but for the crash that was asked for
logs | sed '/sysrq: Trigger a crash/,/Linux version/d' >"$console"
console_check
"$mullion" kill kx
info "kexec, a crash kernel with $((size >> 20)) MiB of dump, a reset"
