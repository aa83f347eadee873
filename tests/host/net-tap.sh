#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mullion-tap: network namespaces as guests of a switch.  Ping, TCP and UDP by
# iperf3 in both directions and both families, large frames, jumbo frames, VLANs on
# access and trunk ports, multicast; the address and link state follow; and every
# frame that the mirror port saw has right checksums.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_namespaces iperf3 ping tcpdump python3

network lan MTU=9000
net_guest a lan
net_guest b lan,mtu=1500
net_guest c lan,vlan=7
net_guest d lan,trunk=7+8
for n in a b c d; do
	namespace $n
done
tap a a --up 10.9.0.1/24 --up fd09::1/64
tap_a=$server
tap b b --up 10.9.0.2/24 --up fd09::2/64
tap c c --up 10.7.0.3/24
tap d d --up

expect "MTU of a" 9000 "$(in_ns a cat /sys/class/net/eth0/mtu)"
expect "MTU of b" 1500 "$(in_ns b cat /sys/class/net/eth0/mtu)"
expect "address of a" "$(port lan a mac)" "$(in_ns a cat /sys/class/net/eth0/address)"

reaches() {	# NAMESPACE ADDRESS [OPTION...]
	in_ns "$1" ping -q -c 1 -W 2 "${@:3}" "$2" >/dev/null 2>&1
}
never_reaches() {	# NAMESPACE ADDRESS
	! in_ns "$1" ping -q -c 3 -i 0.2 -W 1 "$2" >/dev/null 2>&1
}
wait_until 60 reaches a 10.9.0.2 || fail "a does not reach b by IPv4"
wait_until 60 reaches a fd09::2 || fail "a does not reach b by IPv6"
reaches b 10.9.0.1 || fail "b does not reach a"

# ---- what goes over the mirror is looked at in the end ----
"$mullion" network capture lan -w mirror.pcap >capture.log 2>&1 &
capture=$!
servers+=("$capture")
captures() {
	[ -s mirror.pcap ]
}
reaches a 10.9.0.2
wait_until 60 captures || fail "no capture: $(cat capture.log)"

# iperf3 ends when all is sent, not received: that something came is what it tells.
iperf() {	# FROM ADDRESS OPTION...
	in_ns "$1" timeout 60 iperf3 -c "$2" -J "${@:3}" >iperf.json 2>iperf.err || {
		cat iperf.json iperf.err >&2
		fail "iperf3 $*"
	}
	python3 -c '
import json
end = json.load(open("iperf.json"))["end"]
print(int(end.get("sum_received", end.get("sum"))["bytes"]))' 2>>iperf.err
}
server iperf3-b ip netns exec mt$$-b iperf3 -s --forceflush
server iperf3-a ip netns exec mt$$-a iperf3 -s --forceflush
for log in iperf3-a.log iperf3-b.log; do
	wait_until 60 grep -q listening $log || fail "no iperf3"
done
for from in "a 10.9.0.2" "a fd09::2" "b 10.9.0.1" "b fd09::1"; do
	# shellcheck disable=SC2086 # two words
	for options in "-n 4M" "-n 4M -R" "-n 4M -P 4" "-u -b 20M -n 1M -l 1200"; do
		bytes=$(iperf $from $options)
		[ "$bytes" -gt 0 ] || fail "iperf3 $from $options: $bytes bytes"
	done
done

kill -INT $capture
wait $capture || true
checked=$(tcpdump -nn -vv -r mirror.pcap 2>tcpdump.err | tee mirror.txt | grep -c 'cksum.*correct\|sum ok')
[ "$checked" -gt 100 ] || fail "the mirror saw $checked checksums: $(tail -3 tcpdump.err)"
if grep -B1 'bad cksum\|incorrect\|bad udp cksum' mirror.txt | head -20 | grep .; then
	fail "wrong checksums at the mirror port"
fi
large=$(tcpdump -nn -r mirror.pcap 'greater 9015' 2>/dev/null | wc -l)
info "$checked right checksums at the mirror port, none wrong; $large frames above the MTU"

# ---- jumbo frames, in a network of their own size ----
net_guest e lan
namespace e
tap e e --up 10.9.0.5/24
wait_until 60 reaches a 10.9.0.5 -M "do" -s 8972 || fail "no jumbo frame from a to e"
reaches e 10.9.0.1 -M "do" -s 8972 || fail "no jumbo frame from e to a"

