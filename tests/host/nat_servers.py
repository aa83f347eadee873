#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""nat_servers.py PORT ADDRESS... - what guests behind the NAT talk to: HTTP
(GET: the file of the current folder, PUT: answered by the SHA-256 of the body)
and UDP echo at each address, and a name server at 127.0.0.1 that knows one name.
Prints "ready" when all of them listen."""

import hashlib
import http.server
import socket
import socketserver
import struct
import sys
import threading


class Http(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            if not data:
                return
            digest.update(data)
            left -= len(data)
        body = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


class Names(socketserver.BaseRequestHandler):
    """An A record for every question of that type, none for others."""

    def handle(self):
        data, sock = self.request
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        answer = b""
        if question[-4:-2] == b"\0\1":
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("192.0.2.1")
        sock.sendto(data[:2] + struct.pack(">HHHHH", 0x8180, 1, bool(answer), 0, 0)
                    + question + answer, self.client_address)


def serve(cls, address, port, handler):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = type("Server", (cls,), {"address_family": family, "allow_reuse_address": True,
                                     "max_packet_size": 65536})
    threading.Thread(target=server((address, port), handler).serve_forever,
                     daemon=True).start()


for a in sys.argv[2:]:
    serve(http.server.ThreadingHTTPServer, a, int(sys.argv[1]), Http)
    serve(socketserver.ThreadingUDPServer, a, int(sys.argv[1]), Echo)
serve(socketserver.ThreadingUDPServer, "127.0.0.1", 53, Names)
print("ready", flush=True)
threading.Event().wait()
