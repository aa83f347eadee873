# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/guest/lib/net.sh - what the tests of networks share; sourced by them
#
# Several guests run at once, each with a shell that takes commands from a
# pipe: `on NAME COMMAND` runs one there and has its output and status.  A name
# that was given to `box` is a network namespace that is a process guest, and
# `on` is the same for it.  Every guest has one interface, eth0, with the
# addresses 10.9.0.N and fd09::N.
# shellcheck disable=SC2154 # $top, $mullion, $memory ... are set there
# shellcheck source=tests/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"

# processes of the test that go with it
helpers=()
declare -A net_pid net_in net_number net_tap
net_guests=0

# boot NAME [OPTION...]: start a guest; `booted NAME` waits for its shell
boot() {
	local name=$1 fd
	shift
	mkfifo "$name.in"
	"$mullion" run --verbose --append "loglevel=7 mullion.dhcp=0 $patience" --name "$name" \
		--memory "$memory" --kernel "$kernel" \
		--initrd "$initrd" "$@" -- sh <"$name.in" >"$name.out" 2>"$name.console" &
	net_pid[$name]=$!
	exec {fd}>"$name.in"
	net_in[$name]=$fd
	# its shell would take busybox's
	printf '%s() { /bin/%s "$@"; }\n' ip ip ping ping >&"$fd"
	net_guests=$((net_guests + 1))
	net_number[$name]=$net_guests
}

# Eth0 has its addresses when this returns.
booted() {	# NAME
	must "$1" "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_echo_ignore_broadcasts=0; ip link set lo up"
	addresses "$1" eth0 9 "${net_number[$1]}"
}

# addresses NAME INTERFACE NET NUMBER: 10.NET.0.NUMBER and fd0NET::NUMBER, up
addresses() {
	must "$1" "ip link set $2 up; ip addr replace 10.$3.0.$4/24 dev $2;
		ip -6 addr replace fd0$3::$4/64 dev $2 nodad"
}

# on NAME COMMAND: in that guest's shell; its output, its status.  What it leaves
# in the background must not hold its standard output.
on() {
	local name=$1 mark status
	if [ -n "${net_tap[$name]:-}" ]; then
		ip netns exec "$(box_netns "$name")" sh -c "$2" 2>&1
		return
	fi
	mark=m$BASHPID.$RANDOM$RANDOM
	printf '{ (%s\n) 2>&1 </dev/null; echo "=$?."; } | sed "s/^/%s:/"\n' "$2" "$mark" >&"${net_in[$name]}"
	wait_until 60 on_end "$name" "$mark" || fail "$name does not answer to: $2"
	status=$(sed -n "s/^$mark:.*=\([0-9][0-9]*\)\.\$/\1/p" "$name.out" | tail -n 1)
	[ -n "$status" ] || fail "$name has ended: $(tail -n 20 "$name.console")"
	sed -n "s/^$mark://p" "$name.out" | sed '$s/=[0-9]*\.$//' | sed '${/^$/d}'
	return "$status"
}

on_end() {	# NAME MARK
	grep -qs "^$2:.*=[0-9][0-9]*\.\$" "$1.out" || ! kill -0 "${net_pid[$1]}" 2>/dev/null
}

# must NAME COMMAND: or the test fails
must() {
	local output
	output=$(on "$1" "$2") || fail "$1: $2: $output"
}

ends() {	# NAME COMMAND: sooner or later it succeeds
	wait_until 60 on "$1" "$2" >/dev/null || fail "$1: $2: $(on "$1" "$2")"
}

# at_once FUNCTION NAME...: call it for all of these guests at the same time
at_once() {
	local function=$1 name pid pids=() failed=
	shift
	for name; do
		"$function" "$name" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=yes
	done
	[ -z "$failed" ] || fail "$function: see above"
}

box_netns() {	# NAME
	echo "mullion-$$-$1"
}

# box NAME NET: a process guest, whose interface eth0 is in a namespace of its own
box() {
	local name=$1 netns
	netns=$(box_netns "$name")
	ip netns add "$netns" 2>/dev/null || skip "network namespaces cannot be made here"
	start_process Net "$name" "$2"
	"$top/build/mullion-tap" "$name" --netns "$netns" --ifname eth0 >"$name.tap" 2>&1 &
	net_tap[$name]=$!
	wait_until 60 grep -qs "^guest $name" "$name.tap" || fail "no interface: $(cat "$name.tap")"
	net_guests=$((net_guests + 1))
	net_number[$name]=$net_guests
	on "$name" 'ip link set lo up; sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0'
	addresses "$name" eth0 9 $net_guests
}

# Servers for the following, at NAME: one for each way.
iperf_serve() {
	must "$1" "iperf3 -s -D >/dev/null 2>&1; iperf3 -s -D -p 5202 >/dev/null 2>&1"
}

# Two clients at once, one each way, as a command of a guest's shell.  With --bidir
# iperf3 may take one of its connections for the other, and then no end reads.
# shellcheck disable=SC2016 # the guest's
iperf_both='both() {
	iperf3 "$@" >both.log 2>&1 &
	iperf3 -p 5202 -R "$@" 2>&1
	s=$?
	wait $!
	t=$?
	cat both.log
	return $((s | t))
}; both'

# iperf FROM TO OPTION...: a server runs at TO; it may not listen yet, or still be at
# the one before, or end while the client still writes, which then has a reset.
# With "both" before the options: each way at once.
iperf() {
	local from=$1 to=$2 tries output command=iperf3
	shift 2
	if [ "$1" = both ]; then
		command=$iperf_both
		shift
	fi
	for ((tries = 0; tries < 100; tries++)); do
		if output=$(on "$from" "$command -c $to $*"); then
			return 0
		fi
		[[ $output == *busy* || $output == *refused* || $output == *"reset by peer"* ]] ||
			fail "iperf3 from $from to $to $*: $output"
		sleep 0.2
	done
	fail "iperf3 from $from to $to $*: $output"
}

leaks() {	# NAME
	must "$1" "$leak_check"
}

# Every guest is powered off by its shell's end; its kernel must have been content.
net_finish() {
	local name fd
	at_once leaks "${!net_pid[@]}"
	for name in "${!net_pid[@]}"; do
		fd=${net_in[$name]}
		# not its input's end: processes of the test may hold the pipe as well
		echo 'exit 0' >&"$fd"
		exec {fd}>&-
	done
	for name in "${!net_pid[@]}"; do
		wait "${net_pid[$name]}" || fail "$name ended with $?: $(tail -n 20 "$name.console")"
		# shellcheck disable=SC2034 # for console_check
		console=$dir/$name.console
		console_check
	done
	net_pid=()
}

net_end() {
	local status=$? name

	# all of it is to be done
	set +e
	if [ $status != 0 ] && [ $status != 77 ]; then
		for name in "${!net_pid[@]}"; do
			tail -n 25 "$name.console" >&2
		done
	fi
	for name in ${helpers[@]+"${helpers[@]}"}; do
		kill "$name" 2>/dev/null || true
	done
	for name in "${!net_tap[@]}"; do
		ip netns pids "$(box_netns "$name")" 2>/dev/null | xargs -r kill 2>/dev/null || true
		kill "${net_tap[$name]}" 2>/dev/null || true
		ip netns del "$(box_netns "$name")" 2>/dev/null || true
	done
	(exit $status)
	lib_end
}
trap net_end EXIT
