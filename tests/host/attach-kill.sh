#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the services of guests as Linux 5.10 has it, under load.  Of the death
# of a disk's service the guest notices nothing; an interface is paused before its
# successor takes it, and resumed.  Then the same by `mullion service restart`.
# shellcheck source=tests/host/attach-lib.sh
. "$(dirname "$0")/attach-lib.sh"

truncate -s 64M a.img
network lan
attach disks 64 --disk a.img
disks=$server
attach nets 96 --net lan --net lan
nets=$server
attached disks
attached nets

# kills_for GUEST SECONDS MILLISECONDS: of the service of its first bus
kills_for() {
	sleep "$2" &
	kill_while "$1" $! "$3"
}

play disks ready io-start sleep=10 io-stop tasks io=20 gone end
begun disks sleep
kills_for disks 7 300
[ "$kills" -ge 5 ] || fail "only $kills kills"
"$mullion" service restart disk-disks >/dev/null
begun disks gone
wait_until 60 is_shown disks services.0.state serving || fail "no successor"
expect "generation" $((kills + 2)) "$(shown disks services.0.generation)"
let_go disks "$disks"
played disks
info "disk: $kills kills, $recovery"

# ---- interfaces -----------------------------------------------------------------------
switch_is() {	# GENERATION
	"$mullion" service list --json | python3 -c '
import json, sys
services = {s["name"]: s for s in json.load(sys.stdin)["services"]}
sys.exit((services["net-lan"]["generation"], services["net-lan"]["state"]) !=
         (int(sys.argv[1]), "serving"))' "$1"
}

switch_pid() {
	"$mullion" service list --json | python3 -c '
import json, sys
print(next(s["pid"] for s in json.load(sys.stdin)["services"] if s["name"] == "net-lan"))'
}

play nets ready up=0 up=1 traffic=20 standby=1 running=1 traffic=20 standby=2 running=2 \
	traffic=20 standby=3 running=3 traffic=20 filter cycle net-bad down=0 down=1 gone end
for i in 1 2; do
	begun nets "standby=$i"
	kill -9 "$(switch_pid)"
	wait_until 60 switch_is $((i + 1)) || fail "no successor of the switch"
done
begun nets standby=3
"$mullion" service restart net-lan >/dev/null
begun nets gone
let_go nets "$nets"
played nets
info "interfaces: $(kept nets 'frames arrive as they were sent') frames compared"
