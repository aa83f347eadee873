# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/lib.sh - what guest tests share; sourced by them
#
# A daemon of the test's own runs while the test does.  Guests are started by
# `guest`, which keeps the console in a file and fails if the kernel complained
# there.  Environment, from tests/run: MULLION_TOP, MULLION_TEST_IMAGE (the
# small guest with tools), MULLION_TEST_MODE (window, guest-physical, or ram: then
# channels lie in RAM too), MULLION_TEST_DIR (an empty folder, kept if the test
# fails), MULLION_RUNTIME_DIR, MULLION_STATE_DIR.
set -euo pipefail

top=${MULLION_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
image=${MULLION_TEST_IMAGE:-$top/build/images/test-6.1}
dir=${MULLION_TEST_DIR:-$(mktemp -d /tmp/mullion-test.XXXXXX)}
export MULLION_RUNTIME_DIR=${MULLION_RUNTIME_DIR:-$dir/run}
export MULLION_STATE_DIR=${MULLION_STATE_DIR:-$dir/state}
mullion=$top/build/mullion
mode=${MULLION_TEST_MODE:-window}
memory=${MULLION_TEST_MEMORY:-768M}
kernel=$image/vmlinux
[ -e "$kernel" ] || kernel=$image/vmlinuz
initrd=$image/initrd.img
console=$dir/console.log
daemon=

cd "$dir"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# What the test prints for the user: shown by tests/run.
info() {
	echo "info: $*"
}

# wait_until SECONDS COMMAND...: for a state, not for a time; so many seconds
# where nothing else runs, and many times that on a busy machine
wait_until() {
	local tries=$(($1 * 60))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

expect() {	# WHAT EXPECTED ACTUAL
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# A guest with a command is quiet, and what lockdep says is a warning only.  That a
# CPU stands still for twenty seconds is the machine's fault, which emulates it.
patience=rcupdate.rcu_cpu_stall_timeout=300
talk=(--append "loglevel=7 $patience")

# The kernel's own complaints, anywhere on a console.
kernel_complaints() {	# FILE
	grep -aE 'BUG:|WARNING:|Oops|general protection|Call Trace|KASAN:|UBSAN:|INFO: (task|possible|trying|rcu)|Kernel panic|unable to handle|kmemleak: [0-9]+ new' "$1"
}

console_check() {
	if kernel_complaints "$console" >&2; then
		tail -n 100 "$console" >&2
		fail "the guest's kernel complained"
	fi
}

# For a guest's shell: nothing that the modules allocated is forgotten, where the
# kernel can tell.
# shellcheck disable=SC2034 # for those who source this
leak_check='if [ -e /sys/kernel/debug/kmemleak ]; then
	sleep 10
	echo scan >/sys/kernel/debug/kmemleak
	sleep 10
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >&2
	[ -z "$(cat /sys/kernel/debug/kmemleak)" ] || { echo "FAILED: memory leaks"; exit 1; }
fi'

# guest [OPTION...] [-- COMMAND...]: as mullion run, in the test guest
guest() {
	local status=0
	"$mullion" run --verbose "${talk[@]}" --memory "$memory" --kernel "$kernel" \
		--initrd "$initrd" "$@" 2>"$console" || status=$?
	if [ $status -ge 124 ] && [ $status -le 125 ]; then
		tail -n 30 "$console" >&2
	fi
	console_check
	return $status
}

# network NAME LINE...: define it
network() {
	local name=$1
	shift
	{
		printf '[Network]\nName=%s\n' "$name"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$name.network"
	"$mullion" network define "$name.network" >/dev/null
}

# start_process KEY NAME SPEC...: define a process guest and start it; the key of
# what it has is Disk or Net
start_process() {
	local key=$1 name=$2
	shift 2
	{
		printf '[Guest]\nName=%s\nType=process\n' "$name"
		printf "$key=%s\n" "$@"
	} >"$name.ini"
	"$mullion" define "$name.ini" >/dev/null
	"$mullion" start "$name" >/dev/null
}

# shown NAME PATH: a field of what `show --json` says, as in services.0.pid
shown() {
	"$mullion" show "$1" --json 2>/dev/null | python3 -c '
import functools, json, sys
value = functools.reduce(lambda v, k: v[int(k)] if isinstance(v, list) else v[k],
                         sys.argv[1].split("."), json.load(sys.stdin))
print("" if value is None else value)' "$2" 2>/dev/null
}

is_shown() {	# NAME PATH VALUE
	[ "$(shown "$1" "$2")" = "$3" ]
}

# Kills the service of a guest's first bus, or of another, and waits for its successor.
kill_service() {	# GUEST [BUS]
	local generation bus=services.${2:-0}
	generation=$(shown "$1" "$bus.generation") || return 1
	kill -9 "$(shown "$1" "$bus.pid")"
	wait_until 30 is_shown "$1" "$bus.generation" $((generation + 1)) ||
		fail "generation $((generation + 1)) did not come"
	wait_until 30 is_shown "$1" "$bus.state" serving || fail "the successor does not serve"
}

# A command that is `mullion' but for what it says of virtual machines: how
# services reach their memory.
mode_wrapper() {	# PATH OPTION=VALUE...
	local path=$1 option
	shift
	{
		printf '#!/bin/bash\n'
		printf 'mullion=%q\noptions=() lines=\n' "$mullion"
		for option; do
			printf 'options+=(--%s)\n' "$option"
			printf 'lines+=%q\n' "$option"$'\n'
		done
		cat <<'SH'
case ${1:-} in
run)
	shift
	exec "$mullion" run "${options[@]}" "$@" ;;
define)
	if [ -f "${2:-}" ] && ! grep -qi '^Type=process' "$2"; then
		sed "/^\[Guest\]/r "<(printf '%s' "$lines") "$2" >"$2.mode"
		exec "$mullion" define "$2.mode" "${@:3}"
	fi ;;
esac
exec "$mullion" "$@"
SH
	} >"$path"
	chmod +x "$path"
	mullion=$path
}

case $mode in
window) ;;
guest-physical) mode_wrapper "$dir/.mullion" addressing=guest-physical ;;
ram) mode_wrapper "$dir/.mullion" addressing=guest-physical window=ram ;;
*) fail "MULLION_TEST_MODE is $mode" ;;
esac

daemon_start() {
	mkdir -p "$MULLION_RUNTIME_DIR" "$MULLION_STATE_DIR"
	"$top/build/mulliond" --foreground >"$dir/mulliond.log" 2>&1 &
	daemon=$!
	wait_until 20 test -S "$MULLION_RUNTIME_DIR/mulliond.sock" || {
		cat "$dir/mulliond.log" >&2
		fail "the daemon did not start"
	}
}

daemon_stop() {
	[ -n "$daemon" ] || return 0
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	daemon=
}

lib_end() {
	local status=$?
	daemon_stop
	if [ $status != 0 ] && [ $status != 77 ]; then
		tail -n 20 "$dir/mulliond.log" >&2 || true
	fi
	exit $status
}
trap lib_end EXIT
daemon_start
