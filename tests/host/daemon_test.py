#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon by its API; arguments: the program, docs/openapi.json.

Guests are process guests on null stores: real services, no QEMU.  A VM appears
only where its start must fail.
"""

import array
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import processes

PROGRAM = os.path.abspath(sys.argv.pop(1))
with open(sys.argv.pop(1), encoding="utf-8") as description:
    OPENAPI = json.load(description)
LIMIT = 120     # seconds that anything may take at most
CALLED = set()  # (method, path pattern, status)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(self.path)


def wrong(schema, value, where="answer"):
    """Why value does not fit the schema, or None."""
    if "$ref" in schema:
        return wrong(OPENAPI["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, where)
    if value is None and schema.get("nullable"):
        return None
    for part in schema.get("allOf", []):
        problem = wrong(part, value, where)
        if problem:
            return problem
    if value is None:
        return f"{where} is null"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
             "boolean": bool}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or
                 (kind in ("integer", "number") and isinstance(value, bool))):
        return f"{where} is {value!r}, not {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is {value!r}, not one of {schema['enum']}"
    if kind == "array":
        for index, item in enumerate(value):
            problem = wrong(schema["items"], item, f"{where}[{index}]")
            if problem:
                return problem
    if kind == "object":
        return wrong_object(schema, value, where)
    return None


def wrong_object(schema, value, where):
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            return f"{where} has no {name}"
    for name, item in value.items():
        extra = schema.get("additionalProperties", True)
        if name in properties:
            problem = wrong(properties[name], item, f"{where}.{name}")
        elif extra is False:
            problem = f"{where} has {name}, which is not described"
        elif isinstance(extra, dict):
            problem = wrong(extra, item, f"{where}.{name}")
        else:
            problem = None
        if problem:
            return problem
    return None


def operation(method, path):
    for pattern, item in OPENAPI["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", pattern), path.split("?")[0]):
            if method.lower() in item:
                return pattern, item[method.lower()]
    return None, None


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mullion-daemon.")
        self.runtime = os.path.join(self.folder, "run")
        self.state = os.path.join(self.folder, "state")
        # The runner looks for what is left by its own value; keep it findable.
        self.env = dict(os.environ, MULLION_RUNTIME_DIR=self.runtime,
                        MULLION_STATE_DIR=self.state)
        self.process = None

    def tearDown(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(LIMIT)
            self.process.stderr.close()
        processes.end_all()     # one that was killed leaves a cleaner
        shutil.rmtree(self.folder)

    def start(self, *options, **more):
        self.process = subprocess.Popen([PROGRAM, "--foreground", *options], env=self.env,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
        self.wait_for(lambda: os.path.exists(os.path.join(self.runtime, "mulliond.sock")))

    def wait_for(self, condition):
        end = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), end, "waited too long")
            time.sleep(0.02)

    def connection(self):
        return Connection(os.path.join(self.runtime, "mulliond.sock"))

    def raw(self, method, path, body=None, headers=None):
        connection = self.connection()
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data, answer.getheader("Content-Type")

    def call(self, method, path, body=None, expect=200):
        """Call, compare with the description, give the answer."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        status, data, content = self.raw(method, path, body)
        self.assertEqual(status, expect, data)
        pattern, described = operation(method, path)
        value = json.loads(data) if content == "application/json" else data.decode()
        if described:
            self.assertIn(str(status), described["responses"], (method, path))
            media = described["responses"][str(status)]["content"]
            kind = content.split(";")[0]
            self.assertIn(kind, media)
            if kind == "application/json":
                self.assertIsNone(wrong(media[kind]["schema"], value))
            CALLED.add((method.lower(), pattern))
        return value

    def error(self, method, path, body, expect, why):
        if operation(method, path)[0]:
            self.assertIn(str(expect), operation(method, path)[1]["responses"], (method, path))
        value = self.call(method, path, body, expect)["error"]
        self.assertIn(why, " ".join(value.values()))

    def upgrade(self, path, protocol):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LIMIT)
        sock.connect(os.path.join(self.runtime, "mulliond.sock"))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                     f"Upgrade: {protocol}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        status = int(head.split()[1])
        if status == 101:
            CALLED.add(("get", operation("GET", path)[0]))
        return status, sock

    def guest(self, name, **more):
        return self.call("POST", "/v1/guests", dict({"name": name, "type": "process",
                         "disks": ["null:1M,serial=one"], "start": True}, **more), 201)


