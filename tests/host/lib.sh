# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/host/lib.sh - what the tests with process guests share; sourced by them
#
# The base is that of the guest tests: a daemon of the test's own, which runs
# while the test does.  Guests here are processes: fio with Mullion's engine, and
# the programs of this folder (build/tests/host/).
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/../guest/lib.sh"

# shellcheck disable=SC2034 # used by those who source this
programs=$top/build/tests/host
engine=$top/build/bench/fio-mullion.so

# process_guest NAME SPEC...: define and start it
process_guest() {
	local name=$1
	shift
	{
		printf '[Guest]\nName=%s\nType=process\n' "$name"
		printf 'Disk=%s\n' "$@"
	} >"$name.ini"
	"$mullion" define "$name.ini" >/dev/null
	"$mullion" start "$name" >/dev/null
}

# fio_process GUEST LUN[:LUN] OPTION...
fio_process() {
	local name=$1 luns=$2
	shift 2
	fio --minimal --output="$name.fio" --ioengine=external:"$engine" --guest="$name" \
		--thread --name=io --filename="$luns" "$@" >"$name.fio.err" 2>&1 || {
		cat "$name.fio.err" "$name.fio"
		return 1
	}
}

need_engine() {
	[ -e "$engine" ] || skip "the fio engine is not built"
}

is_gone() {	# PID
	! kill -0 "$1" 2>/dev/null
}

# kill_while GUEST PID MILLISECONDS: kill the guest's service at moments up to
# so far apart as long as the process runs; the number of kills is in $kills,
# the longest recovery in ms in $longest
kill_while() {
	"$top/tests/chaos/kill-service.py" "$@" >kills || fail "no successor"
	read -r kills longest <kills
}

# Ends a server of the test in order, so that nothing of it is under way.
end_server() {	# PID
	kill "$1"
	wait_until 30 is_gone "$1" || fail "server $1 does not end"
}
