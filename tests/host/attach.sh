#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `mullion attach` with a guest as Linux 5.10 has it: start, disks with lists of 64
# pieces at odd places, task management, requests that cannot be, pause and resume,
# removal; two guests at a time, a disk that both have, slow guests; a new boot in
# the same memory; and the end of it all by SIGTERM.
# shellcheck source=tests/host/attach-lib.sh
. "$(dirname "$0")/attach-lib.sh"

truncate -s 32M a.img b.img c.img

# ---- one guest, everything that a disk's driver does ------------------------------
attach one 64 --disk a.img --disk b.img,ro
one=$server
play one ready scan=2 io=100 tasks io-bad io=20 standby running io=20 gone end
attached one
begun one standby
expect "type" attached "$(shown one type)"
expect "state" online "$(shown one state)"
expect "control.gpa" $control "$(shown one control.gpa)"
expect "control.bytes" $((control_bytes)) "$(shown one control.bytes)"
expect "ram.path" "$PWD/one.ram" "$(shown one ram.path)"
expect "drivers" visorhba "$(shown one devices.0.driver)"
"$mullion" ps | grep -q '^one ' || fail "not in ps"
"$mullion" device set one vbus1:dev0 state=paused >/dev/null
begun one running
wait_until 30 is_shown one devices.0.state paused || fail "not paused"
"$mullion" device set one vbus1:dev0 state=running >/dev/null
begun one gone
# A second pause is one too many for that driver.
! "$mullion" device set one vbus1:dev0 state=paused 2>err || fail "paused twice"
grep -q 'one pause only' err || fail "$(cat err)"
let_go one "$one"
played one
info "one guest: $(kept one 'what is read is what was written') requests compared, $(grep -c '^ok ' one.play) rules kept"

# ---- a start that is not at the same time -------------------------------------------
# The guest waits for its control channel, at 100 Hz; nothing of its memory is there
# before all of it is.
hz=100
truncate -s 64M late.ram
play late ready scan=1 io=20 gone end
sleep 1
attach late 64 --disk a.img
attached late
begun late gone
let_go late "$server"
played late
hz=

# ---- two at once, and a disk that both have -----------------------------------------
attach two 64 --disk a.img --disk c.img,share=on
two=$server
attach three 96 --disk b.img --disk c.img,share=on --region 0:0:0x3000000,0x3000000:0x100000000:0x3000000
three=$server
attached two
attached three
play two ready scan=2 io=60 sleep=1 gone end
guest_two=$guest
"$player" --ram three.ram --control-gpa $control --reserved $reserved \
	--region 0:0:0x3000000 --region 0x100000000:0x3000000:0x3000000 \
	ready scan=2 sleep=1 gone end >three.play 2>&1 &
guest_three=$!
servers+=("$guest_three")
begun two gone
begun three gone
"$mullion" service list >services
expect "services" 3 "$(grep -c '^disk' services)"
let_go two "$two"
let_go three "$three"
guest=$guest_two played two
guest=$guest_three played three

# ---- a second boot in the same memory ---------------------------------------------------
attach boots 64 --disk a.img
boots=$server
attached boots
play boots ready io=20
played boots
generation=$(shown boots services.0.generation)
mv boots.play first.play
again=--again
play boots ready scan=1 io=20 gone end
again=
begun boots gone
expect "generation" "$generation" "$(shown boots services.0.generation)"
let_go boots "$boots"
played boots
info "a second boot was noticed"

# ---- ends -----------------------------------------------------------------------------------
# A process that stands for the machine.
sleep 1000 &
machine=$!
servers+=("$machine")
attach gone 64 --disk a.img --pid $machine
attached gone
kill $machine
status=0
wait "$server" || status=$?
expect "status when the machine has ended" 0 $status
# A guest that does not look at its channel any more.
attach deaf 64 --disk a.img
attached deaf
play deaf ready
played deaf
let_go deaf "$server"
# A killed command leaves nothing behind.
attach killed 64 --disk a.img
attached killed
kill -9 "$server"
wait_until 60 is_forgotten killed || fail "a killed attach is still served"
# The signature goes with the service.
expect "signature" 0 "$(od -An -t u8 -j $control -N 8 killed.ram | tr -d ' ')"