class Api(Case):
    def test_all(self):
        """Every operation, in an order in which it has something to work on."""
        self.start()
        self.call("GET", "/v1/version")
        self.assertEqual(self.call("GET", "/v1/guests")["guests"], [])
        self.guest("p")
        shown = self.call("GET", "/v1/guests/p")
        self.assertEqual((shown["state"], len(shown["devices"])), ("booting", 1))
        self.assertEqual(len(self.call("GET", "/v1/devices")["devices"]), 1)
        service = self.call("GET", "/v1/services")["services"][0]["name"]
        self.call("GET", f"/v1/services/{service}")
        self.call("GET", f"/v1/services/{service}/access")
        self.call("POST", f"/v1/services/{service}/restart")
        self.call("GET", "/v1/guests")
        self.attach()
        # The successor serves before anything can be changed.
        self.wait_for(lambda: [self.call("GET", f"/v1/services/{service}")[key]
                               for key in ("generation", "state")] == [2, "serving"])
        self.call("POST", "/v1/guests/p/devices", {"spec": "null:2M,serial=two"})
        # The service answers a change before the next one can begin.
        self.wait_for(lambda: self.raw("DELETE", "/v1/guests/p/devices",
                                       json.dumps({"device": "two"}))[0] != 409)
        self.error("PATCH", "/v1/guests/p/devices", {"device": "one", "set": "lun=3"}, 404,
                   "no such device")
        self.call("POST", "/v1/guests/p/restart", {"timeout": 1})
        self.call("POST", "/v1/guests/p/stop")
        self.call("POST", "/v1/guests/p/start")
        self.call("POST", "/v1/guests/p/kill")
        self.assertEqual(self.call("GET", "/v1/guests/p/wait")["state"], "stopped")
        self.call("DELETE", "/v1/guests/p")
        self.definitions()
        lines = self.call("GET", "/v1/events").splitlines()
        schema = OPENAPI["components"]["schemas"]["Event"]
        for line in lines:
            self.assertIsNone(wrong(schema, json.loads(line)))
        self.assertIn("guest-stopped", [json.loads(line)["kind"] for line in lines])
        self.vm()
        self.uncalled()

    def attach(self):
        """All descriptors arrive; the guest is attached until the stream ends."""
        status, sock = self.upgrade("/v1/guests/p/attach", "mullion-attach")
        self.assertEqual(status, 101)
        received = 0
        while received < 35:    # two windows, 2 + 2 * 16 doorbells, less one pair
            _, ancillary, _, _ = sock.recvmsg(4096, 4096)
            for _, _, data in ancillary:
                fds = array.array("i", data)
                received += len(fds)
                for fd in fds:
                    os.close(fd)
        self.assertEqual(self.call("GET", "/v1/guests/p")["pid"], os.getpid())
        self.error("GET", "/v1/guests/p/attach", None, 409, "is attached")
        sock.close()
        self.wait_for(lambda: self.call("GET", "/v1/guests/p")["pid"] is None)

    def definitions(self):
        text = "[Guest]\nName=d\nType=process\nDisk=null:1M\n"
        self.assertEqual(self.call("PUT", "/v1/definitions", text)["name"], "d")
        self.assertEqual(self.call("GET", "/v1/definitions/d")["ini"], text)
        self.assertEqual(len(self.call("GET", "/v1/definitions")["definitions"]), 1)
        self.assertTrue(self.call("GET", "/v1/guests/d")["defined"])
        self.call("POST", "/v1/guests/d/start")
        # A changed file has its effect at the next start.
        self.call("PUT", "/v1/definitions", text + "Disk=null:2M\n")
        self.assertEqual(self.call("GET", "/v1/guests/d")["disks"], 1)
        self.call("POST", "/v1/guests/d/restart")
        self.assertEqual(self.call("GET", "/v1/guests/d")["disks"], 2)
        relative = "[Guest]\nName=r\nType=process\nDisk=r.img\n"
        self.error("PUT", "/v1/definitions?file=r.guest", relative, 400, "r.guest:4")
        self.call("PUT", "/v1/definitions?file=" + self.folder + "/r.guest", relative)
        with open(os.path.join(self.folder, "r.img"), "wb") as file:
            file.truncate(1 << 20)
        self.call("POST", "/v1/guests/r/start")
        self.call("POST", "/v1/guests/r/kill")
        self.call("DELETE", "/v1/definitions/r")
        self.call("DELETE", "/v1/definitions/d")
        self.assertTrue(self.call("GET", "/v1/guests/d")["running"])
        self.call("POST", "/v1/guests/d/stop")
        self.call("GET", "/v1/guests")
        self.error("GET", "/v1/guests/d", None, 404, "neither runs nor is defined")

    def vm(self):
        """Console, command and logs of a VM whose start fails, or that is not there."""
        version = self.call("GET", "/v1/version")
        self.call("POST", "/v1/guests", {"name": "v", "kernel": "/etc/hostname",
                                         "command": ["true"]}, 201)
        self.error("GET", "/v1/guests/v/console", None, 409, "does not run")
        self.error("GET", "/v1/guests/v/command", None, 409, "does not run")
        self.error("GET", "/v1/guests/v/logs", None, 404, "has not run yet")
        self.call("POST", "/v1/guests/v/start", expect=500)
        self.assertEqual(self.call("GET", "/v1/guests/v/wait")["exit_status"], 125)
        if version["qemu"]:
            self.assertIn("QEMU", self.call("GET", "/v1/guests/v/logs"))
            status, sock = self.upgrade("/v1/guests/v/console", "mullion-stream")
            self.assertEqual(status, 101)
            self.assertEqual(sock.recv(1), b"")
            sock.close()
            status, sock = self.upgrade("/v1/guests/v/command", "mullion-stream")
            self.assertEqual(status, 101)
            sock.close()

    def uncalled(self):
        described = {(method, path) for path, item in OPENAPI["paths"].items()
                     for method in item if method != "parameters"}
        optional = {("get", f"/v1/guests/{{name}}/{kind}") for kind in ("console", "command")}
        # called by attach(), and where there is a network
        optional |= {(kind, "/v1/guests/{name}/devices") for kind in ("delete", "patch")}
        self.assertEqual(described - CALLED - optional, set())


