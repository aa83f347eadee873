#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# mullion-nat, used by real programs: a namespace "out" is the world and the host
# in it, a namespace "in" the guest, whose interface is a TAP at the NAT's socket.
# DHCP, neighbours, ping, names, TCP and UDP, IPv4 and IPv6, forwards, large
# frames, jumbo frames; forwards that cannot be; what the process may not do.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
for tool in busybox curl socat python3; do
	command -v $tool >/dev/null || skip "$tool is missing"
done

nat=$top/build/mullion-nat
out=mullion-out-$$
in=mullion-in-$$

cleanup() {
	ip netns del $in 2>/dev/null
	ip netns del $out 2>/dev/null
	rm -rf "/etc/netns/$out"
}
ip netns add $out 2>/dev/null || skip "network namespaces cannot be made here"
ip netns add $in
outside=(ip netns exec "$out")
inside=(ip netns exec "$in")

"${outside[@]}" ip link set lo up
"${outside[@]}" ip addr add 192.0.2.1/32 dev lo
"${outside[@]}" ip addr add 2001:db8::1/128 dev lo nodad
"${inside[@]}" ip link set lo up
mkdir -p "/etc/netns/$out"
echo 'nameserver 127.0.0.1' >"/etc/netns/$out/resolv.conf"

mkdir served
head -c 30000000 /dev/urandom >served/file
sum=$(sha256sum <served/file | cut -d' ' -f1)
server servers "${outside[@]}" python3 "$top/tests/host/nat_servers.py" 8000 127.0.0.1 ::1 192.0.2.1 2001:db8::1
wait_until 60 grep -q ready servers.log || fail "no servers: $(cat servers.log)"

# What udhcpc learns, in a file, and what follows from it.
cat >udhcpc.script <<'END'
#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace "$ip/$mask" dev "$interface"
ip route replace default via "$router"
echo "$ip $mask $router $dns $lease ${mtu:-}" >"lease.$interface"
END
chmod +x udhcpc.script
lease() {	# OPTION...
	"${inside[@]}" busybox udhcpc -i tap -n -q -t 20 -T 1 -s "$PWD/udhcpc.script" "$@" >udhcpc.log 2>&1 ||
		fail "no lease: $(cat udhcpc.log)"
	cat lease.tap
}

# tap_up MTU OPTION...: the NAT with these options; its own pid in $nat_pid
tap_up() {
	local mtu=$1
	shift
	: >nat.log
	server nat "${outside[@]}" "$programs/nat-tap" $in tap "$nat" --mtu "$mtu" "$@"
	tap_pid=$server
	wait_until 60 grep -qx ready nat.log || fail "not ready: $(cat nat.log)"
	nat_pid=$(pgrep -P "$tap_pid")
	wait_until 60 test -e "/proc/$nat_pid" || fail "no process"
	"${inside[@]}" ip link set tap mtu "$mtu"
	"${inside[@]}" ip link set tap up
}

tap_down() {
	end_server "$tap_pid"
	wait_until 60 is_gone "$nat_pid" || fail "the NAT lives without its socket"
}

# fetch URL...: curl in the guest's namespace, never by way of a proxy
fetch() {
	"${inside[@]}" curl --noproxy '*' --silent --show-error --fail --max-time 120 --globoff "$@"
}

tap_up 1500 --host-loopback --forward tcp:8080:80 --forward tcp:192.0.2.1:8081:10.0.2.15:80 \
	--forward 'tcp:[::1]:8082:[fd00:6d75::5]:80' --forward udp:8083:7
expect "lease" "10.0.2.15 24 10.0.2.2 10.0.2.3 300 " "$(lease)"
expect "the same lease again, with the MTU" "10.0.2.15 24 10.0.2.2 10.0.2.3 300 1500" "$(lease -O mtu)"

"${inside[@]}" busybox ping -c 3 -i 0.1 -W 60 10.0.2.2 >/dev/null || fail "no ping to the gateway"
has_prefix() { "${inside[@]}" ip -6 addr show dev tap | grep -q 'inet6 fd00:6d75::.* dynamic'; }
wait_until 60 has_prefix || fail "no address from a router advertisement"
"${inside[@]}" ip -6 addr add fd00:6d75::5/64 dev tap nodad
has_route() { "${inside[@]}" ip -6 route show default | grep -q 'via fe80::2'; }
wait_until 60 has_route || fail "no IPv6 route"
"${inside[@]}" busybox ping6 -c 3 -i 0.1 -W 60 fd00:6d75::2 >/dev/null || fail "no ping to the gateway by IPv6"

"${inside[@]}" busybox nslookup -type=a any.example 10.0.2.3 >names.log 2>&1 || fail "no name: $(cat names.log)"
grep -q 192.0.2.1 names.log || fail "another address: $(cat names.log)"

for address in 10.0.2.2 192.0.2.1 '[fd00:6d75::2]' '[2001:db8::1]'; do
	expect "download from $address" "$sum" \
		"$(fetch "http://$address:8000/served/file" | sha256sum | cut -d' ' -f1)"
	expect "upload to $address" "$sum" "$(fetch -T served/file "http://$address:8000/up")"
done

