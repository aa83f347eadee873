#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the switch under the traffic of a dozen process guests, many times at
# any moment; then it is stopped (SIGSTOP), which looks like a hang.  Frames that
# were under way may be lost, and are sent again; every stream goes on and ends,
# in order and unharmed, and the counters of the ports go on where they were.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

guests=()
network lan
for i in $(seq 12); do
	net_guest k"$i" lan
	guests+=(k"$i")
done

start_traffic() {	# NAME SECONDS
	"$programs/net-traffic" --seconds "$2" --retry 100 --limit 250 "${guests[@]}" >"$1" 2>&1 &
	work=$!
}
end_traffic() {	# NAME
	wait $work || {
		cat "$1"
		fail "traffic: $1"
	}
}

moved() {	# FRAMES: more than those have come from k5
	[ "$(port lan k5 counters.rx_frames)" -gt "$1" ]
}

start_traffic killed 8
wait_until 60 moved 1000 || fail "no traffic"
kill_while k1 $work 300
end_traffic killed
[ "$kills" -ge 8 ] || fail "only $kills kills while there was traffic"
expect "generation" $((kills + 1)) "$(shown k1 services.0.generation)"
# Each guest saw each service, or two changes as one.
[ "$(said killed generations)" -ge "$kills" ] || fail "services that nobody noticed: $(cat killed)"
frames=$(port lan k5 counters.rx_frames)
[ "$frames" -gt 1000 ] || fail "the counters of a port did not survive"
info "$kills kills, $recovery; $(said killed received) frames received, $(said killed again) sent again"

generation=$(shown k1 services.0.generation)
start_traffic hung 16
wait_until 60 moved $((frames + 1000)) || fail "no traffic"
kill -STOP "$(shown k1 services.0.pid)"
wait_until 60 is_shown k1 services.0.generation $((generation + 1)) || fail "the hung switch stays"
end_traffic hung

# And now that nobody kills it, nothing is lost.
"$programs/net-traffic" --frames 500 "${guests[@]}" >quiet 2>&1 || {
	cat quiet
	fail "traffic after the kills"
}
moved "$frames" || fail "the counters of a port went back"
