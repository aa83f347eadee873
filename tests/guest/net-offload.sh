#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: 6.12
# time: 1800
#
# Each offload off and on under traffic, rings, channels and doorbells at their
# bounds; all that the switch passes on meanwhile is captured there, and its
# checksums are right.  What ethtool shows is there, and is what was set.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"
command -v tcpdump >/dev/null || skip "tcpdump is missing"

network lan Uplink=none
boot a --cpus 2 --net lan
boot b --cpus 2 --net lan
booted a
booted b
iperf_serve b

"$mullion" network capture lan -w lan.pcap 2>capture.log &
capture=$!
helpers+=("$capture")
wait_until 30 test -s lan.pcap || fail "no capture: $(cat capture.log)"

# iperf3 both ways at once, while the commands run at both ends.  Its server may
# be busy, or end while the client still writes, which then has a reset.
under_traffic() {	# COMMAND...
	local command
	must a "rm -f /status; (while $iperf_both -c 10.9.0.2 -n 3M >/log 2>&1; s=\$?; grep -q 'busy\\|refused\\|reset by peer' /log; do
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
iperf a 10.9.0.2 both -n 3M
iperf a fd09::2 both -n 3M
iperf a fd09::2 -u -b 50M -l 1400 -n 500K
must a "for f in $(echo $switchable); do ethtool -K eth0 \$f on; done"
iperf a fd09::2 both -n 3M
iperf a 10.9.0.2 -u -b 50M -l 4000 -n 500K

# What is set is what is shown; what cannot be is refused, and changes nothing.
# set_shown SET SHOW NAME VALUE: under traffic; the last value shown is the present one
set_shown() {
	under_traffic "ethtool $1 eth0 $3 $4"
	shows "$2" "$3" "$4"
}
shows() {	# SHOW NAME VALUE
	local name=$2
	case $2 in
	rx | tx) name=${2^^} ;;
	combined) name=Combined ;;
	esac
	expect "ethtool $1 $2" "$3" "$(on a "ethtool $1 eth0" | sed -n "s/^$name:[^0-9]*//p" | tail -n 1)"
}
refused() {	# SET SHOW NAME VALUE NOW
	must a "! ethtool $1 eth0 $3 $4"
	shows "$2" "$3" "$5"
}
set_shown -L -l combined 1
set_shown -L -l combined 2
refused -L -l combined 3 2
declare -A most
for ring in rx tx; do
	largest=$(on a "ethtool -g eth0" | sed -n "s/^${ring^^}:[^0-9]*//p" | head -n 1)
	most[$ring]=$largest
	[ $ring = tx ] && smallest=4 || smallest=8
	for size in $smallest $((largest / 2)) "$largest"; do
		set_shown -G -g $ring "$size"
	done
	refused -G -g $ring $((smallest - 1)) "$largest"
	refused -G -g $ring $((largest + 1)) "$largest"
done
for usecs in 50 1000 100000; do
	set_shown -C -c rx-usecs $usecs
done
refused -C -c rx-usecs 100001 100000
must a "ethtool -C eth0 rx-usecs 200; ! ethtool -C eth0 tx-usecs 5"
# All at once, and what the driver finds out about itself meanwhile.
under_traffic "ethtool -t eth0 online" "ethtool -G eth0 rx 16 tx 8" "ethtool -t eth0 offline" \
	"ethtool -C eth0 rx-usecs 0" "ethtool -L eth0 combined 1" "ethtool -t eth0"
under_traffic "ethtool -L eth0 combined 2" "ethtool -G eth0 rx ${most[rx]} tx ${most[tx]}"
for option in -i -k -S -l -g -c -T ''; do
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
