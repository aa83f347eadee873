#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `mullion attach` with what cannot be: one clear line each, and nothing is left;
# then the file of a guest's RAM becomes shorter while it is served.
# shellcheck source=tests/host/attach-lib.sh
. "$(dirname "$0")/attach-lib.sh"

truncate -s 64M ram
truncate -s 8M image

# refused STATUS TEXT [OPTION=VALUE | OPTION=]... [--LIST VALUE]...: one line on standard
# error that says TEXT; the first ones take the place of what is right, or leave it out
refused() {
	local want=$1 text=$2 status=0 name args=()
	local -A good=([ram]=ram [control-gpa]=0x1000000 [control-bytes]=0x10000
		[reserved]=0x1000000:0x800000)
	shift 2
	while [ $# -gt 0 ] && [[ $1 != --* ]]; do
		good[${1%%=*}]=${1#*=}
		[ -n "${1#*=}" ] || unset "good[${1%%=*}]"
		shift
	done
	for name in "${!good[@]}"; do
		args+=("--$name" "${good[$name]}")
	done
	timeout 60 "$mullion" attach "${args[@]}" "$@" >out 2>err || status=$?
	expect "status of: ${args[*]} $*" "$want" $status
	expect "lines of: ${args[*]} $*" 1 "$(wc -l <err)"
	grep -qF -- "$text" err || fail "no '$text' in: $(cat err)"
	expect "guests" '{"guests":[]}' "$("$mullion" ps --all --json | tr -d ' \n')"
}

refused 2 '--control-gpa is missing' control-gpa=
refused 2 '--control-bytes is missing' control-bytes=
refused 2 '--ram is missing' ram=
refused 2 '--reserved is missing' reserved=
refused 2 'is no number' control-gpa=0x
refused 2 'is no number' control-gpa=-1
refused 2 'is no number' "control-gpa= 1"
refused 2 'is no number' control-gpa=0xffffffffffffffff
refused 2 'is no number' control-bytes=1M
refused 2 'is no START:SIZE' reserved=0x1000
refused 2 'is no START:SIZE' reserved=0x1000:0x1000,
refused 2 'is no OFFSET:ADDRESS:SIZE' --region 0:0
refused 1 'No such file' ram=none
refused 1 'is no file' ram=/dev/null
refused 1 'at least 36608 bytes' control-bytes=4096
refused 1 'is not that of a page' control-gpa=0x1000010
refused 1 'does not lie in a reserved range' control-gpa=0x2000000
refused 1 'does not lie in a reserved range' control-bytes=0x900000
refused 1 'is not of whole pages' --reserved 0x2000000:1000
refused 1 'is not all in its RAM' --reserved 0x3fff000:0x2000
refused 1 'overlaps another' --reserved 0x1400000:0x800000
refused 1 'overlap at address' --region 0:0:0x2000000,0:0x1fff000:0x1000
refused 1 'goes beyond' --region 0:0:0x8000000
refused 1 'whole pages' --region 1:0:0x1000
refused 1 'there is no such file' --disk none
refused 1 'write-through' --disk image,cache=none
refused 1 'there is no process' --pid 4194303
refused 1 'no room left' reserved=0x1000000:0x20000 --disk image
info "bad input is one line each"

# Two of one memory.
attach first 64 --disk image
attached first
status=0
"$mullion" attach --ram first.ram --control-gpa $control --control-bytes $control_bytes \
	--reserved $reserved >out 2>err || status=$?
expect "status of a second" 1 $status
grep -q 'is the RAM of guest first already' err || fail "$(cat err)"
kill "$server"
wait "$server"

# A control channel without room for anything but itself.
truncate -s 64M small.ram
server small "$mullion" attach --name small --ram small.ram --control-gpa $control \
	--control-bytes 36608 --reserved $reserved --disk image
attached small
play small ready scan=1 io=20 gone end
begun small gone
let_go small "$server"
played small

# ---- RAM that becomes shorter ---------------------------------------------------------
# Behind everything that the daemon looks at: costs the requests that lie there.
attach shrinks 64 --disk image
attached shrinks
play shrinks ready io=10 sleep=2 io-lost=60
begun shrinks sleep
truncate -s 56M shrinks.ram
wait "$guest" || true
! grep violation shrinks.play || fail "a rule was broken"
expect "service" serving "$(shown shrinks services.0.state)"
kill "$server"
wait "$server"

# All of it: that guest is lost, the others are not.
attach other 64 --disk image,ro
other=$server
attach lost 64 --disk image,ro
lost=$server
attached other
attached lost
play other ready scan=1 sleep=2 io=1 gone end
truncate -s 0 lost.ram
status=0
wait "$lost" || status=$?
expect "status of attach to lost RAM" 1 $status
grep -q 'has become shorter' lost.log || fail "$(cat lost.log)"
begun other gone
let_go other "$other"
played other
info "RAM that becomes shorter costs its own guest only"
