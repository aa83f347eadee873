#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: ram
#
# What happens to a network interface while it is used: the cable is pulled and
# plugged, the switch is killed, interfaces come and go, the driver is taken away
# and loaded again ten times.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

network lan Uplink=none
boot a --cpus 2 --net lan,mac=02:00:00:00:00:01
boot b --net lan,mac=02:00:00:00:00:02
booted a
booted b
must a "mkdir /www && head -c 67108864 /dev/urandom >/www/file && httpd -p 80 -h /www; iperf3 -s -D >/dev/null 2>&1"
sum=$(on a "sha256sum </www/file")

# A file arrives as it is, however often the link goes.
must b "(wget -q -O - http://10.9.0.1/file | sha256sum >/sum; echo done >/done) >/dev/null 2>&1 &"
flaps=0
while ! on b "test -e /done"; do
	who=$((RANDOM % 2))
	name=a
	[ $who = 0 ] || name=b
	"$mullion" device set $name 02:00:00:00:00:0$((who + 1)) link=down
	sleep 0.0$((RANDOM % 10))
	"$mullion" device set $name 02:00:00:00:00:0$((who + 1)) link=up
	flaps=$((flaps + 1))
	sleep 0.$((RANDOM % 10))
done
expect "the file" "$sum" "$(on b "cat /sum")"
info "64 MiB and $flaps times without link"
must b 'test "$(cat /sys/class/net/eth0/carrier)" = 1'

# The switch dies; the connection does not.
iperf b 10.9.0.1 -n 128M --bidir &
traffic=$!
kills=0
while [ $kills -lt 3 ] && kill -0 $traffic 2>/dev/null; do
	kill_service b
	kills=$((kills + 1))
	sleep 0.5
done
wait $traffic || fail "a connection ended with the switch"
info "$kills switches killed"

# A second interface comes and goes.
for _ in 1 2 3; do
	"$mullion" device add b net lan,mac=02:00:00:00:00:09
	ends b "test -e /sys/class/net/eth1"
	addresses b eth1 8 2
	addresses a eth0 8 1
	must b "ping -q -c 2 -i 0.2 -W 30 10.8.0.1"
	must b "/bin/ping -f -q -s 1400 10.8.0.1 >/dev/null 2>&1 &"
	"$mullion" device remove b 02:00:00:00:00:09
	ends b "test ! -e /sys/class/net/eth1"
	must b "killall ping; ping -q -c 2 -i 0.2 -W 30 10.9.0.1"
done

# The driver goes with traffic in both directions.
must a "/bin/ping -f -q -s 1400 10.9.0.2 >/dev/null 2>&1 &"
must b "
	fail() { echo \"FAILED: \$*\"; dmesg | tail -n 30; exit 1; }
	for round in \$(seq 10); do
		wget -q -O /dev/null http://10.9.0.1/file >/dev/null 2>&1 &
		for i in \$(seq 2000); do
			[ \"\$(cat /sys/class/net/eth0/statistics/rx_packets)\" -gt 500 ] && break
			sleep 0.05
		done
		rmmod visornic || fail \"round \$round: rmmod\"
		kill \$! 2>/dev/null
		insmod /modules/visornic.ko || fail \"round \$round: insmod\"
		for i in \$(seq 2000); do
			[ -e /sys/class/net/eth0 ] && break
			sleep 0.05
		done
		ip link set eth0 up && ip addr add 10.9.0.2/24 dev eth0 || fail \"round \$round: no interface\"
		ping -q -c 1 -W 60 10.9.0.1 || fail \"round \$round: no answer\"
	done"
must a "killall ping"
addresses b eth0 9 2
must b "ping -q -c 2 -i 0.2 -W 30 fd09::1"
expect "the file after ten reloads" "$sum" "$(on b "wget -q -O - http://10.9.0.1/file | sha256sum")"
net_finish
