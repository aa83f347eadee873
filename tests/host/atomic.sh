#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# time: 1800
#
# What must not be done twice, across the death of the service: COMPARE AND
# WRITE as a counter, and persistent reservations of two guests on one disk.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

for cache in writeback none; do
	truncate -s 1M $cache.img
	process_guest c-$cache "$PWD/$cache.img,cache=$cache"
	"$programs/counters" c-$cache 0 $cache.record 16 15 600 >$cache.out 2>&1 &
	work=$!
	kill_while c-$cache $work 150
	wait $work || { cat $cache.out; fail "counters, cache=$cache"; }
	"$mullion" stop c-$cache >/dev/null
	"$programs/counters" check $cache.img $cache.record || fail "counters, cache=$cache"
	info "COMPARE AND WRITE, cache=$cache: $(cat $cache.out)"
done

# Two guests at work on one disk, each in a place of its own.
truncate -s 1M both.img
process_guest left "$PWD/both.img,share=on"
process_guest right "$PWD/both.img,share=on"
expect "service of both" "$(shown left services.0.name)" "$(shown right services.0.name)"
"$programs/counters" left 0 left.record 16 12 600 >left.out 2>&1 &
work=$!
"$programs/versions" right 0 right.record 12 4096 12 600 1024 >right.out 2>&1 &
more=$!
kill_while left $work 150
kill_while left $more 150
wait $work || { cat left.out; fail "two guests: counters"; }
wait $more || { cat right.out; fail "two guests: versions"; }
"$mullion" stop left right >/dev/null
"$programs/counters" check both.img left.record || fail "two guests: counters"
"$programs/versions" check both.img right.record || fail "two guests: versions"
info "two guests of one disk: $(cat left.out); $(cat right.out)"

truncate -s 1M shared.img
process_guest one "$PWD/shared.img,share=on"
process_guest two "$PWD/shared.img,share=on"
expect "service of both" "$(shown one services.0.name)" "$(shown two services.0.name)"

# CDB, and data to send or bytes to receive.
zero=0000000000000000
key=0000000000000abc
register="5f000000000000001800 $zero$key$zero"
reserve="5f010500000000001800 $key$zero$zero"
keys="5e000000000000010000 <256"
holder="5e010000000000010000 <256"
write="2a000000000000000100 $(printf 'ab%.0s' {1..512})"
read="28000000000000000100 <512"

scsi() {	# GUEST LINE
	"$programs/scsi-send" "$1" 0 <<<"$2"
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
