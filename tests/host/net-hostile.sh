#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Process guests that break every rule of a network card cost their own ports
# alone: one writes random bytes over its windows and keeps half of its buffers, one
# keeps its rings in order and sends messages that cannot be (buffers posted twice
# or outside the pool, frames of no length or all lengths, offloads that make no
# sense, floods of control messages).  Meanwhile others of the same switch talk, and
# lose no frame.  The switch and the daemon live on; started again, the hostile ones
# work.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${SCRIBBLE_SECONDS:-8}
good=(g1 g2 g3 g4 g5)
# Few enough floods, and windows small enough, that buffers suffice for both.
network lan FloodRate=100
# Without a lock anybody could say that he has their addresses.
for guest in "${good[@]}"; do
	net_guest "$guest" lan,lock=mac
done
net_guest wild lan
net_guest liar lan
before=$(shown g1 services.0.pid)

"$programs/scribbler" wild "$seconds" >wild.out 2>&1 &
wild=$!
"$programs/scribbler" liar "$seconds" 1 messages >liar.out 2>&1 &
liar=$!
"$programs/net-traffic" --seconds "$seconds" --strangers --window 32 --limit 250 "${good[@]}" >good.out 2>&1 || {
	cat good.out
	fail "good guests among hostile ones"
}
wait $wild || { cat wild.out; fail "the library crashed in the window of wild"; }
wait $liar || { cat liar.out; fail "the library crashed beside the messages of liar"; }

"$mullion" show g1 >/dev/null || fail "the daemon was hurt"
expect "generation of the switch" 1 "$(shown g1 services.0.generation)"
expect "process of the switch" "$before" "$(shown g1 services.0.pid)"
for guest in "${good[@]}"; do
	# tx_mtu: frames of the hostile ones that were too large for it
	drops lan | grep -w "^$guest" | grep -v 'tx_down\|tx_mtu' && fail "a good port lost frames"
done
read -r malformed refused <<<"$(port lan liar counters.rx_malformed counters.posts_refused)"
[ "$malformed" -gt 100 ] || fail "only $malformed malformed messages of liar were seen"
[ "$refused" -gt 100 ] || fail "only $refused of liar's buffers were refused"
info "$(said good.out received) frames among good guests; $malformed malformed frames, $refused bad buffers of hostile ones"

for guest in wild liar; do
	"$mullion" restart $guest >/dev/null
done
"$programs/net-traffic" --frames 500 "${good[@]}" wild liar >after.out 2>&1 || {
	cat after.out
	fail "hostile guests that were restarted"
}
