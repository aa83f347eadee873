# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/host/attach-lib.sh - guests with the drivers of Linux 5.10, played by
# tests/intree, on `mullion attach`; sourced by the tests of it
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2154 # $top and $mullion are set there
player=$top/build/tests/intree/intree-guest
[ -x "$player" ] || skip "intree-guest is not built"

MIB=$((1 << 20))
control=$((16 * MIB))
control_bytes=0x2a000
reserved=0x1000000:0x800000,0x1c00000:0x200000

# attach NAME MIB OPTION...: serve NAME.ram, made here; pid in $server
attach() {
	local name=$1 mib=$2
	shift 2
	truncate -s "${mib}M" "$name.ram"
	server "$name" "$mullion" attach --name "$name" --ram "$name.ram" \
		--control-gpa $control --control-bytes $control_bytes --reserved $reserved "$@"
}

# attached NAME: its control channel can be found
attached() {
	wait_until 60 grep -qs "^$1: control channel" "$1.log" || fail "not attached: $(cat "$1.log")"
}

# play NAME STEP...: the guest in NAME.ram; events in NAME.play, pid in $guest
play() {
	local name=$1
	shift
	"$player" --ram "$name.ram" --control-gpa $control --reserved $reserved \
		${hz:+--hz $hz} ${again:-} "$@" >"$name.play" 2>&1 &
	guest=$!
	servers+=("$guest")
}

# broken NAME: what the guest and the command have said
broken() {
	grep -v '^unseen\|^ok' "$1.play" | tail -n 40
	tail -n 5 "$1.log"
	fail "guest $1"
}

# begun NAME STEP: it is there
begun() {
	wait_until 120 has_begun "$1" "$2" || broken "$1"
}

has_begun() {
	grep -qs "^event: begin $2" "$1.play" || ! kill -0 "$guest" 2>/dev/null
}

# played NAME: it has ended, and no rule was broken
played() {
	wait "$guest" || broken "$1"
}

# let_go NAME PID: SIGTERM ends `mullion attach` with status 0
let_go() {
	local status=0
	kill "$2"
	wait "$2" || status=$?
	[ $status = 0 ] || cat "$1.log"
	expect "status of attach" 0 $status
	wait_until 30 is_forgotten "$1" || fail "$1 is still there"
}

is_forgotten() {
	! "$mullion" show "$1" >/dev/null 2>&1
}

# kept NAME RULE: how often a rule, by the beginning of its text, was put to the test
kept() {
	sed -n "s/^ok .*$2.*(\([0-9]*\) kept.*/\1/p" "$1.play" | head -n 1
}
