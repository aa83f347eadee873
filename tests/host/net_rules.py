#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of a switch's ports, frame by frame.

usage: net_rules.py MULLION NETWORK PREFIX

Ports are network namespaces PREFIX-NAME with an interface eth0, as net-rules.sh
makes them.  What must not arrive is told by what was sent after it and did.
"""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

SECONDS = 120           # for a frame to arrive on a busy machine
ETHERTYPE = 0x88b5      # for local experiments
EVERYBODY = b"\xff" * 6
SOL_PACKET = 263
PACKET_AUXDATA = 8
VLAN_VALID = 1 << 4

MULLION, NETWORK, PREFIX = sys.argv[1:]


def fail(*words):
    sys.exit("FAILED: " + " ".join(str(w) for w in words))


def ports():
    text = subprocess.run([MULLION, "network", "show", NETWORK, "--json"], check=True,
                          capture_output=True).stdout
    return {p["guest"]: p for p in json.loads(text)["ports"]}


def changes(guest):
    text = subprocess.run([MULLION, "events"], check=True, capture_output=True).stdout
    return text.decode().count(f"of guest {guest} is changed")


def set_port(guest, *options):
    """The daemon answers at once; the event says that the switch has it."""
    before = changes(guest)
    subprocess.run([MULLION, "device", "set", guest, ports()[guest]["device"], *options],
                   check=True, stdout=subprocess.DEVNULL)
    end = time.monotonic() + SECONDS
    while changes(guest) == before:
        if time.monotonic() > end:
            fail(f"{guest} was not changed: {options}")
        time.sleep(0.1)


class Port:
    def __init__(self, name):
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{PREFIX}-{name}", os.O_RDONLY)
        if libc.setns(there, 0):
            fail("namespace", name, os.strerror(ctypes.get_errno()))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind(("eth0", 3))
        if libc.setns(home, 0):
            fail("cannot come back")
        os.close(home)
        os.close(there)
        self.name = name
        self.number = 0
        self.mac = bytes.fromhex(ports()[name]["mac"].replace(":", ""))
        self.got = []

    def send(self, text, to=EVERYBODY, source=None, vlan=None, body=None, ethertype=ETHERTYPE):
        frame = to + (source or self.mac)
        if vlan is not None:
            frame += struct.pack("!HH", 0x8100, vlan)
        frame += struct.pack("!H", ethertype) + (body or text.encode())
        self.socket.send(frame.ljust(60, b"\0"))

    def look(self, seconds):
        """Take what came, as (text, VLAN of the tag or None)."""
        while select.select([self.socket], [], [], seconds)[0]:
            seconds = 0
            frame, aux, _, address = self.socket.recvmsg(65536, 256)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            vlan = None
            for level, kind, data in aux:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
                    if status & VLAN_VALID:
                        vlan = tci & 0xfff
            self.got.append((frame[14:].rstrip(b"\0"), vlan, frame))

    def has(self, text, vlan=None):
        return any(body.endswith(text.encode()) and tag == vlan for body, tag, _ in self.got)

    def want(self, text, vlan=None):
        end = time.monotonic() + SECONDS
        while not self.has(text, vlan):
            if time.monotonic() > end:
                fail(f"{self.name} did not get '{text}' in VLAN {vlan}; it got",
                     [(b, t) for b, t, _ in self.got])
            self.look(0.2)

    def not_want(self, text):
        """After a want() of something that was sent later."""
        if any(body.endswith(text.encode()) for body, _, _ in self.got):
            fail(f"{self.name} got '{text}'")


def ip4(source, text):
    """A UDP datagram without a checksum."""
    data = struct.pack("!HHHH", 9, 9, 8 + len(text), 0) + text.encode()
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 0, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton("10.0.0.255"))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:] + data


def arp(mac, source):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton(source),
                       b"\0" * 6, socket.inet_aton("10.0.0.1"))


def counter(guest, name, least):
    end = time.monotonic() + SECONDS
    while ports()[guest]["counters"][name] < least:
        if time.monotonic() > end:
            fail(f"{name} of {guest} is {ports()[guest]['counters'][name]}, not {least}")
        time.sleep(0.1)


def test_vlans(a, b, access, trunk):
    a.send("from none")
    b.want("from none")
    access.send("from seven")
    trunk.want("from seven", 7)
    trunk.send("to seven", vlan=7)
    access.want("to seven")
    trunk.send("to eight", vlan=8)
    trunk.send("to nine", vlan=9)
    trunk.send("to none")
    trunk.send("again seven", vlan=7)
    access.want("again seven")
    # A port that is in a VLAN without a tag does not send tags.
    access.send("tag of access", vlan=8)
    access.send("after the tag")
    trunk.want("after the tag", 7)
    a.send("last")
    b.want("last")
    for port in (a, b):
        for text in ("from seven", "to seven", "to eight", "to nine", "again seven",
                     "tag of access", "after the tag"):
            port.not_want(text)
    for text in ("from none", "to eight", "to nine", "to none"):
        access.not_want(text)
    trunk.not_want("from none")
    trunk.not_want("tag of access")
    counter(trunk.name, "rx_vlan", 1)
    counter(access.name, "rx_vlan", 1)
    # With 0 in its list a trunk sends and gets what has no tag, too, and as it is.
    set_port(trunk.name, "trunk=0+7+8")
    trunk.send("trunk without tag")
    a.want("trunk without tag")
    trunk.send("trunk with tag", vlan=7)
    access.want("trunk with tag")
    a.send("no tag for trunk")
    trunk.want("no tag for trunk")
    access.send("tag for trunk")
    trunk.want("tag for trunk", 7)
    access.not_want("trunk without tag")
    access.not_want("no tag for trunk")
    a.send("last for a")
    b.want("last for a")
    b.not_want("trunk with tag")
    set_port(trunk.name, "trunk=7+8")


def test_lock_mac(a, b):
    set_port(b.name, "lock=mac")
    b.send("stolen", source=a.mac)
    b.send("invented", source=b"\x02\x99\x99\x99\x99\x99")
    b.send("its own")
    a.want("its own")
    a.not_want("stolen")
    a.not_want("invented")
    counter(b.name, "rx_spoofed", 2)
    set_port(b.name, "lock=none")
    b.send("free again", source=b"\x02\x99\x99\x99\x99\x99")
    a.want("free again")


def test_lock_ip(a, b):
    set_port(b.name, "lock=ip", "ip=10.0.0.2")
    before = ports()[b.name]["counters"]["rx_spoofed"]
    b.send("", body=ip4("10.0.0.77", "another's address"), ethertype=0x0800)
    b.send("", body=arp(b.mac, "10.0.0.77") + b"another's answer", ethertype=0x0806)
    b.send("", body=ip4("10.0.0.2", "the right address"), ethertype=0x0800)
    a.want("the right address")
    a.not_want("another's address")
    a.not_want("another's answer")
    counter(b.name, "rx_spoofed", before + 2)
    set_port(b.name, "lock=none", "ip=none")


def test_isolated(a, b, c):
    for port in (b, c):
        set_port(port.name, "isolated=on")
    b.send("among us")
    a.want("among us")
    c.send("and back")
    a.want("and back")
    a.send("to all")
    b.want("to all")
    c.want("to all")
    c.not_want("among us")
    b.not_want("and back")
    for port in (b, c):
        set_port(port.name, "isolated=off")


def test_same_mac(a, b, twin):
    """Two with one address: it is where it was heard last, soon; nobody else suffers."""
    if b.mac != twin.mac:
        fail("the twins' addresses differ")
    for round_ in range(5):
        for port in (b, twin):
            end = time.monotonic() + SECONDS
            answer = f"answer {port.name} {round_}"
            # An address that moves all the time is followed now and then only.
            while not port.has(answer):
                if time.monotonic() > end:
                    fail(f"{port.name} is not heard any more")
                port.send(f"here {port.name} {round_}")
                a.want(f"here {port.name} {round_}")
                a.send(answer, to=b.mac)
                port.look(0.2)
    moves = sum(ports()[p.name]["counters"]["mac_moves"] for p in (b, twin))
    if moves < 5:
        fail(f"only {moves} moves of the address were counted")


def test_multicast(a, b, c):
    """A group's address is no source that anything could be sent to."""
    group = b"\x01\0\x5e\1\2\3"
    b.send("from the many", source=group)
    b.send("to the many", to=group)
    for port in (a, c):
        port.want("to the many")
    a.send("many again", to=group)
    for port in (b, c):
        port.want("many again")


def test_short(a, b):
    """What the interface sends is at least a header; it arrives as it is."""
    frame = b.mac + a.mac + struct.pack("!H", ETHERTYPE)
    a.socket.send(frame)
    a.send("after the header")
    b.want("after the header")


def main():
    port = {name: Port(name) for name in ("a", "b", "c", "access", "trunk", "twin1", "twin2")}
    test_vlans(port["a"], port["b"], port["access"], port["trunk"])
    test_lock_mac(port["a"], port["b"])
    test_lock_ip(port["a"], port["b"])
    test_isolated(port["a"], port["b"], port["c"])
    test_same_mac(port["a"], port["twin1"], port["twin2"])
    test_multicast(port["a"], port["b"], port["c"])
    test_short(port["a"], port["b"])


main()
