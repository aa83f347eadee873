#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lib.sh - what the tests with the mock have in common; for init-disk, init-net
#
# Each case prints "ok NAME" or "FAIL NAME", and the whole "done" at its end.
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
mkdir -p /tmp
mount -t tmpfs tmp /tmp
# What the modules of the kernel need comes first; the list is in their order.
while read -r module; do
	insmod "/modules/$module" || echo "FAIL insmod: $module"
done </modules/list

# wait_for SECONDS COMMAND...: until it succeeds
wait_for()
{
	tries=$(($1 * 10))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		usleep 100000
	done
}

# verdict NAME STATUS: tell, and show what may explain it
verdict()
{
	if [ "$2" = 0 ]; then
		echo "ok $1"
	else
		echo "FAIL $1"
		explain
	fi
}

# the end of all tests
finish()
{
	if [ -e /sys/kernel/debug/kmemleak ]; then
		sleep 10
		echo scan >/sys/kernel/debug/kmemleak
		sleep 10
		echo scan >/sys/kernel/debug/kmemleak
		[ -z "$(cat /sys/kernel/debug/kmemleak)" ]
		verdict leaks $?
		cat /sys/kernel/debug/kmemleak
	fi
	# the watchdog of transmit queues warns when a test lets one of them stop
	dmesg | grep -v dev_watchdog | grep -E 'BUG:|WARNING:|Oops|KASAN:|UBSAN:|hung task|INFO: (task|possible|trying)' &&
		echo "FAIL dmesg"
	echo "done"
	poweroff -f
}
