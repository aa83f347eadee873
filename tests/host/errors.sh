#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What goes wrong below a disk: images that cannot be used are one clear line,
# those that turn bad while a guest runs are sense data, and when they are good
# again the disk works again.  Nothing is left of what failed.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
command -v nbdkit >/dev/null || skip "nbdkit is missing"

# refused TEXT COMMAND...: fails with one line on standard error that says TEXT
refused() {
	local text=$1
	shift
	! "$@" >out 2>err || fail "succeeded: $*"
	cat err
	expect "lines of: $*" 1 "$(wc -l <err)"
	grep -qF -- "$text" err || fail "no '$text' in the line of: $*"
}

# bad_disk TEXT SPEC...: a guest with these disks is refused when it is defined
# or when it is started, and then it does not exist
bad_disk() {
	local text=$1
	shift
	{
		printf '[Guest]\nName=bad\nType=process\n'
		printf 'Disk=%s\n' "$@"
	} >bad.ini
	if "$mullion" define bad.ini >/dev/null 2>err; then
		refused "$text" "$mullion" start bad
		"$mullion" undefine bad >/dev/null
	else
		refused "$text" "$mullion" define bad.ini
	fi
	expect "guests" '{"guests":[]}' "$("$mullion" ps --all --json | tr -d ' \n')"
}

truncate -s 1M good.img
truncate -s 1000 odd.img
: >empty.img
mkfifo fifo
server odd nbdkit --foreground --unix "$PWD/odd.sock" null 1000
server good nbdkit --foreground --unix "$PWD/good.sock" null 1M
wait_until 20 test -S odd.sock || fail "nbdkit did not start"
wait_until 20 test -S good.sock || fail "nbdkit did not start"

bad_disk 'there is no such file' "$PWD/missing.img"
bad_disk 'there is no such file' missing.img
bad_disk 'it is a directory' "$PWD"
bad_disk 'it is empty' "$PWD/empty.img"
bad_disk 'not a multiple of 512' "$PWD/odd.img"
bad_disk 'neither a file nor a block device' "$PWD/fifo"
bad_disk 'neither a file nor a block device' /dev/null
bad_disk "unknown option 'nonsense'" "$PWD/good.img,nonsense=1"
bad_disk "option 'lun' has the value '999'" "$PWD/good.img,lun=999"
bad_disk "option 'cache' has the value 'maybe'" "$PWD/good.img,cache=maybe"
bad_disk "option 'serial' has the value" "$PWD/good.img,serial=$(printf 'x%.0s' {1..99})"
bad_disk 'names no image' ',ro'
bad_disk 'size is not' 'null:0'
bad_disk 'size is not' 'null:1x'
bad_disk 'another disk has its lun' 'null:1M,lun=3' 'null:1M,lun=3'
bad_disk 'is the NBD server running' "nbd+unix:///?socket=$PWD/none.sock"
bad_disk 'not a multiple of 512' "nbd+unix:///?socket=$PWD/odd.sock"
if [ "$(id -u)" != 0 ]; then
	truncate -s 1M secret.img
	chmod 0 secret.img
	bad_disk 'may not open it' "$PWD/secret.img"
	chmod 400 secret.img
	bad_disk 'may not open it for reading and writing' "$PWD/secret.img"
fi

process_guest first "$PWD/good.img"
printf '[Guest]\nName=second\nType=process\nDisk=%s\n' "$PWD/good.img" >second.ini
"$mullion" define second.ini >/dev/null
refused 'guest first uses the image' "$mullion" start second
printf '[Guest]\nName=second\nType=process\nDisk=%s,share=on\n' "$PWD/good.img" >second.ini
"$mullion" define second.ini >/dev/null
refused 'only one of the two says share=on' "$mullion" start second
"$mullion" kill first >/dev/null
"$mullion" undefine first second >/dev/null
info "images that cannot be used are one line each"

# ---- while a guest runs --------------------------------------------------

capacity="9e100000000000000000000000200000 <32"
read0="28000000000000000100 <512"
write0="2a000000000000000100 $(printf 'ab%.0s' {1..512})"
read_end="28000000060000000100 <512"
flush="35000000000000000000"

open_disk() {	# GUEST SPEC
	process_guest "$1" "$2"
	coproc DISK { "$programs/scsi-send" "$1" 0 2>&1; }
}
# ask LINE: what became of it in $answer, received data in $data
ask() {
	echo "$1" >&"${DISK[1]}"
	read -r answer data <&"${DISK[0]}" || fail "no answer to ${1:0:20}"
	[ "$answer" != sense ] || answer="sense $data"
}
is() {	# LINE ANSWER
	ask "$1"
	[ "$answer" = "$2" ]
}
want() {	# WHAT LINE ANSWER
	is "$2" "$3" || fail "$1: expected '$3', got '$answer'"
}
sense_of() {	# WHAT LINE: anything but good
	ask "$2"
	[ "${answer% *}" = sense ] || fail "$1: expected sense data, got '$answer'"
}
close_disk() {	# GUEST
	local pid=$DISK_PID input=${DISK[1]}
	exec {input}>&-
	wait_until 20 is_gone "$pid" || fail "scsi-send does not end"
	"$mullion" kill "$1" >/dev/null
	"$mullion" undefine "$1" >/dev/null
}

