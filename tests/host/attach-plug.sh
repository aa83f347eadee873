#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices that come to a guest as Linux 5.10 has it while it runs, and go: an
# interface, a disk that others may have too, a further logical unit; an interface
# that is paused and resumed, several times; a switch that is killed meanwhile.
# shellcheck source=tests/host/attach-lib.sh
. "$(dirname "$0")/attach-lib.sh"

truncate -s 32M a.img b.img
network lan
attach plug 96 --disk a.img
attached plug
play plug ready scan=1 io=20 sleep=12 up=0 up=1 traffic=10 standby=1 running=1 traffic=10 \
	io=20 down=0 down=1 gone end
begun plug sleep
"$mullion" device add plug net lan >/dev/null
"$mullion" device add plug net lan >/dev/null
"$mullion" device add plug "$PWD/b.img" >/dev/null
is_bound() {
	[ "$(shown plug "devices.$1.driver")" = "$2" ]
}
wait_until 30 is_bound 1 visornic || fail "the first interface has no driver"
wait_until 30 is_bound 2 visornic || fail "the second interface has no driver"
begun plug standby=1
for device in vbus1:dev0 vbus2:dev0 vbus3:dev0; do
	"$mullion" device set plug $device state=paused >/dev/null
done
begun plug running
# Whoever dies while a device is paused leaves it so.
kill -9 "$(shown plug services.1.pid)"
wait_until 60 is_shown plug services.1.generation 2 || fail "no successor of the switch"
for device in 0 1 2; do
	wait_until 60 is_shown plug devices.$device.state paused || fail "device $device is not paused"
done
for device in vbus1:dev0 vbus2:dev0 vbus3:dev0; do
	"$mullion" device set plug $device state=running >/dev/null
done
begun plug gone
"$mullion" device remove plug vbus2:dev0 >/dev/null
wait_until 60 is_shown plug devices.2 '' || fail "the interface stays"
let_go plug "$server"
played plug