# datagrams, in fragments too
for bytes in 1 1000 8000; do
	head -c $bytes served/file >datagram
	for address in 10.0.2.2 192.0.2.1 '[2001:db8::1]'; do
		kind=UDP4
		[ "${address#[}" = "$address" ] || kind=UDP6
		[ "$bytes" = 8000 ] && [ $kind = UDP6 ] && continue
		"${inside[@]}" socat -t 60 -b 65536 - "$kind-CONNECT:$address:8000,readbytes=$bytes" \
			<datagram >answer || fail "no datagram of $bytes bytes from $address"
		cmp datagram answer || fail "another datagram from $address"
	done
done

# into the guest
server httpd "${inside[@]}" busybox httpd -f -p '[::]:80' -h "$PWD/served"
server echo "${inside[@]}" socat UDP4-RECVFROM:7,fork PIPE
for address in 127.0.0.1:8080 192.0.2.1:8081 '[::1]:8082'; do
	expect "by the forward at $address" "$sum" "$("${outside[@]}" curl --noproxy '*' --silent --show-error \
		--fail --globoff --retry 30 --retry-connrefused --retry-all-errors --retry-delay 1 \
		"http://$address/file" | sha256sum | cut -d' ' -f1)"
done
echoes() { [ "$(echo hello | "${outside[@]}" socat -t 2 - UDP4-CONNECT:127.0.0.1:8083,readbytes=6)" = hello ]; }
wait_until 60 echoes || fail "no echo by the forward of UDP"

# ten connections at once
for i in 1 2 3 4 5 6 7 8 9 10; do
	fetch "http://10.0.2.2:8000/served/file" | sha256sum >"many.$i" &
	many[i]=$!
done
wait "${many[@]}"
expect "sums of many" 1 "$(cut -d' ' -f1 many.* | sort -u | wc -l)"
expect "sum of many" "$sum" "$(cut -d' ' -f1 many.1)"

# what the process is
status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$nat_pid/status"; }
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
	expect "$set" 0000000000000000 "$(status $set)"
done
expect "user" 65534 "$(status Uid)"
expect "no new privileges" 1 "$(status NoNewPrivs)"
expect "seccomp" 2 "$(status Seccomp)"

# a forward that is taken: one line, the status 1, not ready; the other runs on
for spec in tcp:8080:81 udp:8083:81 'tcp:[::1]:8082:81'; do
	"${outside[@]}" "$programs/nat-tap" $in other "$nat" --forward "$spec" >taken.out 2>taken.err &&
		fail "$spec was forwarded twice"
	! grep -q ready taken.out || fail "ready without $spec"
	expect "lines about taken $spec" 1 "$(wc -l <taken.err)"
	grep -qF "object=$spec cannot forward: the port of the host is taken" taken.err ||
		fail "no word of $spec: $(cat taken.err)"
done
expect "the other" "$sum" "$(fetch http://10.0.2.2:8000/served/file | sha256sum | cut -d' ' -f1)"

tap_down
largest=$(tail -n 1 nat.log)
[ "$largest" -gt 30000 ] || fail "the largest frame to the NAT had $largest bytes only"
info "frames of up to $largest bytes to the NAT"

# jumbo frames, and no IPv6
tap_up 9000 --ipv4 172.16.0.0/16
"${inside[@]}" ip -4 addr flush dev tap
expect "lease of a large network" "172.16.0.15 16 172.16.0.2 172.16.0.3 300 9000" "$(lease -O mtu)"
expect "jumbo download" "$sum" \
	"$(fetch http://192.0.2.1:8000/served/file | sha256sum | cut -d' ' -f1)"
expect "jumbo upload" "$sum" "$(fetch -T served/file http://192.0.2.1:8000/up)"
tap_down

# The host's loopback addresses are not for guests who were not given them.
tap_up 1500
expect "lease without the host" "10.0.2.15 24 10.0.2.2 10.0.2.3 300 " "$(lease)"
"${inside[@]}" ip -6 addr replace fd00:6d75::5/64 dev tap nodad
wait_until 60 has_route || fail "no IPv6 route"
"${inside[@]}" busybox ping -c 3 -i 0.1 -W 60 10.0.2.2 >/dev/null || fail "no ping to the gateway"
"${inside[@]}" busybox nslookup -type=a any.example 10.0.2.3 >names.log 2>&1 || fail "no name: $(cat names.log)"
for address in 192.0.2.1 '[2001:db8::1]'; do
	expect "small download from $address" "$sum" \
		"$(fetch "http://$address:8000/served/file" | sha256sum | cut -d' ' -f1)"
done
for address in 10.0.2.2 10.0.2.3 '[fd00:6d75::2]' '[fd00:6d75::3]'; do
	"${inside[@]}" curl --noproxy '*' --silent --max-time 5 --globoff "http://$address:8000/served/file" >/dev/null &&
		fail "a guest reaches the host's loopback address by $address"
done
# 127.0.0.1 as an address of the world, for a guest that has no such interface itself
"${inside[@]}" ip link set lo down
"${inside[@]}" sysctl -qw net.ipv4.conf.tap.route_localnet=1
"${inside[@]}" ip route add 127.0.0.1/32 via 10.0.2.2 src 10.0.2.15 dev tap
"${inside[@]}" curl --noproxy '*' --silent --max-time 5 http://127.0.0.1:8000/served/file >/dev/null &&
	fail "a guest reaches the host's loopback address by that address"
expect "the world still" "$sum" "$(fetch http://192.0.2.1:8000/served/file | sha256sum | cut -d' ' -f1)"
tap_down
