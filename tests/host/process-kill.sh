#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# needs: fio-engine
#
# kill -9 of the disk service under verified random I/O of a process guest, many
# times at any moment; then it is stopped (SIGSTOP), which looks like a hang.
# fio sees no error, and what it reads is what it wrote.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_engine

truncate -s 64M a.img b.img
process_guest k "$PWD/a.img" "$PWD/b.img"

verified() {	# OPTION...
	fio_process k 0:1 --rw=randrw --bsrange=4k-64k --iodepth=32 --size=128m \
		--verify=crc32c --verify_fatal=1 --verify_backlog=512 --time_based "$@"
}

total=0
while [ $total -lt 10 ]; do
	verified --runtime=8 &
	work=$!
	kill_while k $work 300
	wait $work || fail "fio under kill -9"
	total=$((total + kills))
done
expect "generation" $((total + 1)) "$(shown k services.0.generation)"
# Asked for again by the guest, or the answer recalled.
again=$(($(shown k devices.0.counters.replayed) + $(shown k devices.0.counters.recalled)))
[ $again -gt 0 ] || fail "no request was ever under way at a kill"
info "$total kills, $recovery; $again requests of dead services finished"

# A service that hangs is killed when its heartbeat has stood still.
generation=$(shown k services.0.generation)
verified --runtime=16 &
work=$!
wait_until 20 is_shown k state online || fail "fio did not attach"
kill -STOP "$(shown k services.0.pid)"
wait_until 30 is_shown k services.0.generation $((generation + 1)) || fail "the hung service stays"
wait $work || fail "fio under a service that hung"
"$mullion" events | grep 'no heartbeat' >/dev/null || fail "no event says that the service hung"
