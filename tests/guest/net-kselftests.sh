#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# time: 1800
#
# The kernel's own network tests that exercise a driver, over eth0 of two guests,
# A and B.  docs/network-kselftests.md lists them and those that are not run, with
# the reason; it is compared with the kernel's folders and with what was run here.
#
# Their scripts make a pair of interfaces in one kernel; here is what those do,
# with the same programs and options, but counted in messages instead of seconds.
# shellcheck source=tests/guest/lib/net.sh
. "$(dirname "$0")/lib/net.sh"

tests=$("$top/tests/guest/lib/kselftests") || fail "the selftests cannot be built"
initrd=$dir/initrd.img
{
	cat "$image/initrd.img"
	(cd "$(dirname "$tests")" && find kselftests | cpio --quiet -o -H newc -R 0:0)
} >"$initrd"

mac_a=02:02:02:02:02:02
mac_b=06:06:06:06:06:06
network lan Uplink=none MTU=9000
boot a --cpus 2 --net lan,mac=$mac_a
boot b --cpus 2 --net lan,mac=$mac_b
must a "ip link set lo up"
must b true
# the second one, so that it is eth1
"$mullion" device add a net lan,mac=02:00:00:00:00:11 >/dev/null
ends a "test -e /sys/class/net/eth1"

ran=()
begin() {	# NAME...
	ran+=("$@")
	began=$(date +%s)
}
end() {
	echo "${ran[-1]}: $(($(date +%s) - began)) s"
}

# at_b NAME COMMAND: in the background there, its output in /NAME.log
at_b() {
	must b "cd /kselftests; rm -f /$1.status; (timeout 600 $2; echo \$? >/$1.status) >/$1.log 2>&1 </dev/null &"
}

# One that waits for frames is ready when its port is (TCP 12, UDP 11, raw 8).
listening() {	# PORT...
	local port wanted=
	for port; do
		wanted+=$(printf ' && grep -q ":%04X " /proc/net/tcp /proc/net/tcp6 /proc/net/udp \
			/proc/net/udp6 /proc/net/raw /proc/net/raw6' "$port")
	done
	ends b "true$wanted"
}

# It has ended, and well.
well() {	# NAME
	ends b "test -e /$1.status"
	must b "grep -qx 0 /$1.status || { cat /$1.log; exit 1; }"
}

# One that would go on is told to end.
interrupt() {	# NAME PROGRAM
	must b "killall -INT $2"
	well "$1"
}

# ---- interfaces that are down and have no address ----
begin netdevice
on a "/kselftests/netdevice.sh" >netdevice
cat netdevice
! grep -q FAIL netdevice || fail "netdevice: $(cat netdevice)"
for say in "set interface up" "set MAC address" "ethtool list features" "ethtool stats" "stop interface"; do
	grep -qx "PASS: eth0: $say" netdevice || fail "netdevice: no '$say': $(cat netdevice)"
done
end

# ---- what is sent from a ring shared with the kernel; no other IPv4 is there ----
begin txring_overwrite
must a "ip link set eth0 address $mac_a; ip link set eth1 address 02:00:00:00:00:11;
	ip link set eth0 up; ip link set eth1 promisc on; ip link set eth1 up"
ends a "grep -qx 1 /sys/class/net/eth0/carrier && grep -qx 1 /sys/class/net/eth1/carrier"
must a "timeout 300 /kselftests/txring_overwrite"
must a "ip link set eth1 down"
end
begin psock_tpacket
must a "timeout 300 /kselftests/psock_tpacket"
end

booted a
booted b
must a "sysctl -qw net.core.optmem_max=1000000; ping -q -c 1 -W 60 10.9.0.2 && ping -q -c 1 -W 60 fd09::2"

# ---- frames that are merged where they arrive, and those that must not be ----
# As in setup_loopback.sh: what arrives within the timeout can be merged.
begin gro
must b "echo 1000000 >/sys/class/net/eth0/gro_flush_timeout
	echo 50 >/sys/class/net/eth0/napi_defer_hard_irqs"
retries=0
slow=
for family in ipv4 ipv6; do
	for what in data ack flags tcp ip large; do
		options="--$family --dmac $mac_b --smac $mac_a --test $what --verbose --iface eth0"
		# The kernel's own script tries three times: it depends on the moment.
		for ((tries = 0; tries < 20; tries++)); do
			at_b gro "./gro $options --rx"
			ends b "test \$(wc -l </proc/net/packet) -gt 1 -o -e /gro.status"
			must a "cd /kselftests && ./gro $options"
			ends b "test -e /gro.status"
			! on b "grep -qx 0 /gro.status" || continue 2
			retries=$((retries + 1))
		done
		# Newer kernels' script forgives this one a slow machine, too: a frame of
		# 64 KiB is only made of what arrives within one tick.
		[ $what = large ] || fail "gro $family $what: $(on b "cat /gro.log")"
		slow+=" $family"
	done