class Bad(Case):
    def test_requests(self):
        self.start()
        self.error("GET", "/v1/nothing", None, 404, "no such path")
        self.error("GET", "/v1/guests/..", None, 404, "no such path")
        self.error("DELETE", "/v1/version", None, 405, "DELETE")
        self.error("DELETE", "/v1/guests", None, 405, "but GET, POST")
        self.error("GET", "/v1/guests/none", None, 404, "neither runs nor is defined")
        self.error("POST", "/v1/guests", "{", 400, "not JSON")
        self.error("POST", "/v1/guests", "[]", 400, "not a JSON object")
        self.error("POST", "/v1/guests", {"name": "a", "colour": 1}, 400, "colour")
        self.error("POST", "/v1/guests", {"name": "a", "start": 1}, 400, "start")
        self.error("POST", "/v1/guests", {"name": "a", "disks": ["rel"]}, 400, "rel")
        self.error("POST", "/v1/guests", {"name": "a", "cwd": "rel"}, 400, "cwd")
        self.error("PUT", "/v1/definitions", "[Guest]\nName=a\nColour=red\n", 400, ":3")
        self.error("GET", "/v1/events?since=x", None, 400, "since")
        self.error("POST", "/v1/guests", {"name": "a", "disks": ["/dev/null"], "type": "process",
                                          "start": True}, 400, "neither a file")
        self.error("POST", "/v1/guests", {"name": "a", "disks": [self.folder], "start": True,
                                          "type": "process"}, 400, "directory")
        self.error("POST", "/v1/guests", {"name": "a", "disks": ["/none/x"], "start": True,
                                          "type": "process"}, 404, "no such file")
        self.error("POST", "/v1/guests", "x" * 300000, 413, "too large")
        self.guest("p")
        self.error("POST", "/v1/guests", {"name": "p"}, 409, "there is one")
        self.error("POST", "/v1/guests/p/start", None, 409, "runs already")
        self.error("POST", "/v1/guests/p/stop", {"timeout": "x"}, 400, "timeout")
        self.error("GET", "/v1/guests/p/wait?state=x", None, 400, "neither online")
        self.error("GET", "/v1/guests/p/logs?lines=x", None, 400, "not a number")
        self.error("GET", "/v1/guests/p/attach", None, 426, "Upgrade")
        self.error("GET", "/v1/guests/p/console", None, 409, "process")
        self.error("GET", "/v1/services/none", None, 404, "none of this name")
        for body, why in (({"spec": "null:1M", "colour": 1}, "not known here"),
                          ({"spec": "null:1M", "cwd": 5}, "not a text"),
                          ({"spec": 5}, "not a text"), ({}, "it needs"),
                          ({"spec": "null:1M", "cwd": "rel"}, "it needs"),
                          ({"spec": "null:1M", "class": "tape"}, "no class")):
            self.error("POST", "/v1/guests/p/devices", body, 400, why)
        self.error("DELETE", "/v1/guests/p/devices", {"device": "x", "cwd": "/"}, 400,
                   "not known here")
        self.error("DELETE", "/v1/guests/p/devices", {"device": "x", "force": 1}, 400,
                   "neither true")
        self.error("PATCH", "/v1/guests/p/devices", {"device": "x"}, 400, "it needs")

    def test_broken_definition(self):
        """A file that cannot be read is not hidden by a guest of its name."""
        self.start()
        self.call("PUT", "/v1/definitions", "[Guest]\nName=b\n")
        with open(os.path.join(self.state, "definitions/b.ini"), "w", encoding="ascii") as file:
            file.write("[Guest]\nName=b\nColour=red\n")
        self.error("POST", "/v1/guests", {"name": "b"}, 400, "Colour")
        self.error("POST", "/v1/guests/b/start", None, 400, "Colour")
        self.assertEqual(self.call("GET", "/v1/definitions")["definitions"], [])

    def test_initrd_that_waits(self):
        """A FIFO without a writer does not stop the daemon."""
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        self.env["MULLION_QEMU"] = "/bin/true"
        self.start()
        status, data, _ = self.raw("POST", "/v1/guests", json.dumps(
            {"name": "f", "kernel": "/etc/hostname", "initrd": fifo, "command": ["true"],
             "start": True}))
        self.assertGreaterEqual(status, 400)
        self.assertIn(b"initrd", data)

    def test_starter_hangs_up(self):
        """Nobody else would end a transient guest whose starter has gone."""
        program = os.path.join(self.folder, "qemu")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec sleep 1000\n")
        os.chmod(program, 0o755)
        self.env["MULLION_QEMU"] = program
        self.start()
        connection = self.connection()
        connection.request("POST", "/v1/guests", json.dumps(
            {"name": "h", "kernel": "/etc/hostname", "start": True, "transient": True}))
        self.wait_for(lambda: any(g["pid"] for g in self.call("GET", "/v1/guests")["guests"]))
        connection.sock.close()
        self.wait_for(lambda: not self.call("GET", "/v1/guests")["guests"])

    def test_images(self):
        self.start()
        image = os.path.join(self.folder, "d.img")

        def refused(why, spec="d.img"):
            status, data, _ = self.raw("POST", "/v1/guests", json.dumps(
                {"name": "i", "type": "process", "disks": [spec], "cwd": self.folder,
                 "start": True, "transient": True}))
            self.assertGreaterEqual(status, 400)
            self.assertIn(why, data.decode())
            self.assertEqual(self.call("GET", "/v1/guests")["guests"], [])

        refused("d.img")
        with open(image, "wb") as file:
            file.truncate(513)
        refused("512")
        with open(image, "wb") as file:
            file.truncate(1 << 20)
        refused("irectory", self.folder)
        self.guest("one", disks=[image])
        self.error("POST", "/v1/guests", {"name": "two", "type": "process", "disks": [image],
                                          "start": True}, 409, "one")
        self.error("GET", "/v1/guests/two", None, 404, "neither")


