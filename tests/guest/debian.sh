#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# needs: debian
# time: 3600
#
# Debian with its root file system on a disk of mullion-disk: boots to a login,
# does package-sized file work, and after a reboot has the same data, inside
# and as the host sees the image.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

cp --sparse=always "$top/build/images/debian/disk.img" root.img

debian() {	# COMMAND...: in a boot of its own
	local status=0
	"$mullion" run --verbose "${talk[@]}" --timeout 1500 --root root.img -- "$@" 2>"$console" || status=$?
	console_check
	[ $status = 0 ] || tail -n 40 "$console" >&2
	return $status
}

start=${EPOCHREALTIME//[.,]/}
# What a package manager does: many small files, renames, links, syncs.
# shellcheck disable=SC2016
debian sh -ec '
	findmnt -n -o SOURCE,FSTYPE /
	systemctl is-system-running --wait || systemctl list-units --no-pager --failed
	mkdir /srv/work
	cd /srv/work
	cp -a /usr/share/zoneinfo /usr/lib/x86_64-linux-gnu/perl-base .
	for i in $(seq 200); do
		head -c $((i * 997)) /dev/urandom >f$i.new
		mv f$i.new f$i
		ln f$i h$i
		ln -s f$i s$i
	done
	sync
	rm f1* && sync
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
' >out || fail "the first boot ended badly"
info "boot, file work and power off of Debian: $(((${EPOCHREALTIME//[.,]/} - start) / 1000)) ms"
cat out
expect "root file system" "/dev/sda ext4" "$(sed -n 1p out | tr -s ' ')"
expect "state of the system" running "$(sed -n 2p out)"
tree=$(sed -n 3p out)

# shellcheck disable=SC2016
debian sh -ec '
	cd /srv/work
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
' >out || fail "the second boot ended badly"
expect "tree after a reboot" "$tree" "$(cat out)"

# From the host, through the image.
e2fsck -fn root.img >fsck.log 2>&1 || {
	cat fsck.log
	fail "the file system in the image is damaged"
}
mkdir tree
/usr/sbin/debugfs -R "rdump /srv/work tree" root.img 2>/dev/null
expect "tree as the host sees it" "$tree" "$(cd tree/work &&
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)"

# A login on the console, without a command.
"$mullion" run --name login --root root.img >login.log 2>&1 </dev/null &
runner=$!
wait_until 120 grep -aq 'root@mullion' login.log || {
	tail -n 40 login.log
	fail "no login on the console"
}
"$mullion" stop login || fail "a clean stop failed"
wait $runner || true