done
must b "echo 0 >/sys/class/net/eth0/gro_flush_timeout; echo 0 >/sys/class/net/eth0/napi_defer_hard_irqs"
echo "gro: $retries tried again"
end

# ---- segments by the driver, zero copy, timestamps: each is answered once ----
# Its count begins anew each second, so a slow machine needs the time as well.
begin udpgso_bench udpgso_bench_tx udpgso_bench_rx
at_b udp "./udpgso_bench_rx -v"
listening 8000
must a 'cd /kselftests
	for to in "-4 -D 10.9.0.2" "-6 -D fd09::2"; do
		for option in "" "-u" "-m" "-S 0" "-z -a" "-S 0 -z -a" "-S 0 -T -z -a" \
			"-S 1000 -T -z -a" "-m -T -z -a"; do
			echo "udpgso_bench_tx $to $option"
			# it waits so long for completions, also when it has them all
			timeout 300 ./udpgso_bench_tx $to -M 10 -l 5 -L 2 $option ||
				timeout 300 ./udpgso_bench_tx $to -M 10 -l 5 -L 100 $option || exit
		done
	done'
ends b "grep -q '^udp rx:' /udp.log"
interrupt udp udpgso_bench_rx
for to in "-4 -D 10.9.0.2" "-6 -D fd09::2"; do
	for option in "" -z; do
		at_b tcp "./udpgso_bench_rx -t"
		listening 8000
		must a "cd /kselftests && timeout 300 ./udpgso_bench_tx $to -t -M 20 -l 5 -L 1 $option"
		well tcp
	done
done
end

# ---- datagrams that were sent as one arrive as one, or as they would have been ----
begin udpgro
gro_tests() {	# "PORT|OPTIONS OF B|OPTIONS OF A"
	local port=8100 family to length mss
	for family in 4 6; do
		to="-4 -D 10.9.0.2"
		length=14720
		[ $family = 4 ] || { to="-6 -D fd09::2"; length=14520; }
		mss=$((length / 10))
		for options in "-r -n 10 -l 1400|-M 10 -s 1400" \
			"-G -r -n 1 -l $length|-M 1 -s $length -S 0" \
			"-G -r -n 1 -l $length -S $mss|-M 1 -s $length -S 0" \
			"-G -r -n 1 -l $length|-M 1 -s $length -S 500" \
			"-G -r -n 1 -l $length -S 500|-M 1 -s $length -S 500" \
			"-v -n 10 -l $mss|-M 1 -s $length -S 0"; do
			port=$((port + 1))
			[ $family = 6 ] && echo "$port|${options%|*}|$to ${options#*|}" ||
				echo "$port|-4 ${options%|*}|$to ${options#*|}"
		done
	done
}
gro_tests >gro-tests
at_once="cd /kselftests;"
while IFS='|' read -r port receive send; do
	at_b "$port" "./udpgso_bench_rx -p $port -R 3000 $receive"
	at_once+=" timeout 300 ./udpgso_bench_tx -p $port $send || exit;"
done <gro-tests
# shellcheck disable=SC2046 # words
listening $(cut -d'|' -f1 gro-tests)
must a "$at_once"
while IFS='|' read -r port receive send; do
	well "$port"
done <gro-tests
end
begin udpgro_bench
at_b udp "./udpgso_bench_rx -G -v"
listening 8000
must a 'cd /kselftests
	for to in "-4 -D 10.9.0.2" "-6 -D fd09::2"; do
		timeout 300 ./udpgso_bench_tx $to -M 50 -l 5 -S 0 || exit
	done'
interrupt udp udpgso_bench_rx
end