# The capacity follows the medium, and the guest is told (2Ah/09h).
truncate -s 1M size.img
open_disk size "$PWD/size.img"
want "write" "${write0/2a0000000000/2a0000000600}" good
truncate -s 512K size.img
wait_until 10 is "$read0" 'sense 062a09' || fail "nobody is told that the image shrank"
want "read within" "$read0" good
sense_of "read beyond the end" "$read_end"
ask "$capacity"
expect "capacity" 00000000000003ff "${data:0:16}"
truncate -s 0 size.img
sense_of "read of nothing" "$read0"
truncate -s 2M size.img
wait_until 10 is "$read0" 'sense 062a09' || fail "nobody is told that the image grew"
want "read" "$read_end" good
want "write" "$write0" good
want "flush" "$flush" good
ask "$capacity"
expect "capacity" 0000000000000fff "${data:0:16}"
close_disk size
info "an image that shrinks and grows: sense data, then the new capacity"

# No room left, and room again.
mkdir small
cleanup() {
	umount -l "$dir/small" 2>/dev/null
}
if mount -t tmpfs -o size=64k none small 2>/dev/null; then
	truncate -s 1M small/disk.img
	head -c 1M /dev/zero >small/filler 2>/dev/null || true
	open_disk full "$PWD/small/disk.img"
	sense_of "write to a full file system" "$write0"
	# SPACE ALLOCATION FAILED WRITE PROTECT
	expect "sense" 'sense 072707' "$answer"
	want "read of a hole" "$read0" good
	rm small/filler
	want "write with room again" "$write0" good
	close_disk full
	wait_until 20 umount small 2>/dev/null || fail "the file system is still in use"
	info "a full file system: space allocation failed, then it works again"
else
	info "a full file system: not tested, only root can mount one"
fi

# Errors of the medium, while there is a file.
truncate -s 1M error.img
server error nbdkit --foreground --unix "$PWD/error.sock" --filter=error file "$PWD/error.img" \
	error-rate=100% error=EIO error-file="$PWD/break"
wait_until 20 test -S error.sock || fail "nbdkit did not start"
open_disk error "nbd+unix:///?socket=$PWD/error.sock"
want "write" "$write0" good
touch break
sense_of "read" "$read0"
expect "sense of a bad read" 'sense 031100' "$answer"
sense_of "write" "$write0"
expect "sense of a bad write" 'sense 030c00' "$answer"
rm break
want "read again" "$read0" good
expect "data" abab "${data:0:4}"

# The server dies; a new one is used by the next service.
kill -9 "$server"
wait_until 10 is "$read0" 'sense 0b0800' || fail "no sense of a lost server: $answer"
want "write to a lost server" "$write0" 'sense 0b0800'
want "flush to a lost server" "$flush" 'sense 0b0800'
rm -f error.sock
server error nbdkit --foreground --unix "$PWD/error.sock" file "$PWD/error.img"
wait_until 20 test -S error.sock || fail "nbdkit did not start"
"$mullion" service restart disk-error >/dev/null
wait_until 20 is "$write0" good || fail "the new server is not used: $answer"
close_disk error
info "a medium with errors and a server that dies: sense data, then it works again"

# ---- the daemon ----------------------------------------------------------

# A service that cannot be started.
mkdir programs
: >programs/build.ninja	# what makes it a build tree
cp "$top/build/mullion" "$top/build/mulliond" programs/
other() {	# COMMAND...: with the daemon that has no service
	MULLION_RUNTIME_DIR=$dir/run2 MULLION_STATE_DIR=$dir/state2 "$@"
}
printf '[Guest]\nName=none\nType=process\nDisk=null:1M\n' >none.ini
server other env MULLION_RUNTIME_DIR="$dir/run2" MULLION_STATE_DIR="$dir/state2" \
	programs/mulliond --foreground
wait_until 20 test -S run2/mulliond.sock || fail "the other daemon did not start"
other programs/mullion define none.ini >/dev/null
refused 'there is no program' other programs/mullion start none
end_server "$server"
expect "what is left of it" '' "$(ls -d run2 2>/dev/null || true)"

# Killed, it takes its services along, and its socket; so it does with guests.
process_guest last "$PWD/good.img"
pids=$(pgrep -P "$daemon")
"$programs/versions" last 0 last.record 4 4096 1000 600 >last.out 2>&1 &
work=$!
wait_until 20 is_shown last state online || fail "versions did not attach"
kill -9 "$daemon"
for pid in $pids; do
	wait_until 20 is_gone "$pid" || fail "process $pid stays"
done
wait_until 20 test ! -e "$MULLION_RUNTIME_DIR" || fail "left: $(ls "$MULLION_RUNTIME_DIR")"
wait_until 30 is_gone $work || fail "its process guest waits for ever"
# ENODEV
grep -qE 'error -19|No such device' last.out || fail "the process guest says: $(cat last.out)"
info "a daemon that is killed leaves nothing, and its process guest is told"