class Life(Case):
    def test_transient(self):
        self.start()
        self.guest("t", transient=True)
        connection = self.connection()
        connection.request("GET", "/v1/guests/t/wait")
        self.call("POST", "/v1/guests/t/kill")
        answer = json.loads(connection.getresponse().read())
        self.assertEqual((answer["exit_status"], answer["kind"]), (137, "killed"))
        self.wait_for(lambda: self.raw("GET", "/v1/guests/t")[0] == 404)

    def test_timeout(self):
        self.start()
        self.guest("t", timeout=0.3)
        self.assertEqual(self.call("GET", "/v1/guests/t/wait")["exit_status"], 124)

    def test_follow(self):
        """Events come as they happen; a client that hangs up is forgotten."""
        self.start()
        connection = self.connection()
        connection.request("GET", "/v1/events?follow=1")
        stream = connection.getresponse()
        self.guest("f")
        self.assertIn("seq", json.loads(stream.readline()))
        waiting = self.connection()
        waiting.request("GET", "/v1/guests/f/wait")
        waiting.sock.close()
        connection.sock.close()
        stream.close()
        self.call("POST", "/v1/guests/f/kill")
        self.call("GET", "/v1/version")

    def test_signal(self):
        """An end in order leaves nothing, not even with a guest that runs."""
        self.start()
        self.guest("s")
        services = self.children()
        self.assertGreater(len(services), 1)
        waiting = self.connection()
        waiting.request("GET", "/v1/guests/s/wait")
        self.end(signal.SIGTERM)
        self.assertEqual(json.loads(waiting.getresponse().read())["kind"], "killed")
        self.nothing_left(services)

    def test_killed(self):
        """Killed, its children die with it and the socket goes."""
        self.start()
        self.guest("s")
        services = self.children()
        self.end(signal.SIGKILL)
        self.nothing_left(services)

    def test_careless_parent(self):
        """Signals as a careless parent leaves them: children are reaped all the same."""
        def careless():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        self.start(preexec_fn=careless)
        self.guest("c")
        self.call("POST", "/v1/guests/c/stop")
        self.call("DELETE", "/v1/guests/c")
        self.end(signal.SIGTERM)
        self.nothing_left([])

    def test_single(self):
        self.start()
        second = subprocess.run([PROGRAM, "--foreground"], env=self.env, capture_output=True,
                                timeout=LIMIT, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(b"already", second.stderr)
        self.call("GET", "/v1/version")

    def test_background_idle(self):
        started = subprocess.run([PROGRAM, "--idle-exit=1"], env=self.env, timeout=LIMIT,
                                 check=False)
        self.assertEqual(started.returncode, 0)
        self.call("GET", "/v1/version")
        self.nothing_left([])

    def test_stale(self):
        """What a daemon left that was killed with its cleaner is replaced."""
        os.mkdir(self.runtime)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(os.path.join(self.runtime, "mulliond.sock"))
        stale.close()
        self.start()
        self.wait_for(lambda: b"ready" in self.process.stderr.readline())
        self.call("GET", "/v1/version")

    def children(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(LIMIT)
        self.process.stderr.close()
        self.process = None

    def nothing_left(self, pids):
        def runs(pid):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    return file.read().rsplit(")", 1)[1].split()[0] != "Z"
            except OSError:
                return False
        self.wait_for(lambda: not any(runs(pid) for pid in pids))
        self.wait_for(lambda: not os.path.exists(self.runtime))


if __name__ == "__main__":
    processes.adopt()
    unittest.main()
