# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/host/lib.sh - what the tests with process guests share; sourced by them
#
# The base is that of the guest tests: a daemon of the test's own, which runs
# while the test does.  Guests here are processes: fio with Mullion's engine, and
# the programs of this folder (build/tests/host/).
# shellcheck disable=SC2154 # $top, $mullion and $dir are set there
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/../guest/lib.sh"

# shellcheck disable=SC2034 # used by those who source this
programs=$top/build/tests/host
engine=$top/build/bench/fio-mullion.so

# process_guest NAME SPEC...: define one with disks, and start it
process_guest() {
	start_process Disk "$@"
}

# net_guest NAME SPEC...: the same with network cards
net_guest() {
	start_process Net "$@"
}

# port NETWORK GUEST FIELD...: of a guest's port, as "link" or "counters.rx_frames"
port() {
	"$mullion" network show "$1" --json | python3 -c '
import functools, json, sys
ports = {p["guest"]: p for p in json.load(sys.stdin)["ports"]}
print(*[functools.reduce(lambda v, k: v[k], path.split("."), ports[sys.argv[1]])
        for path in sys.argv[2:]])' "${@:2}"
}

# drops NETWORK [GUEST]: what was dropped or refused anywhere, but for one guest
drops() {
	"$mullion" network show "$1" --json | python3 -c '
import json, sys
told = ("rx_frames", "rx_bytes", "tx_frames", "tx_bytes", "control")
for port in json.load(sys.stdin)["ports"]:
    for name, count in port["counters"].items():
        if count and name not in told and port["guest"] != sys.argv[1]:
            print(port["guest"], name, count)' "${2:-}"
}

# said FILE NAME: what a program of the tests reported as NAME=NUMBER
said() {
	sed -n "s/^$2=//p" "$1"
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

# Also if nobody has asked for its exit status yet.
is_gone() {	# PID
	case $(ps -o state= -p "$1") in
	'' | Z*) return 0 ;;
	*) return 1 ;;
	esac
}

# kill_while GUEST PID MILLISECONDS: kill the guest's service at moments up to
# so far apart as long as the process runs; the number of kills is in $kills, a
# text about recovery in $recovery
# shellcheck disable=SC2034 # for those who source this
kill_while() {
	local median longest
	"$top/tests/chaos/kill-service.py" "$@" >kills || fail "no successor"
	read -r kills median longest <kills
	recovery="recovery in $median ms, at most $longest ms"
}

# need_namespaces TOOL...: network namespaces can be made here, and the tools are there
need_namespaces() {
	local tool
	[ "$(id -u)" = 0 ] || skip "network namespaces need root"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	for tool in ip "$@"; do
		command -v "$tool" >/dev/null || skip "$tool is missing"
	done
	namespace probe 2>/dev/null || skip "network namespaces cannot be made here"
}

# namespace NAME: it goes with the test
namespaces=()
namespace() {
	ip netns add "mt$$-$1" || return 1
	namespaces+=("mt$$-$1")
	ip -n "mt$$-$1" link set lo up
}

in_ns() {	# NAME COMMAND...
	ip netns exec "mt$$-$1" "${@:2}"
}

# tap GUEST NAMESPACE OPTION...: its card as eth0 there; the program's pid in $server
tap() {
	server "tap-$1" "$top/build/mullion-tap" "$1" --netns "mt$$-$2" --ifname eth0 "${@:3}"
	wait_until 60 grep -qs "^guest $1: eth0" "tap-$1.log" || fail "no interface: $(cat "tap-$1.log")"
}

# A server of the test; it goes with the test, whatever becomes of that.
servers=()
server() {	# NAME COMMAND...: log in NAME.log, pid in $server
	local log=$1.log
	shift
	"$@" >"$log" 2>&1 &
	server=$!
	servers+=("$server")
}

# Ends one in order, so that nothing of it is under way.
end_server() {	# PID
	kill "$1"
	wait_until 30 is_gone "$1" || fail "server $1 does not end"
}

# A test may have a function `cleanup`, called whatever its end is.
host_end() {
	local status=$? pid name
	for pid in ${servers[@]+"${servers[@]}"}; do
		kill "$pid" 2>/dev/null || true
	done
	set +e
	for name in ${namespaces[@]+"${namespaces[@]}"}; do
		ip netns del "$name"
	done
	! declare -F cleanup >/dev/null || cleanup
	(exit $status)
	lib_end
}
trap host_end EXIT
