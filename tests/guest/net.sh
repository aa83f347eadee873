#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
#
# Three virtual machines and a process guest on one switch, behind a NAT: every
# pair by IPv4 and IPv6, small and jumbo, TCP and UDP, multicast, VLANs, DHCP, the
# host from a guest, and a guest from the host by a forward.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
forward=$(free_port)
network lan Uplink=nat HostLoopback=yes MTU=9000 "Forward=tcp:127.0.0.1:$forward:10.0.2.15:80"
boot a --cpus 2 --net lan,mac=02:00:00:00:00:01
boot b --net lan,mac=02:00:00:00:00:02
boot c --net lan,mac=02:00:00:00:00:03
box d lan
for name in a b c; do
	booted $name
done
all=(a b c d)

# Everybody to everybody.
for name in "${all[@]}"; do
	for n in "${net_number[@]}"; do
		[ "$n" != "${net_number[$name]}" ] || continue
		echo "ping -q -c 2 -i 0.2 -W 30 10.9.0.$n && ping -q -c 2 -i 0.2 -W 30 fd09::$n &&
			ping -q -c 2 -i 0.2 -W 30 -M do -s 8972 10.9.0.$n &&
			ping -q -c 2 -i 0.2 -W 30 -M do -s 8952 fd09::$n || exit"
	done >pings
	must "$name" "$(cat pings)"
done

# All of them answer to a group.
for name in a d; do
	for group in 224.0.0.1 ff02::1; do
		on "$name" "ping -c 3 -i 0.5 -W 30 -I eth0 $group" >"group.$name" || fail "nobody answers to $group"
		expect "answers to $group at $name" 3 "$(sed -n 's/.* from \([^ ]*\): icmp_seq.*/\1/p' "group.$name" |
			sort -u | grep -vcx "10.9.0.${net_number[$name]}\|$(on "$name" "ip -6 -o addr show dev eth0 scope link" |
				sed 's/.*inet6 \([^/]*\).*/\1/')%eth0")"
	done
done

# Streams and datagrams, so many bytes each way.
for name in "${all[@]}"; do
	must "$name" "iperf3 -s -D >/dev/null 2>&1"
done
for pair in "a b" "b d" "c a"; do
	read -r from to <<<"$pair"
	n=${net_number[$to]}
	iperf "$from" "10.9.0.$n" -n 8M
	iperf "$from" "10.9.0.$n" -n 8M -R
	iperf "$from" "fd09::$n" -n 4M --bidir
	iperf "$from" "10.9.0.$n" -u -b 50M -l 1400 -n 1M
	iperf "$from" "fd09::$n" -u -b 50M -l 8000 -n 2M -R
done

# A is in a VLAN, B carries it with tags, C has nothing to do with it.
"$mullion" device set a 02:00:00:00:00:01 vlan=7
"$mullion" device set b 02:00:00:00:00:02 trunk=7-9
must b "ip link add link eth0 name eth0.7 type vlan id 7"
addresses b eth0.7 7 2
addresses a eth0 7 1
must a "ping -q -c 2 -i 0.2 -W 30 10.7.0.2 && ping -q -c 2 -i 0.2 -W 30 fd07::2 &&
	ping -q -c 2 -i 0.2 -W 30 -M do -s 8900 10.7.0.2"
addresses c eth0 7 3
! on c "ping -q -c 2 -i 0.2 -W 1 10.7.0.1" >/dev/null || fail "into the VLAN from outside"
! on a "ping -q -c 2 -i 0.2 -W 1 10.9.0.3" >/dev/null || fail "out of the VLAN"
must b "iperf3 -s -D -p 5300 >/dev/null 2>&1"
iperf a 10.7.0.2 -p 5300 -n 4M
iperf a 10.7.0.2 -p 5300 -n 4M -R
"$mullion" device set a 02:00:00:00:00:01 vlan=0
"$mullion" device set b 02:00:00:00:00:02 trunk=none
must c "ping -q -c 2 -i 0.2 -W 30 10.9.0.1 && ping -q -c 2 -i 0.2 -W 30 10.9.0.2"

# The world: an address, the host, a name server's address, and back in.
must a "udhcpc -i eth0 -n -q -t 30 -T 1"
expect "leased address" 10.0.2.15 "$(on a "ip -4 -o addr show dev eth0" | sed -n 's/.*inet \(10.0.2[^/]*\).*/\1/p')"
expect "name server" "nameserver 10.0.2.3" "$(on a "cat /etc/resolv.conf")"
must a "ping -q -c 2 -i 0.2 -W 30 10.0.2.2"
has_prefix() { on a "ip -6 addr show dev eth0" | grep -q 'inet6 fd00:.* dynamic'; }
wait_until 60 has_prefix || fail "no address by router advertisement"
must a "ping -q -c 2 -i 0.2 -W 30 fd00:6d75::2"

mkdir www
head -c 4M /dev/urandom >www/file
port=$(free_port)
busybox httpd -f -p "127.0.0.1:$port" -h www &
helpers+=($!)
expect "what a guest has from the host" "$(sha256sum <www/file)" \
	"$(on a "wget -q -O - http://10.0.2.2:$port/file | sha256sum")"
must a "mkdir /www && head -c 4194304 /dev/urandom >/www/file && httpd -p 80 -h /www"
expect "what the host has from a guest" "$(on a "sha256sum </www/file")" \
	"$(busybox wget -Y off -q -O - "http://127.0.0.1:$forward/file" | sha256sum)"

net_finish
