#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# time: 1800
#
# No write of a dead service lands over a newer one that was acknowledged: on
# stores where some writes take a second and others none, with many under way
# at each kill.  Stores: an NBD server (nbdkit), QEMU's NBD server in front of
# it, which ends connections in another way, and files with writes that go
# through io_uring, buffered and direct.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
for word in nbdkit qemu-nbd; do
	command -v $word >/dev/null || skip "$word is missing"
done

# One write in eight sleeps before it lands.
cat >slow.sh <<-'EOF'
	#!/bin/bash
	image=$MULLION_SLOW_IMAGE
	case $1 in
	thread_model) echo parallel ;;
	get_size) stat -c %s "$image" ;;
	can_write | can_flush | flush) ;;
	can_fua) echo none ;;
	can_zero | can_trim) exit 3 ;;
	pread) dd if="$image" iflag=skip_bytes,count_bytes skip="$4" count="$3" bs=64k status=none ;;
	pwrite)
		[ $((RANDOM % 8)) != 0 ] || sleep 1
		dd of="$image" oflag=seek_bytes seek="$4" bs=64k conv=notrunc status=none
		;;
	*) exit 2 ;;
	esac
EOF
chmod +x slow.sh

start_slow() {	# IMAGE: sets $slow
	truncate -s 1M "$1"
	server "$1" env MULLION_SLOW_IMAGE="$PWD/$1" nbdkit --foreground \
		--unix "$PWD/$1.sock" sh "$PWD/slow.sh"
	slow=$server
	wait_until 20 test -S "$1.sock" || { cat "$1.log"; fail "nbdkit did not start"; }
}

# survive GUEST MILLISECONDS PROGRAM ARG...: kill its service while it runs
survive() {
	local guest=$1 pause=$2 program=$3 work
	shift 3
	"$programs/$program" "$guest" 0 "$guest.record" "$@" 600 >"$guest.out" 2>&1 &
	work=$!
	kill_while "$guest" $work "$pause"
	wait $work || { cat "$guest.out"; fail "guest $guest"; }
	"$mullion" stop "$guest" >/dev/null
}

# Another guest of the same disk comes and goes meanwhile: the service uses the
# connection of one of them.
generation_is() {
	[ "$(shown nbdkit services.0.generation)" -ge "$1" ]
}
start_slow nbd.img
spec="nbd+unix:///?socket=$PWD/nbd.img.sock,share=on"
process_guest other "$spec"
process_guest nbdkit "$spec"
(
	for i in 1 2 3; do
		wait_until 60 generation_is $((3 * i))
		"$mullion" restart other
	done
) >other.out 2>&1 &
other=$!
survive nbdkit 400 versions 12 4096 10
wait $other || { cat other.out; fail "the other guest of the disk"; }
"$mullion" kill other >/dev/null
end_server $slow
"$programs/versions" check nbd.img nbdkit.record || fail "nbdkit"
info "nbdkit: $(cat nbdkit.out), $recovery"

start_slow qemu.img
server qemu qemu-nbd --persistent --format raw --cache none --socket "$PWD/qemu.sock" \
	"nbd+unix:///?socket=$PWD/qemu.img.sock"
qemu=$server
wait_until 20 test -S qemu.sock || fail "qemu-nbd did not start"
process_guest qemu "nbd+unix:///?socket=$PWD/qemu.sock"
survive qemu 400 versions 12 4096 10
end_server $qemu
end_server $slow
"$programs/versions" check qemu.img qemu.record || fail "qemu-nbd"
info "qemu-nbd: $(cat qemu.out), $recovery"

# COMPARE AND WRITE, whose write the successor does again.
start_slow caw.img
process_guest caw "nbd+unix:///?socket=$PWD/caw.img.sock"
survive caw 400 counters 12 10
end_server $slow
"$programs/counters" check caw.img caw.record || fail "COMPARE AND WRITE"
info "nbdkit, COMPARE AND WRITE: $(cat caw.out), $recovery"

# Writes of more than 256 KiB, and all with cache=none, go through the ring.
for cache in writeback none; do
	truncate -s 64M $cache.img
	process_guest file-$cache "$PWD/$cache.img,cache=$cache"
	survive file-$cache 200 versions 12 524288 12
	"$programs/versions" check $cache.img file-$cache.record || fail "file, cache=$cache"
	info "file, cache=$cache: $(cat file-$cache.out), $recovery"
done
