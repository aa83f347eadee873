#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is said of a guest's RAM and makes no sense is one clear line, whether it
# comes from the command line or from a definition, and nothing is left of it.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"

# refused TEXT COMMAND...: fails with one line on standard error that says TEXT
refused() {
	local text=$1
	shift
	! "$@" >out 2>err || fail "succeeded: $*"
	cat err
	expect "lines of: $*" 1 "$(wc -l <err)"
	grep -qF -- "$text" err || fail "no '$text' in the line of: $*"
	expect "guests" '{"guests":[]}' "$("$mullion" ps --all --json | tr -d ' \n')"
}

bad() {	# TEXT LINE...: of a definition
	local text=$1
	shift
	{
		printf '[Guest]\nName=bad\n'
		printf '%s\n' "$@"
	} >bad.ini
	refused "$text" "$mullion" define bad.ini
}

run() {	# TEXT OPTION...
	local text=$1
	shift
	refused "$text" "$mullion" run --kernel kernel "$@" -- true
}

head -c 1M /dev/urandom >kernel
run 'is one of: window guest-physical' --addressing physical
run 'is one of: pci ram' --window isa
run 'needs addressing guest-physical' --window ram
run 'need addressing guest-physical' --hugepages 2M
run 'needs addressing guest-physical' --numa 2
run 'is no number from 1 to 8' --numa 9
run 'is one of: off 2M 1G' --addressing guest-physical --hugepages 3M
run 'not a multiple of' --addressing guest-physical --hugepages 2M --memory 513M
run 'more than 512 GiB' --addressing guest-physical --memory 1T
run 'window ram needs at least' --addressing guest-physical --window ram --memory 96M
bad 'a guest of type process has no RAM of its own' Type=process Addressing=guest-physical
bad 'Addressing= is "both"' Addressing=both
bad "not off, 2M or 1G" Addressing=guest-physical Hugepages=3M
bad 'needs addressing guest-physical' Window=ram

# What is kept says it again.
printf '[Guest]\nName=good\nAddressing=guest-physical\nWindow=ram\nHugepages=2M\nNUMA=2\n' >good.ini
"$mullion" define good.ini >/dev/null
"$mullion" show good --json >good.json
python3 - good.json <<'PY' || fail "the definition is another one"
import json, sys
guest = json.load(open(sys.argv[1]))
definition = guest["definition"]
assert guest["ram"] is None
assert definition["addressing"] == "guest-physical" and definition["window"] == "ram"
assert definition["hugepages"] == "2M" and definition["numa"] == 2
PY
