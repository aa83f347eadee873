#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
#
# Guests that end badly: each is one clear line, an exit status of 125, and
# leaves nothing behind.  A guest that stays is reset under I/O and comes back.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 16M /dev/urandom >a.img
sum=$(sha256sum <a.img)

no_processes() {
	! ps --ppid "$daemon" -o comm= | grep -v mulliond >/dev/null
}

# ends STATUS COMMAND...: how a command in a guest ends, in one line
ends() {
	local want=$1 status=0
	shift
	"$mullion" run --kernel "$kernel" --initrd "$image/initrd.img" --disk a.img \
		-- "$@" >out 2>err || status=$?
	cat err
	expect "exit status of '$*'" "$want" $status
	expect "lines about '$*'" 1 "$(wc -l <err)"
	wait_until 10 no_processes || fail "processes are left after '$*'"
}

ends 125 sh -c 'echo c >/proc/sysrq-trigger; sleep 100'
ends 125 sh -c 'echo b >/proc/sysrq-trigger; sleep 100'
ends 125 poweroff -f

# A kernel that is none, and an initrd without an init.
head -c 1M /dev/urandom >kernel
status=0
"$mullion" run --timeout 20 --kernel kernel -- true >out 2>err || status=$?
cat err
[ $status = 125 ] || [ $status = 124 ] || fail "a kernel that is none: exit status $status"
expect "lines about a kernel that is none" 1 "$(wc -l <err)"

# Killed from outside, under I/O.
"$mullion" run --name busy --kernel "$kernel" --initrd "$image/initrd.img" --disk a.img \
	-- sh -c 'echo up; while dd if=/dev/sda of=/dev/null bs=64k 2>/dev/null; do :; done' \
	>out 2>err &
runner=$!
wait_until 120 grep -q up out || fail "the guest did not start"
kill -9 "$(shown busy pid)"
status=0
wait $runner || status=$?
cat err
expect "exit status after QEMU was killed" 125 $status
expect "lines after QEMU was killed" 1 "$(wc -l <err)"

# Made by a client that went before it could own it.
python3 - "$MULLION_RUNTIME_DIR/mulliond.sock" "$kernel" "$image/initrd.img" <<'PY'
import json, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
body = json.dumps({"name": "orphan", "kernel": sys.argv[2], "initrd": sys.argv[3],
                   "start": True, "transient": True, "owned": True, "command": ["cat"]})
sock.sendall(f"POST /v1/guests HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
             .encode())
sys.exit(b" 201 " not in sock.recv(20))
PY
wait_until 60 no_processes || fail "a guest whose owner never came is left"
"$mullion" events | grep 'own it' >/dev/null || fail "no event says why the guest without an owner ended"

# A guest that stays: its reset is its own affair.
cat >stay.ini <<INI
[Guest]
Name=stay
Memory=$memory
Kernel=$kernel
Initrd=$image/initrd.img
Disk=$dir/a.img
INI
"$mullion" define stay.ini
"$mullion" start stay
console_says() {	# TEXT COUNT
	[ "$("$mullion" logs stay | grep -ac "$1")" -ge "$2" ]
}
wait_until 120 console_says 'Built-in guest' 1 || fail "the guest that stays did not start"
# Bytes for its shell: a reader in the background, then a reset.
mkfifo input
"$mullion" console stay <input >/dev/null 2>&1 &
console_client=$!
exec 9>input
printf 'dd if=/dev/sda of=/dev/null bs=4k iflag=direct &\necho b >/proc/sysrq-trigger\n' >&9
wait_until 120 console_says 'Built-in guest' 2 || fail "no second start"
printf 'dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum\n' >&9
wait_until 60 console_says "${sum%% *}" 1 || true
exec 9>&-
kill $console_client 2>/dev/null || true
wait $console_client 2>/dev/null || true
"$mullion" logs stay | tail -n 15
console_says "${sum%% *}" 1 || fail "the disk is not the same after a reset"
expect "epoch after a reset" 2 "$(shown stay control.epoch)"
"$mullion" logs stay >"$console"
console_check
"$mullion" kill stay
"$mullion" undefine stay
expect "guests" 0 "$("$mullion" ps --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(len(d if isinstance(d, list) else d["guests"]))')"
