#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A network namespace as a guest of a network with the NAT as its uplink: a lease
# by DHCP, the host's server from inside, a server inside by a forward from the
# host, a second guest beside it.  The switch is killed in the middle of a
# connection through the NAT, which goes on, and so does one whose guest takes
# another hardware address; the NAT is killed, and new connections work.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_namespaces busybox curl python3 ping

free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
forward=$(free_port)
network out Uplink=nat HostLoopback=yes "Forward=tcp:$forward:80"
net_guest a out
net_guest b out
for n in a b; do
	namespace $n
	tap $n $n --up
done

cat >udhcpc.script <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr replace "$ip/$mask" dev "$interface"
ip route replace default via "$router"
END
chmod +x udhcpc.script
lease() {	# NAMESPACE
	in_ns "$1" busybox udhcpc -i eth0 -n -q -t 20 -T 1 -s "$PWD/udhcpc.script" >"udhcpc-$1" 2>&1 ||
		fail "no lease: $(cat "udhcpc-$1")"
	in_ns "$1" ip -4 -o addr show eth0 | awk '{ print $4 }'
}
address() {	# NAMESPACE
	in_ns "$1" ip -4 -o addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'
}
expect "first lease" 10.0.2.15/24 "$(lease a)"
expect "second lease" 10.0.2.16/24 "$(lease b)"
in_ns a ping -q -c 3 -i 0.2 -W 20 10.0.2.2 >/dev/null || fail "no ping to the gateway"
in_ns a ping -q -c 3 -i 0.2 -W 20 "$(address b)" >/dev/null || fail "no ping to the other guest"

mkdir served
head -c 20M /dev/urandom >served/file
sum=$(sha256sum <served/file)
fetch() {	# URL [OPTION...]
	curl --noproxy '*' --silent --show-error --fail --max-time 200 "$@"
}

# ---- into the guest by the forward, and out of it ----
server inside ip netns exec mt$$-a busybox httpd -f -p 80 -h "$PWD/served"
expect "by the forward" "$sum" \
	"$(fetch --retry 30 --retry-connrefused --retry-all-errors --retry-delay 1 \
		"http://127.0.0.1:$forward/file" | sha256sum)"
server outside python3 -u -m http.server -b 127.0.0.1 -d served 0
wait_until 60 grep -q 'port [0-9]' outside.log || fail "no server: $(cat outside.log)"
outside=$(sed -n 's/.*port \([0-9]*\).*/\1/p' outside.log | head -n 1)
expect "from inside" "$sum" "$(in_ns b curl --noproxy '*' --silent --show-error --fail --max-time 200 \
	"http://10.0.2.2:$outside/file" | sha256sum)"

# ---- a connection outlives switches ----
fetch --limit-rate 4M "http://127.0.0.1:$forward/file" >slow 2>slow.err &
slow=$!
kills=0
began() {
	[ "$(stat -c %s slow)" -gt 1000000 ]
}
wait_until 60 began || fail "the download does not begin: $(cat slow.err)"
generation=$(shown a services.0.generation)
while ! is_gone $slow && [ $kills -lt 3 ]; do
	kill_service a
	kills=$((kills + 1))
done
wait $slow || fail "the connection through $kills switches: $(cat slow.err)"
expect "what came through $kills switches" "$sum" "$(sha256sum <slow)"
[ "$(shown a services.0.generation)" -gt "$generation" ] || fail "no switch was replaced"
info "a connection through the NAT went on through $kills switches"

# ---- a guest with another address, which only receives ----
cat >speaker.py <<'END'
import os, socket, sys, time
listener = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("port", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"one\n")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.1)
connection.sendall(b"two\n")
connection.recv(1)
END
cat >listener.py <<'END'
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
for line in connection.makefile():
    print(line, end="", flush=True)
    if line == "two\n":
        break
END
number=5
goes_on() {	# ROUTER HOST
	local port
	number=$((number + 1))
	server "speaker$number" python3 speaker.py "$2" "$PWD/go$number"
	wait_until 60 grep -q port "speaker$number.log" || fail "no speaker: $(cat "speaker$number.log")"
	port=$(sed -n 's/^port //p' "speaker$number.log")
	server "listener$number" ip netns exec "mt$$-a" python3 listener.py "$1" "$port"
	wait_until 60 grep -qx one "listener$number.log" || fail "not the first line: $(cat "listener$number.log")"
	in_ns a ip link set eth0 address "02:99:00:00:00:0$number"
	touch "go$number"
	wait_until 120 grep -qx two "listener$number.log" ||
		fail "a connection by $1 stands still with another address: $(cat "listener$number.log")"
}
goes_on 10.0.2.2 127.0.0.1
has_prefix() {
	in_ns a ip -6 addr show dev eth0 | grep -q 'inet6 fd00:6d75::.* dynamic'
}
if [ -e /proc/sys/net/ipv6/conf/lo ] && ip -6 addr show dev lo | grep -q '::1/128'; then
	wait_until 60 has_prefix || fail "no IPv6 address"
	goes_on fd00:6d75::2 ::1
else
	info "this host has no ::1"
fi

# ---- a NAT that dies is replaced ----
nat_pid() {
	"$mullion" service list --json | python3 -c '
import json, sys
print(*[s["pid"] for s in json.load(sys.stdin)["services"] if s["name"] == "nat-out"])'
}
before=$(nat_pid)
kill -9 "$before"
is_new() {
	[ -n "$(nat_pid)" ] && [ "$(nat_pid)" != "$before" ]
}
wait_until 60 is_new || fail "no new NAT"
expect "lease of the new NAT" 10.0.2.15/24 "$(lease a | head -n 1)"
expect "by the forward of the new NAT" "$sum" \
	"$(fetch --retry 30 --retry-connrefused --retry-all-errors --retry-delay 1 \
		"http://127.0.0.1:$forward/file" | sha256sum)"