# ---- data that the driver sends from where a program has it ----
# transfer RECEIVER'S OPTIONS -- SENDER OPTION...: by msg_zerocopy, or sent by a
# ring; who receives stays for a given time, which on a busy machine is too short.
port=9100
transfers=()
command="cd /kselftests"
transfer() {
	local receive=() seconds
	while [ "$1" != -- ]; do
		receive+=("$1")
		shift
	done
	shift
	port=$((port + 1))
	for seconds in 3 12 60; do
		at_b $port "./msg_zerocopy ${receive[*]} -t $seconds -p $port -r $mode"
		listening ${wait_for:-$port}
		# without a connection nobody notices that the receiver has left
		if on a "$command && timeout 300 ./$* -p $port $last" >"transfer.$port" &&
			{ [ "$mode" = tcp ] || ! on b "test -e /$port.status"; }; then
			transfers+=("$port")
			return 0
		fi
		ends b "test -e /$port.status"
	done
	fail "$*: $(cat transfer.$port) $(on b "cat /$port.log")"
}
arrived() {
	local name
	for name in "${transfers[@]}"; do
		well "$name"
		must b "grep -q '^rx=[1-9]' /$name.log || { cat /$name.log; exit 1; }"
	done
	transfers=()
}
begin msg_zerocopy
for family in "-4 -S 10.9.0.1 -D 10.9.0.2" "-6 -S fd09::1 -D fd09::2"; do
	for zerocopy in "" -z; do
		for mode in tcp udp; do
			last=$mode
			# shellcheck disable=SC2086 # words
			transfer $family -- msg_zerocopy $family -i eth0 $zerocopy -t 0
		done
	done
	# these have no zero copy; a raw socket has its protocol for a port
	mode=raw wait_for=8 last=packet
	command="cd /kselftests"
	for option in raw raw_hdrincl packet_dgram; do
		command+=" && ./msg_zerocopy $family -i eth0 -s 8000 -t 0 $option"
	done
	# shellcheck disable=SC2086 # words
	transfer $family -s 8000 -- msg_zerocopy $family -i eth0 -s 8000 -t 0
	wait_for=
done
arrived
end
begin io_uring_zerocopy_tx
command="cd /kselftests"
for family in "-4 -D 10.9.0.2" "-6 -D fd09::2"; do
	# from buffers that the ring knows, and in every way in turn
	for how in 2 3; do
		for mode in udp tcp; do
			[ $mode = udp ] && count=32 || count=1
			last=$mode
			# shellcheck disable=SC2086 # words
			transfer $family -- io_uring_zerocopy_tx $family -m $how -t 1 -n $count
		done
	done
done
arrived
end
begin tcp_mmap
for to in "-4 -H 10.9.0.2" "-4 -z -H 10.9.0.2" "-6 -H fd09::2" "-6 -z -H fd09::2"; do
	at_b mmap "./tcp_mmap -s -z -C 4194304"
	listening 8787
	on a "cd /kselftests && timeout 300 ./tcp_mmap $to" >mmap ||
		fail "tcp_mmap $to: $(cat mmap); $(on b "cat /mmap.log")"
	ends b "grep -q '^received 32 MB' /mmap.log"
	must b "killall tcp_mmap"
	ends b "test -e /mmap.status"
done
end

# ---- the moment at which the driver took it ----
begin txtimestamp
at_b times-tcp "./tcp_mmap -s -p 9000"
at_b times-udp "./udpgso_bench_rx -p 9000"
listening 9000
for to in "-4 10.9.0.2" "-6 fd09::2"; do
	for option in "" -u -r -C "-C -u" -n "-n -u"; do
		on a "cd /kselftests && timeout 300 ./txtimestamp -F -t 1000000000 $option $to" >stamps ||
			fail "txtimestamp $option $to: $(cat stamps)"
		[ "$(grep -c '^ *SND:' stamps)" -ge 4 ] || fail "txtimestamp $option $to: $(cat stamps)"
	done
done
must b "killall tcp_mmap udpgso_bench_rx"
end

python3 - "$top" "${ran[@]}" <<'PYTHON' || fail "docs/network-kselftests.md is not what is there"
import fnmatch, os, re, subprocess, sys
top, *ran = sys.argv[1:]
source = subprocess.run([top + "/build-aux/kernel-files"], check=True, capture_output=True,
                        text=True).stdout.strip() + "/tools/testing/selftests/"
there = set()
for entry in os.scandir(source + "net"):
    stem, kind = os.path.splitext(entry.name)
    if entry.is_dir():
        there.add("net/" + entry.name + "/")
    elif kind in (".c", ".sh", ".py") or entry.name.startswith("run_"):
        there.add("net/" + stem)
there |= {"drivers/net/" + entry.name + "/" for entry in os.scandir(source + "drivers/net")
          if entry.is_dir()}
wrong = []
rows = {}
for line in open(top + "/docs/network-kselftests.md"):
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) == 5 and cells[1].startswith("`"):
        for pattern in re.findall("`([^`]*)`", cells[1]):
            found = set(fnmatch.filter(there, pattern))
            if not found:
                wrong.append(f"{pattern}: there is none")
            for name in found:
                if name in rows:
                    wrong.append(f"{name}: two rows")
                rows[name] = cells[2]
wrong += [f"{name}: no row" for name in sorted(there - set(rows))]
told = {name for name, what in rows.items() if what == "run"}
wrong += [f"{name}: run here, or there" for name in told ^ {"net/" + name for name in ran}]
print(*wrong, sep="\n")
sys.exit(bool(wrong))
PYTHON
[ -z "$slow" ] || info "too slow for gro's large frames:$slow"
info "${#ran[@]} of the kernel's network tests run, $retries retries of gro"
net_finish
