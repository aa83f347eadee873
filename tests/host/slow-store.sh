#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
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
	MULLION_SLOW_IMAGE=$PWD/$1 nbdkit --foreground --unix "$PWD/$1.sock" \
		sh "$PWD/slow.sh" >"$1.log" 2>&1 &
	slow=$!
	wait_until 20 test -S "$1.sock" || { cat "$1.log"; fail "nbdkit did not start"; }
}

# survive GUEST BLOCKS BYTES GENERATIONS MILLISECONDS
survive() {
	local work
	"$programs/versions" "$1" 0 "$1.record" "$2" "$3" "$4" 150 >"$1.out" 2>&1 &
	work=$!
	kill_while "$1" $work "$5"
	wait $work || { cat "$1.out"; fail "guest $1"; }
	"$mullion" stop "$1" >/dev/null
}

start_slow nbd.img
process_guest nbdkit "nbd+unix:///?socket=$PWD/nbd.img.sock"
survive nbdkit 12 4096 10 400
end_server $slow
"$programs/versions" check nbd.img nbdkit.record || fail "nbdkit"
info "nbdkit: $(cat nbdkit.out), recovery within $longest ms"

start_slow qemu.img
qemu-nbd --persistent --format raw --cache none --socket "$PWD/qemu.sock" \
	"nbd+unix:///?socket=$PWD/qemu.img.sock" >qemu.log 2>&1 &
qemu=$!
wait_until 20 test -S qemu.sock || fail "qemu-nbd did not start"
process_guest qemu "nbd+unix:///?socket=$PWD/qemu.sock"
survive qemu 12 4096 10 400
end_server $qemu
end_server $slow
"$programs/versions" check qemu.img qemu.record || fail "qemu-nbd"
info "qemu-nbd: $(cat qemu.out), recovery within $longest ms"

# Writes of more than 256 KiB, and all with cache=none, go through the ring.
for cache in writeback none; do
	truncate -s 64M $cache.img
	process_guest file-$cache "$PWD/$cache.img,cache=$cache"
	survive file-$cache 12 524288 12 200
	"$programs/versions" check $cache.img file-$cache.record || fail "file, cache=$cache"
	info "file, cache=$cache: $(cat file-$cache.out), recovery within $longest ms"
done
