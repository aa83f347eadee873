#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: 6.12
# time: 1800
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
ping_all() {	# NAME
	local n commands=true
	for n in "${net_number[@]}"; do
		[ "$n" != "${net_number[$1]}" ] || continue
		commands+=" && ping -q -c 2 -i 0.2 -W 30 10.9.0.$n && ping -q -c 2 -i 0.2 -W 30 fd09::$n &&
			ping -q -c 2 -i 0.2 -W 30 -M do -s 8972 10.9.0.$n &&
			ping -q -c 2 -i 0.2 -W 30 -M do -s 8952 fd09::$n"
	done
	must "$1" "$commands"
}
at_once ping_all "${all[@]}"

# answers NAME GROUP: how many others answer
answers() {
	local own
	own=$(on "$1" "ip -o addr show dev eth0" | sed -n 's/.*inet6\{0,1\} \([^/]*\).*/\1/p')
	on "$1" "ping -c 3 -i 0.5 -W 30 -I eth0 $2" >"group.$1" || fail "nobody answers $1 for $2"
	sed -n 's/.* from \([^ ]*\): icmp_seq.*/\1/p' "group.$1" | sed 's/%eth0$//' | sort -u |
		grep -vcxF "$own"
}
# All of them are in a group, and two in another.
group() {	# NAME
	expect "answers to 224.0.0.1 at $1" 3 "$(answers "$1" 224.0.0.1)"
	expect "answers to ff02::1 at $1" 3 "$(answers "$1" ff02::1)"
}
at_once group "${all[@]}"
for name in b d; do
	must $name "ip addr add 239.9.9.9/32 dev eth0 autojoin"
done
for name in a c; do
	expect "answers to 239.9.9.9 at $name" 2 "$(answers $name 239.9.9.9)"
done
for name in b d; do
	must $name "ip addr del 239.9.9.9/32 dev eth0"
done

# Streams and datagrams from everybody to everybody: in each round each sends to
# another one.  What is told is what arrived.
for name in "${all[@]}"; do
	must "$name" "iperf3 -s -D >/dev/null 2>&1"
done
sends() {	# NAME
	local to=$(((net_number[$1] - 1 + round) % ${#all[@]} + 1))
	must "$1" '
		for options in "10.9.0.'$to' -n 4M" "fd09::'$to' -n 4M" "10.9.0.'$to' -u -b 50M -l 1400 -n 1M" \
			"fd09::'$to' -u -b 50M -l 8000 -n 2M"; do
			tries=0
			until output=$(iperf3 -c $options 2>&1) &&
				echo "$output" | grep receiver | grep -qv " 0.00 Bytes"; do
				tries=$((tries + 1))
				[ $tries -lt 20 ] || { echo "iperf3 -c $options: $output"; exit 1; }
				sleep 0.2
			done
		done'
}
for round in 1 2 3; do
	at_once sends "${all[@]}"
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
cat >udhcpc.script <<'END'
#!/bin/sh
[ "$1" != bound ] || ip addr replace "$ip/$mask" dev "$interface"
END
chmod +x udhcpc.script
lease() {	# NAME
	local client="udhcpc -i eth0 -n -q -t 30 -T 1"
	[ "$1" != d ] || client="busybox $client -s $dir/udhcpc.script"
	must "$1" "$client"
	must "$1" "ping -q -c 2 -i 0.2 -W 30 10.0.2.2"
}
leased() {	# NAME
	on "$1" "ip -4 -o addr show dev eth0" | sed -n 's/.*inet \(10\.0\.2\.[^/]*\).*/\1/p'
}
lease a
expect "leased address" 10.0.2.15 "$(leased a)"
at_once lease b c d
expect "leased addresses" 4 "$(for name in "${all[@]}"; do leased $name; done | sort -u | wc -l)"
expect "name server" "nameserver 10.0.2.3" "$(on a "cat /etc/resolv.conf")"
has_prefix() { on "$1" "ip -6 addr show dev eth0" | grep -q 'inet6 fd00:.* dynamic'; }
routed() {	# NAME
	wait_until 60 has_prefix "$1" || fail "$1 has no address by router advertisement"
	must "$1" "ping -q -c 2 -i 0.2 -W 30 fd00:6d75::2"
}
at_once routed a b c

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
