#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the switch at any moment, again and again, under interfaces of a guest
# as Linux 5.10 has it: also while one is being paused, or has been resumed and was
# not answered yet.  No change that its driver would refuse is ever sent, and
# afterwards the interfaces work.
# shellcheck source=tests/host/attach-lib.sh
. "$(dirname "$0")/attach-lib.sh"

network lan
for apart in 300 30; do
	attach nets 96 --net lan --net lan
	attached nets
	attach=$server
	play nets ready up=0 up=1 traffic=5 sleep=12 traffic=20 down=0 down=1 gone end
	begun nets sleep
	sleep 8 &
	kill_while nets $! $apart
	begun nets gone
	let_go nets "$attach"
	played nets
	info "$kills kills up to $apart ms apart, $recovery"
	rm nets.ram nets.log
done
