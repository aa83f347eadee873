#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: ram
# also: 6.12
# time: 1800
#
# What happens to a network interface while it is used: the cable is pulled and
# plugged, the switch is killed, interfaces come and go, the driver is taken away
# and loaded again ten times.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

# How large a file goes through the links that come and go; MULLION_TEST_MIB=1024
# for one that takes minutes.
mib=${MULLION_TEST_MIB:-256}
[ "${MULLION_TEST_MODE:-window}" = window ] || mib=64
head -c ${mib}M /dev/urandom >a.img
truncate -s ${mib}M b.img
network lan Uplink=none
boot a --cpus 2 --net lan,mac=02:00:00:00:00:01 --disk a.img
boot b --cpus 2 --net lan,mac=02:00:00:00:00:02 --disk b.img
booted a
booted b
must a "mkdir /www && head -c 33554432 /dev/urandom >/www/file && httpd -p 80 -h /www"
iperf_serve a

# A file arrives as it is, however often the link goes: from A's disk to B's.
must a "(nc -l -p 5000 </dev/sda; echo done >/sent) >/dev/null 2>&1 &"
ends a "grep -q ':1388 ' /proc/net/tcp /proc/net/tcp6"
began=$(date +%s)
# Its input stays open: an end of it would be the end at the other side.
must b "mkfifo /hold; (sleep 100000 >/hold & nc 10.9.0.1 5000 </hold >/dev/sda; kill \$!
	sync; echo done >/done) >/dev/null 2>&1 &"
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
info "$mib MiB and $flaps times without link in $(($(date +%s) - began)) s"
expect "the file" "$(sha256sum <a.img)" "$(sha256sum <b.img)"
must b 'test "$(cat /sys/class/net/eth0/carrier)" = 1'
rm a.img b.img
sum=$(on a "sha256sum </www/file")

# The switch dies; the connection does not.
[[ $(shown b services.1.name) == *net* ]] || fail "B's second service: $(shown b services.1.name)"
iperf b 10.9.0.1 both -n 128M &
traffic=$!
kills=0
while [ $kills -lt 3 ] && kill -0 $traffic 2>/dev/null; do
	kill_service b 1
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
