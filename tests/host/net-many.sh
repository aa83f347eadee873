#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 40 process guests on one switch, each talking to each: every frame arrives, in
# order, unharmed.  Then one of them stops reading: frames to it are dropped and
# counted at its port, and nobody else loses one, or waits for it.  Then with
# several queue pairs, and with frames larger than a buffer.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

guests=()
network lan
for i in $(seq 40); do
	net_guest g"$i" lan
	guests+=(g"$i")
done

traffic() {	# NAME OPTION...
	"$programs/net-traffic" --limit 250 "${@:2}" >"$1" 2>&1 || {
		cat "$1"
		fail "traffic: $1"
	}
}

traffic all --frames 200 "${guests[@]}"
expect "drops when all talk" "" "$(drops lan)"
info "40 guests: $(said all sent) frames, $(said all received) received, none lost"

before=$(port lan g17 counters.tx_no_buffer)
traffic stopped --frames 200 --stop g17 "${guests[@]}"
expect "drops of those who read" "" "$(drops lan g17)"
after=$(port lan g17 counters.tx_no_buffer)
[ "$after" -gt "$before" ] || fail "g17 did not read, and yet nothing was dropped"
# All that was sent to it is there, or counted as dropped: a frame to it from each.
read -r got down <<<"$(port lan g17 counters.tx_frames counters.tx_down)"
info "one that does not read: $((after - before)) frames to it dropped ($got delivered, $down after its end), none of others"

traffic pairs --frames 5000 --pairs 4 g1 g2 g3
traffic small --frames 20000 --size 60 g1 g2
expect "drops at the end" "" "$(drops lan g17)"

network jumbo MTU=9000
for i in 1 2 3; do
	net_guest j$i jumbo
done
traffic jumbo --frames 3000 --size 60-9014 j1 j2 j3
traffic all-jumbo --frames 3000 --size 9014 --pairs 2 j1 j2 j3
expect "drops of jumbo frames" "" "$(drops jumbo)"
