#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: ram
# also: 6.12
#
# A guest is reset by itself, and restarted by the host; each time it asks the
# network for its address again and is reached.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

network lan Uplink=nat
box d lan
must d "ip addr add 10.0.2.77/24 dev eth0"
cat >stay.ini <<INI
[Guest]
Name=stay
Memory=$memory
Kernel=$kernel
Initrd=$image/initrd.img
Net=lan
INI
"$mullion" define stay.ini >/dev/null
"$mullion" start stay >/dev/null
console_says() {	# TEXT COUNT
	[ "$("$mullion" logs stay | grep -ac "$1")" -ge "$2" ]
}
reached() {
	ends d "ping -q -c 1 -W 1 10.0.2.15"
	must d "ping -q -c 20 -i 0.05 -s 1400 -W 60 10.0.2.15"
}
wait_until 120 console_says 'Built-in guest' 1 || fail "the guest did not start"
reached

# Frames come in all the while.
ip netns exec "$(box_netns d)" ping -q -f -s 1400 10.0.2.15 >flood 2>&1 &
helpers+=($!)
mkfifo input
"$mullion" console stay <input >/dev/null 2>&1 &
helpers+=($!)
exec 9>input
printf 'echo b >/proc/sysrq-trigger\n' >&9
wait_until 120 console_says 'Built-in guest' 2 || fail "no second start"
reached
expect "epoch after a reset" 2 "$(shown stay control.epoch)"
exec 9>&-

"$mullion" restart stay >/dev/null
wait_until 120 console_says 'Built-in guest' 3 || fail "no third start"
reached
"$mullion" logs stay >"$console"
console_check
"$mullion" kill stay
