#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# also: ram
#
# Every device class works in every mode: one guest has a device of each, and
# uses it; a further one comes and goes, and its service is killed.  A class that
# is not in the table here, or works in one mode only, is a failure.  What its
# services can see is what the mode promises.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 4M /dev/urandom >a.img
truncate -s 4M b.img
truncate -s 4M c.img

# class: the options of a guest that has a device of it; what the guest does
declare -A options=(
	[disk]="--disk a.img --disk b.img,lun=1"
	[net]="--net nat"
)
# shellcheck disable=SC2016
declare -A uses=(
	[disk]='dd if=/dev/sda of=/dev/sdb bs=64k iflag=direct oflag=direct 2>/dev/null &&
		cmp /dev/sda /dev/sdb'
	[net]='for i in $(seq 60); do
			ip -4 -o addr show dev eth0 | grep -q " 10\." && break
			sleep 1
		done
		/bin/ping -c 3 -i 0.2 -W 30 10.0.2.2 >/dev/null'
)
# what is plugged, its name, and how the guest counts such devices
declare -A plugs=(
	[disk]="c.img,share=on,serial=PLUG"
	[net]="net nat,mac=02:00:00:00:00:77"
)
declare -A names=(
	[disk]=PLUG
	[net]=02:00:00:00:00:77
)
declare -A counts=(
	[disk]='ls -d /sys/block/sd* | wc -l'
	[net]='ls -d /sys/class/net/eth* | wc -l'
)

classes=()
for program in "$top"/build/mullion-*; do
	[ -f "$program" ] && [ -x "$program" ] || continue
	class=$("$program" --describe 2>/dev/null | python3 -c '
import json, sys
print(json.load(sys.stdin)["class"])' 2>/dev/null) || continue
	classes+=("$class")
done
[ ${#classes[@]} -ge 2 ] || fail "no device classes found: ${classes[*]}"
all=()
script=
for class in "${classes[@]}"; do
	[ -n "${uses[$class]:-}" ] || fail "class $class has no row in $0"
	read -ra more <<<"${options[$class]}"
	all+=("${more[@]}")
	script+="use_$class() { ${uses[$class]}
}
if use_$class; then echo \"$class works\"; else echo \"$class: FAILED\"; fi
"
done

mkfifo input
exec 9<>input
"$mullion" run --name all --verbose "${talk[@]}" --memory "$memory" --kernel "$kernel" \
	--initrd "$image/initrd.img" "${all[@]}" -- sh -c "$script
	for f in /sys/bus/pci/devices/*; do
		[ \"\$(cat \$f/device)\" != 0x1110 ] || echo window
	done
	dmesg | grep -o 'Command line: .*'
	echo ready
	while read -r line; do eval \"\$line\"; echo done; done" <input >out 2>"$console" &
runner=$!
wait_until 180 grep -q ready out || { cat out; tail -n 30 "$console"; fail "$mode: no end"; }
cat out
for class in "${classes[@]}"; do
	grep -qx "$class works" out || fail "$mode: class $class does not work"
done

# in_guest COMMAND: its output
in_guest() {
	local before
	before=$(grep -cx 'done' out || true)
	echo "$1" >&9
	answered() {
		[ "$(grep -cx 'done' out)" -gt "$before" ]
	}
	wait_until 60 answered || fail "$mode: no answer to $1"
	tail -n 2 out | head -n 1
}

counted() {	# CLASS NUMBER
	[ "$(in_guest "${counts[$1]}")" = "$2" ]
}

for class in "${classes[@]}"; do
	[ -n "${plugs[$class]:-}" ] || fail "class $class has no row in $0"
	number=$(in_guest "${counts[$class]}")
	read -ra more <<<"${plugs[$class]}"
	"$mullion" device add all "${more[@]}"
	wait_until 60 counted "$class" $((number + 1)) || fail "$mode: class $class: none was plugged"
	"$mullion" device remove all "${names[$class]}"
	wait_until 60 counted "$class" "$number" || fail "$mode: class $class: none was unplugged"
done

# A successor has the same.
for i in 0 1; do
	kill -9 "$(shown all services.$i.pid)"
	wait_until 30 is_shown all services.$i.generation 2 || fail "$mode: no successor"
	wait_until 30 is_shown all services.$i.state serving || fail "$mode: the successor does not serve"
done
for class in "${classes[@]}"; do
	expect "$mode: class $class after a kill" works "$(in_guest "use_$class && echo works")"
done

# What each of its services can see.
"$mullion" show all --access --json >access.json
python3 - "$mode" "${#classes[@]}" access.json <<'PY' || fail "$mode: services see something else"
import json, sys
mode, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
services = [s for s in json.load(open(path))["services"] if "guest_ram" in s and s["sees"]]
assert len(services) >= count, services
for service in services:
    print(service["service"], "sees", service["sees"])
    if mode == "window":
        assert service["guest_ram"] == [], service["guest_ram"]
        assert "windows only" in service["sees"]
    else:
        (ram,) = service["guest_ram"]
        assert ram["guest"] == "all" and ram["access"] == "read-write", ram
        assert service["sees"] == "all RAM of guest all (read-write)"
PY
windows=$(grep -cx window out || true)
if [ "$mode" = ram ]; then
	expect "windows in PCI" 0 "$windows"
	gpa=$(shown all control.gpa)
	grep -q "visorbus.control=$(printf '0x%x' "$gpa"):" out ||
		fail "the kernel was told of no channel at $gpa"
	# Whoever may open the daemon's descriptors finds it there.
	expect "signature of the control channel" 4c4e4345 \
		"$(od -An -tx4 -N4 -j "$gpa" "$(shown all ram.path)" | tr -d ' ')"
else
	[ "$windows" -ge 3 ] || fail "$windows windows"
fi
"$mullion" kill all
exec 9>&-
wait $runner || true
console_check
