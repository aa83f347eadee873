#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# also: guest-physical
# also: ram
# time: 1800
#
# kill -9 of the disk service, again and again, under verified random I/O: the
# guest notices nothing but time.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

kills=6
truncate -s 64M a.img b.img
mkfifo input
exec 9<>input

# shellcheck disable=SC2016
"$mullion" run --name victim --verbose "${talk[@]}" --memory "$memory" --kernel "$kernel" \
	--initrd "$image/initrd.img" --disk a.img --disk b.img,lun=1 -- sh -c '
	exec 3<&0
	(read word <&3; touch /tmp/stop) &
	echo started
	run=1
	while [ ! -e /tmp/stop ]; do
		fio --minimal --output=/tmp/fio.out --ioengine=libaio --direct=1 --rw=randrw \
			--bsrange=4k-64k --iodepth=32 --size=32m --io_size=32m --randseed=$run \
			--verify=crc32c --verify_fatal=1 \
			--name=a --filename=/dev/sda --name=b --filename=/dev/sdb || {
			cat /tmp/fio.out
			dmesg | tail -n 30
			exit 1
		}
		echo "round $run verified"
		run=$((run + 1))
	done
	! dmesg | grep -i "i/o error"' <input >out 2>"$console" &
runner=$!
wait_until 120 grep -q started out || fail "the guest did not start"
longest=0
for ((i = 1; i <= kills; i++)); do
	# in the middle of I/O, at another moment each time
	answered=$(shown victim devices.0.counters.requests)
	moved() {
		[ "$(shown victim devices.0.counters.requests)" -gt $((answered + 50 * i)) ]
	}
	wait_until 60 moved || fail "no I/O after kill $((i - 1))"
	before=${EPOCHREALTIME//[.,]/}
	kill_service victim
	took=$(((${EPOCHREALTIME//[.,]/} - before) / 1000))
	[ $took -le $longest ] || longest=$took
done
echo stop >&9
status=0
wait $runner || status=$?
cat out
console_check
expect "exit status of the guest" 0 $status
info "$kills kills of mullion-disk, $(grep -c verified out) rounds verified; a successor serves within $longest ms (as a poll of the API sees it)"
