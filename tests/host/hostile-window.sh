#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# needs: fio-engine
#
# A guest that writes anything anywhere in its windows costs nobody else
# anything: not the daemon, not the service, not the other guest of the same
# service, whose data are verified meanwhile.  Started again, it works.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_engine

seconds=${SCRIBBLE_SECONDS:-10}
truncate -s 64M shared.img own.img
process_guest good "$PWD/shared.img,share=on"
process_guest evil "$PWD/shared.img,ro,share=on"
process_guest alone "$PWD/own.img"
service=$(shown good services.0.name)
expect "service of both" "$service" "$(shown evil services.0.name)"
before="$(shown good services.0.pid) $(shown alone services.0.pid)"

fio_process good 0 --rw=randrw --bsrange=4k-64k --iodepth=16 --size=64m --verify=crc32c \
	--verify_fatal=1 --verify_backlog=256 --time_based --runtime="$seconds" &
work=$!
"$programs/scribbler" evil "$seconds" >evil.out 2>&1 &
evil=$!
"$programs/scribbler" alone "$seconds" >alone.out 2>&1 &
alone=$!
wait $evil || { cat evil.out; fail "the library crashed in the window of evil"; }
wait $alone || { cat alone.out; fail "the library crashed in the window of alone"; }
wait $work || fail "the other guest of the service was hurt"

"$mullion" show good >/dev/null || fail "the daemon was hurt"
expect "generation of the shared service" 1 "$(shown good services.0.generation)"
expect "generation of the other service" 1 "$(shown alone services.0.generation)"
expect "service processes" "$before" "$(shown good services.0.pid) $(shown alone services.0.pid)"
stale=$(shown evil devices.0.counters.stale)
requests=$(shown evil devices.0.counters.requests)

for guest in evil alone; do
	"$mullion" restart $guest >/dev/null
	expect "read after a restart" good \
		"$("$programs/scsi-send" $guest 0 <<<'28000000000000000100 <512' | cut -d' ' -f1)"
done
info "$seconds s of random bytes in two guests' windows: $(sed -n 's/rounds/attempts each/p' evil.out), $requests requests taken, $stale stale; nobody else noticed"