# ---- VLANs: c is in 7 without a tag, d has tags; net-rules looks at the frames ----
vlans() {
	local vlan
	for vlan in 7 8; do
		in_ns d ip link add link eth0 name v$vlan type vlan id $vlan
		in_ns d ip addr add 10.$vlan.0.4/24 dev v$vlan
		in_ns d ip link set v$vlan up
	done
	wait_until 60 reaches c 10.7.0.4 || fail "c does not reach d in VLAN 7"
	reaches d 10.7.0.3 || fail "d does not reach c in VLAN 7"
	in_ns c ip addr add 10.8.0.3/24 dev eth0
	never_reaches c 10.8.0.4 || fail "c is in VLAN 8"
	in_ns c ip addr add 10.9.0.3/24 dev eth0
	never_reaches c 10.9.0.1 || fail "c is in no VLAN too"
	server iperf3-d ip netns exec mt$$-d iperf3 -s --forceflush
	wait_until 60 grep -q listening iperf3-d.log || fail "no iperf3"
	bytes=$(iperf c 10.7.0.4 -n 4M)
	[ "$bytes" -gt 0 ] || fail "TCP in a VLAN: $bytes bytes"
}
if in_ns d ip link add link eth0 name probe type vlan id 9 2>/dev/null; then
	vlans
else
	info "this kernel has no VLAN interfaces"
fi

# ---- multicast ----
for n in a b; do
	in_ns $n ip route add 239.1.0.0/16 dev eth0
done
in_ns b timeout 60 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("239.1.2.3", 5000))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton("239.1.2.3") + socket.inet_aton("10.9.0.2"))
print(s.recv(100).decode(), flush=True)' >multicast.out &
multicast=$!
heard() {
	in_ns a python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"to everybody", ("239.1.2.3", 5000))'
	grep -q "to everybody" multicast.out
}
wait_until 60 heard || fail "no multicast"
wait $multicast

# ---- address and link ----
before=$(port lan a counters.control)
in_ns a ip link set eth0 address 02:aa:bb:cc:dd:ee
mac_is() {	# NAMESPACE ADDRESS
	[ "$(in_ns "$1" cat /sys/class/net/eth0/address)" = "$2" ]
}
in_ns b ip neigh flush all
wait_until 60 reaches b 10.9.0.1 || fail "a is not reached at its new address"
# Frames pass before the switch was asked; the last to ask has the last word.
asked() {
	[ "$(port lan a counters.control)" -gt "$before" ]
}
wait_until 60 asked || fail "the switch was not told the new address"
uses() {	# ADDRESS
	[ "$(port lan a mac_in_use 2>/dev/null)" = "$1" ]
}
wait_until 60 uses 02:aa:bb:cc:dd:ee || fail "the network does not show the address that a uses"
expect "address that a uses" 02:aa:bb:cc:dd:ee "$(shown a devices.0.port.mac_in_use)"
"$mullion" device set a "$(port lan a device)" mac=02:11:11:11:11:11 >/dev/null
wait_until 60 mac_is a 02:11:11:11:11:11 || fail "the administrator's address did not come"
wait_until 60 uses "" || fail "an address besides the administrator's"
"$mullion" device set b "$(port lan b device)" lock=mac >/dev/null
own=$(port lan b mac)
in_ns b ip link set eth0 address 02:aa:bb:cc:dd:ff
wait_until 60 mac_is b "$own" || fail "an address that is locked was changed"
carrier_is() {	# NAMESPACE 0|1
	[ "$(in_ns "$1" cat /sys/class/net/eth0/carrier)" = "$2" ]
}
"$mullion" device set b "$(port lan b device)" link=down >/dev/null
wait_until 60 carrier_is b 0 || fail "the link of b is still up"
"$mullion" device set b "$(port lan b device)" link=up >/dev/null
wait_until 60 carrier_is b 1 || fail "the link of b is still down"
in_ns a ip neigh flush all
in_ns b ip neigh flush all
wait_until 60 reaches b 10.9.0.1 || fail "b is not back"

# ---- the end of the program is the end of the interface, in order ----
end_server $tap_a
in_ns a ip link show eth0 >/dev/null 2>&1 && fail "the interface outlived its program"
expect "state of a" booting "$(shown a state)"
