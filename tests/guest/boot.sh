#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The built-in guest, without disks: what the command prints, reads and ends
# with reaches the user; what a guest costs.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"
if [ "$(basename "$image")" = test-6.1 ]; then
	image=$top/build/images/builtin
	kernel=$image/vmlinux
fi

start=${EPOCHREALTIME//[.,]/}
expect "output" "hello" "$(guest -- echo hello)"
info "start to end of a guest: $(((${EPOCHREALTIME//[.,]/} - start) / 1000)) ms"

# Arguments arrive as they are; bytes are not changed on the way out.
# shellcheck disable=SC2016
weird='a  b "c" $d `e` \f * é'
expect "arguments" "$weird|second" "$(guest -- printf '%s|%s' "$weird" second)"
guest -- sh -c 'printf "\000\001\r\n\t\377end"' >out
printf '\000\001\r\n\t\377end' | cmp - out || fail "bytes were changed on the way"
guest -- sh -c 'cat /bin/busybox' >out
cmp out "$(command -v busybox)" || fail "two megabytes of output were changed"
expect "input" "6" "$(echo abcde | guest -- sh -c 'head -c 6 | wc -c')"

# Exit status.
for status in 0 3; do
	got=0
	guest -- sh -c "exit $status" || got=$?
	expect "exit status" $status $got
done
got=0
# shellcheck disable=SC2016
guest -- sh -c 'kill -9 $$' || got=$?
expect "exit status after SIGKILL" 137 $got
got=0
guest -- /no/such/command >/dev/null || got=$?
expect "exit status of a missing command" 127 $got
got=0
guest -- /etc/passwd >/dev/null || got=$?
expect "exit status of a file that is no program" 126 $got
got=0
guest --timeout 5 -- sleep 1000 || got=$?
expect "exit status at the time limit" 124 $got
got=0
"$mullion" run --kernel /no/such/kernel -- true 2>err || got=$?
expect "exit status when Mullion fails" 125 $got
expect "lines of the error" 1 "$(wc -l <err)"

# What it costs while it runs.
"$mullion" run --name costs --kernel "$kernel" --initrd "$image/initrd.img" -- \
	sh -c 'echo up; sleep 1000' >out 2>/dev/null &
runner=$!
wait_until 60 grep -q up out || fail "the guest did not start"
tree=$(pgrep -P "$daemon" -d' ')
info "processes of a guest: $(ps -o comm= -p "${tree// /,}" | sort | uniq -c | awk '{ printf "%s%d %s", sep, $1, $2; sep = ", " }')"
info "memory: $(ps -o rss=,comm= -p "${tree// /,}" -p "$daemon" | awk '{ printf "%s%s %d MiB", sep, $2, $1 / 1024; sep = ", " }')"
"$mullion" kill costs
wait $runner || true
qemu_is_gone() {
	! ps --ppid "$daemon" -o comm= | grep qemu >/dev/null
}
wait_until 10 qemu_is_gone || fail "QEMU is still there"
