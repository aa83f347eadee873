#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# time: 1800
#
# A file goes from one network namespace to another by TCP while links go down and
# up at random moments at either end, and the switch is killed: it arrives with the
# same hash.  Then the daemon is told of no failed guest.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_namespaces python3 ping

mib=1024
network lan
# So slow that it takes a while.
net_guest a lan,rate=128M
net_guest b lan
for n in a b; do
	namespace $n
done
tap a a --up 10.9.0.1/24
tap b b --up 10.9.0.2/24
reaches() {
	in_ns a ping -q -c 1 -W 2 10.9.0.2 >/dev/null 2>&1
}
wait_until 60 reaches || fail "a does not reach b"

head -c ${mib}M /dev/urandom >file
hash=$(sha256sum <file)

receive() {
	in_ns b timeout 1500 python3 -c '
import socket, sys
s = socket.create_server(("10.9.0.2", 5000))
print("listening", file=sys.stderr, flush=True)
c = s.accept()[0]
while data := c.recv(1 << 20):
    sys.stdout.buffer.write(data)' 2>receive.err | sha256sum >received
}
send() {
	in_ns a timeout 1500 python3 -c '
import socket
s = socket.create_connection(("10.9.0.2", 5000), timeout=60)
s.settimeout(None)
s.sendfile(open("file", "rb"))
s.shutdown(socket.SHUT_WR)
s.recv(1)'
}
flap() {	# GUEST: down for a moment
	local device
	device=$(port lan "$1" device)
	"$mullion" device set "$1" "$device" link=down >/dev/null
	sleep 0.$((RANDOM % 3 + 1))
	"$mullion" device set "$1" "$device" link=up >/dev/null
	sleep 0.$((RANDOM % 5 + 2))
}

receive &
receiver=$!
wait_until 60 grep -qs listening receive.err || fail "no receiver"
send &
sender=$!
flaps=0
kills=0
while ! is_gone $sender; do
	ends=(a b)
	flap "${ends[RANDOM % 2]}"
	flaps=$((flaps + 1))
	if [ $((flaps % 8)) = 4 ]; then
		kill_service a
		kills=$((kills + 1))
	fi
done
wait $sender || fail "the sender"
wait $receiver || fail "the receiver: $(cat receive.err)"
expect "hash of $mib MiB after $flaps flaps" "$hash" "$(cat received)"
[ $flaps -ge 3 ] || fail "only $flaps flaps while the file was under way"
wait_until 60 reaches || fail "a does not reach b any more"
info "$mib MiB with the same hash through $flaps link flaps and $kills switches"
