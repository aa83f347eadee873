#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The rules of ports, looked at frame by frame: VLANs of access and trunk ports,
# addresses that are locked (Ethernet, IP, ARP), isolation, two ports with one
# address, groups.
# shellcheck source=tests/host/lib.sh
. "$(dirname "$0")/lib.sh"
need_namespaces python3

network lan
net_guest a lan
net_guest b lan
net_guest c lan
net_guest access lan,vlan=7
net_guest trunk lan,trunk=7+8
net_guest twin1 lan,mac=02:77:77:77:77:77,share=on
net_guest twin2 lan,mac=02:77:77:77:77:77,share=on
for n in a b c access trunk twin1 twin2; do
	namespace $n
	# Nothing of the kernel's own; no address, so no neighbours either.
	in_ns $n sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	tap $n $n --up --promiscuous
done
python3 "$top/tests/host/net_rules.py" "$mullion" lan "mt$$"

# An address that another port has: refused where that is not asked for.
net_guest other lan,mac=02:77:77:77:77:77 2>refused && fail "a second port with one address"
grep -q "02:77:77:77:77:77" refused || fail "that was refused, but not for its address: $(cat refused)"
