#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
#
# Each offload off and on under traffic, each value of rings and channels; all
# that the switch passes on meanwhile is captured there, and its checksums are
# right.  What ethtool shows is there.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"
command -v tcpdump >/dev/null || skip "tcpdump is missing"

network lan Uplink=none
boot a --cpus 2 --net lan
boot b --cpus 2 --net lan
booted a
booted b
must b "iperf3 -s -D >/dev/null 2>&1"

"$mullion" network capture lan -w lan.pcap 2>capture.log &
capture=$!
helpers+=("$capture")
wait_until 30 test -s lan.pcap || fail "no capture: $(cat capture.log)"

# iperf3 both ways at once, while the commands run at both ends
under_traffic() {	# COMMAND...
	local command
	must a "rm -f /status; (while iperf3 -c 10.9.0.2 -n 3M --bidir >/log 2>&1; s=\$?; grep -q busy /log; do
		sleep 0.1; done; echo \$s >/status) >/dev/null 2>&1 &"
	for command; do
		must b "$command"
		must a "$command"
	done
	ends a "test -e /status"
	must a "grep -qx 0 /status || { cat /log; exit 1; }"
}

switchable=$(on a "ethtool -k eth0" | sed -n '/fixed/d; s/^[[:space:]]*\([a-z0-9-]*\): o[nf].*/\1/p')
for feature in tx-checksumming rx-checksumming scatter-gather tcp-segmentation-offload \
	generic-segmentation-offload generic-receive-offload; do
	grep -qx $feature <<<"$switchable" || fail "$feature cannot be switched: $(on a "ethtool -k eth0")"
done
info "switched:" $switchable
for feature in $switchable; do
	under_traffic "ethtool -K eth0 $feature off"
	under_traffic "ethtool -K eth0 $feature on"
done
# One end with none, the other with all, in both families.
must a "for f in $(echo $switchable); do ethtool -K eth0 \$f off; done"
iperf a 10.9.0.2 -n 3M --bidir
iperf a fd09::2 -n 3M --bidir
iperf a fd09::2 -u -b 50M -l 1400 -n 500K
must a "for f in $(echo $switchable); do ethtool -K eth0 \$f on; done"
iperf a fd09::2 -n 3M --bidir
iperf a 10.9.0.2 -u -b 50M -l 4000 -n 500K

under_traffic "ethtool -L eth0 combined 1" "ethtool -L eth0 combined 2"
smallest=$(on a "ethtool -g eth0" | sed -n 's/^RX:[^0-9]*//p' | tail -n 1)
under_traffic "ethtool -G eth0 rx $((smallest / 2))" "ethtool -G eth0 rx $smallest"
for option in -i -k -S -l -g -c ''; do
	must a "ethtool $option eth0"
done
expect "driver" "driver: visornic" "$(on a "ethtool -i eth0" | head -n 1)"
must a "ethtool -t eth0"
must a "ping -q -c 2 -i 0.2 -W 30 10.9.0.2"

kill -INT $capture
wait $capture || true
tcpdump -nvv -r lan.pcap >frames 2>/dev/null
[ "$(wc -l <frames)" -gt 1000 ] || fail "$(wc -l <frames) lines of frames only"
if grep -E 'incorrect|bad (udp |tcp |icmp6 )?(cksum|sum)' frames >bad; then
	head -n 5 bad >&2
	fail "$(wc -l <bad) frames with a wrong checksum"
fi
info "$(grep -c 'IP6* (' frames) frames captured, all checksums right"
net_finish
