#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for mulliond: answers as the API is described, and notes what it was asked.

What a guest does is in its name: "exit-7" ends with status 7 after it has echoed
its input, "timeout" reaches its timeout, "hang" runs until it is killed, and so on.
"""

import json
import os
import socket
import sys
import threading

RUNTIME = os.environ["MULLION_RUNTIME_DIR"]
KILLED = {}
LOCK = threading.Lock()


def note(*words):
    with LOCK, open(os.path.join(RUNTIME, "asked"), "a", encoding="utf-8") as out:
        out.write(" ".join(words) + "\n")


def network(name):
    return {
        "name": name, "running": True, "pinned": False, "defined": True, "state": "serving", "why": "",
        "service": "net-" + name, "uplink": {"type": "nat", "state": "up", "why": ""},
        "definition": {"name": name, "uplink": "nat"}, "capture": None, "file": "/s/n.ini", "ini": "[",
        "ports": [{"guest": "web", "device": "vbus2:dev0", "mac": "02:00:00:00:00:01", "mtu": 1500,
                   "link": "up", "drops": 3, "counters": {"tx_no_buffer": 3, "rx_bytes": 4096}}],
    }


def guest(name, running=True):
    return {
        "name": name, "uuid": "00000000-0000-4000-8000-000000000001", "type": "vm",
        "state": "online" if running else "ready", "running": running, "transient": False,
        "defined": True, "pid": 4711 if running else None, "accel": "tcg" if running else None,
        "memory": 512 << 20, "cpus": 1, "disks": 2, "nets": 1, "started": 1.5e9 if running else None,
        "online_after": 1.25 if running else None,
        "exit": {"status": None if running else 3, "kind": "none" if running else "exited",
                 "reason": "" if running else "exit status 3"},
        "definition": {"name": name, "root": "r.img"},
        "windows": [{"id": 1, "kind": "command", "bytes": 1 << 20, "vectors": 2},
                    {"id": 2, "kind": "bus", "bytes": 1 << 26, "vectors": 16}],
        "services": [{"name": name + "-disk0", "class": "disk", "state": "serving", "pid": 12}],
        "evil": "\033]0;gotcha\007", "console": {"log": "/x/y"},
    }


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self, status, value, kind="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send(f"HTTP/1.1 {status} Text\r\nContent-Type: {kind}\r\n"
                  f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")
        self.send(body)

    def error(self, status, what, name, why, do):
        self.answer(status, {"error": {"what": what, "object": name, "why": why, "do": do}})

    def chunks(self, pieces):
        self.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            self.send(f"{len(piece):x}\r\n{piece}\r\n")
        self.send("0\r\n\r\n")

    def stream(self, name, what):
        # Bytes right behind the head: they must not be lost.
        self.send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n"
                  "Upgrade: mullion-stream\r\n\r\nhello from " + what + "\r\n")
        if name.startswith("flood"):
            while True:
                self.send(b"y\n" * 4096)
        if name.startswith(("exit", "echo")):
            while True:
                data = self.sock.recv(4096)
                if not data or data == b"\x04":
                    return
                note("typed", data.hex())
                self.send(data)
        if name.startswith("hang"):
            KILLED[name].wait()

    def wait(self, name):
        results = {
            "exit": lambda: (int(name.split("-")[1]), "exited", "exit status"),
            "timeout": lambda: (124, "timeout", "did not end within 1 s"),
            "broken": lambda: (125, "failed", "the disk is gone"),
            "off": lambda: (None, "poweroff", "powered off"),
        }
        make = results.get(name.split("-")[0], lambda: (137, "killed", "killed"))
        status, kind, reason = make()
        self.answer(200, {"state": "stopped", "exit_status": status, "kind": kind,
                          "reason": reason})

    def guests(self, method, parts, body):
        if not parts:
            if method == "GET":
                return self.answer(200, {"guests": [guest("web"), guest("db", False)]})
            request = json.loads(body)
            name = request["name"]
            if name == "refused":
                return self.error(400, "cannot start guest", name, "image d.img: not there\033[31m",
                                  "make it")
            KILLED[name] = threading.Event()
            return self.answer(201, guest(name))
        name, verb = parts[0], parts[1] if len(parts) > 1 else ""
        if name == "absent":
            return self.error(404, "no such guest", name, "it is neither defined nor running",
                              "see `mullion ps --all`")
        if name == "unattachable" and verb == "command":
            return self.error(409, "cannot attach to", name, "it does not run", "start it")
        if verb in ("console", "command"):
            return self.stream(name, verb)
        if verb == "wait":
            return self.wait(name)
        if verb == "logs":
            return self.chunks(["line 1\nli", "ne 2\n"])
        if verb == "kill" and name in KILLED:
            KILLED[name].set()
        return self.answer(200, guest(name))

    def networks(self, parts, query):
        if not parts:
            self.answer(200, {"networks": [network("nat"), network("lab")]})
        elif parts[0] == "absent":
            self.error(404, "no network", parts[0], "it is not defined", "define it")
        elif parts[-1] != "capture":
            self.answer(200, network(parts[0]))
        else:
            self.send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n"
                      "Upgrade: mullion-stream\r\n\r\npcap " + query)
            if parts[0] != "short":
                self.sock.recv(1)

    def serve(self):
        method, path, _ = self.file.readline().decode().split()
        length, upgrade = 0, ""
        while (line := self.file.readline().strip()):
            key, value = line.decode().split(":", 1)
            if key.lower() == "content-length":
                length = int(value)
            if key.lower() == "upgrade":
                upgrade = value.strip()
        body = self.file.read(length).decode()
        note(method, path, upgrade, body)
        path, _, query = path.partition("?")
        parts = path.split("/")[2:]
        if parts[0] == "guests":
            self.guests(method, parts[1:], body)
        elif parts == ["version"]:
            self.answer(200, {"name": "mulliond", "version": "9.9"})
        elif parts == ["services"]:
            self.answer(200, {"services": [{"name": "web-disk0", "class": "disk", "guest": "web",
                                            "state": "serving", "generation": 3, "pid": 12}]})
        elif parts[0] == "services" and parts[-1] == "access":
            self.answer(200, {"service": parts[1], "pid": 12, "capabilities": [],
                              "descriptors": [{"fd": 3, "target": "socket:[1]"}]})
        elif parts[0] == "services" and parts[1] == "web-disk0":
            self.answer(200, {"name": "web-disk0", "generation": 3})
        elif parts == ["devices"]:
            self.answer(200, {"devices": []})
        elif parts[0] == "networks":
            self.networks(parts[1:], query)
        elif parts == ["events"]:
            self.chunks(['{"seq":1,"time":0,"object":"guest web","ki', 'nd":"online","message":'
                         '"up\\u001b"}\n{"seq":2,"time":1,"object":"x","kind":"y","message":""}\n'])
        elif parts == ["definitions"] and method == "GET":
            self.answer(200, {"definitions": [{"name": "web", "file": "/s/web.guest",
                                               "definition": {"type": "vm", "memory": 1 << 30},
                                               "ini": "[Guest]\nName=web\n"}]})
        elif parts == ["definitions"]:
            self.answer(200, {"name": "web"})
        elif parts == ["definitions", "garbage"]:
            self.answer(200, b"not json")
        elif parts == ["definitions", "rude"]:
            return      # closes without an answer
        elif parts == ["definitions", "web"]:
            self.answer(200, {"name": "web", "ini": "[Guest]\nName=web\n"})
        else:
            self.error(404, "no such object", path, "?", "")


def serve(sock):
    client = Client(sock)
    try:
        client.serve()
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        note("broken")
    finally:
        client.file.close()
        sock.close()


def main():
    if os.environ.get("FAKE_FAIL"):
        print("<6>first line\n<3>daemon: cannot do it: no reason", file=sys.stderr)
        return 1
    path = os.path.join(RUNTIME, "mulliond.sock")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
    except OSError:
        print("<6>another daemon is there", file=sys.stderr)
        return 0
    note("start", *sys.argv[1:])
    with open(os.path.join(RUNTIME, "pid"), "w", encoding="ascii") as out:
        out.write(str(os.getpid()))
    listener.listen(32)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


sys.exit(main())
