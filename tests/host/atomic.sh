#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What must not be done twice, across the death of the service: COMPARE AND
# WRITE as a counter, and persistent reservations of two guests on one disk.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

for cache in writeback none; do
	truncate -s 1M $cache.img
	process_guest c-$cache "$PWD/$cache.img,cache=$cache"
	"$programs/counters" c-$cache 0 $cache.record 16 15 100 >$cache.out 2>&1 &
	work=$!
	kill_while c-$cache $work 150
	wait $work || { cat $cache.out; fail "counters, cache=$cache"; }
	"$mullion" stop c-$cache >/dev/null
	"$programs/counters" check $cache.img $cache.record || fail "counters, cache=$cache"
	info "COMPARE AND WRITE, cache=$cache: $(cat $cache.out)"
done

truncate -s 1M shared.img
process_guest one "$PWD/shared.img,share=on"
process_guest two "$PWD/shared.img,share=on"
expect "service of both" "$(shown one services.0.name)" "$(shown two services.0.name)"

zeroes() {	# BYTES
	printf "%0$((2 * $1))d" 0
}
register="5f00 0000 0000 0000 18 00 $(zeroes 8) 0000000000000abc $(zeroes 8)"
reserve="5f01 0500 0000 0000 18 00 0000000000000abc $(zeroes 16)"

# scsi GUEST CDB-and-data...: spaces within either are for the reader
scsi() {
	local guest=$1
	shift
	"$programs/scsi-send" "$guest" 0 <<-EOF
		$*
	EOF
}
cdb() {	# DIGITS... [-- DATA...]
	local line='' word
	for word; do
		[ "$word" != -- ] && line+=$word || line+=' '
	done
	echo "$line"
}
# shellcheck disable=SC2086 # digits, one word each for the reader's sake
{
	register=$(cdb 5f00 0000 0000 0000 18 00 -- $(zeroes 8) 0000000000000abc $(zeroes 8))
	reserve=$(cdb 5f01 0500 0000 0000 18 00 -- 0000000000000abc $(zeroes 16))
	keys=$(cdb 5e00 0000 0000 0001 00 00 -- '<256')
	holder=$(cdb 5e01 0000 0000 0001 00 00 -- '<256')
	write=$(cdb 2a00 0000 0000 0000 01 00 -- "$(printf 'ab%.0s' {1..512})")
	read=$(cdb 2800 0000 0000 0000 01 00 -- '<512')
}

# Write Exclusive, Registrants Only: the other guest reads, and may not write.
expect "two may write at first" good "$(scsi two "$write")"
expect "one registers" good "$(scsi one "$register")"
expect "one reserves" good "$(scsi one "$reserve")"
state() {
	echo "$(scsi two "$keys" | cut -c1-37) $(scsi two "$holder" | cut -c1-53)" \
		"$(scsi two "$read" | cut -c1-9) $(scsi two "$write") $(scsi one "$write")"
}
before=$(state)
case $before in
*0abc*0abc*"good abab conflict good") ;;
*) fail "before the kill: $before" ;;
esac
for ((i = 0; i < 3; i++)); do
	kill_service one
	expect "after kill $((i + 1))" "$before" "$(state)"
done
# The guest that registers at a successor is one of the registrants.
expect "two registers" good "$(scsi two "$register")"
expect "two writes" good "$(scsi two "$write")"
kill_service two
expect "two still writes" good "$(scsi two "$write")"
info "reservations of two guests survive $((i + 1)) kills"
