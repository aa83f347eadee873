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


def resolve(described):
    """What a reference stands for; anything else is itself."""
    while "$ref" in described:
        at = OPENAPI
        for step in described["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        described = at
    return described


def merged(schema):
    """A schema with all that it is made of: members of an object come from each part."""
    schema = dict(resolve(schema))
    for part in map(merged, schema.pop("allOf", [])):
        properties = {**part.get("properties", {}), **schema.get("properties", {})}
        required = part.get("required", []) + schema.get("required", [])
        schema = {**part, **schema, "properties": properties, "required": required}
    return schema


def wrong(schema, value, where="answer"):
    """Why value does not fit the schema, or None."""
    schema = merged(schema)
    if "anyOf" in schema:
        problems = [wrong(part, value, where) for part in schema["anyOf"]]
        return None if None in problems else " or ".join(problems)
    if value is None:
        return None if schema.get("nullable") else f"{where} is null"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
             "boolean": bool}
    kind = schema["type"]
    if (not isinstance(value, kinds[kind]) or
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
    """For a merged schema.  Members that it does not describe are wrong unless it allows them."""
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties", False)
    for name in schema.get("required", []):
        if name not in value:
            return f"{where} has no {name}"
    for name, item in value.items():
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
            media = resolve(described["responses"][str(status)])["content"]
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


class Description(unittest.TestCase):
    def test_references(self):
        """Each leads somewhere, and every component is referred to."""
        used, unread = set(), [OPENAPI]
        while unread:
            at = unread.pop()
            if isinstance(at, dict):
                if "$ref" in at:
                    self.assertIsInstance(resolve(at), dict)
                    used.add(at["$ref"])
                unread += at.values()
            elif isinstance(at, list):
                unread += at
        self.assertEqual(used, {f"#/components/{kind}/{name}"
                                for kind, items in OPENAPI["components"].items()
                                for name in items})


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
        schema = {"$ref": "#/components/schemas/Event"}
        for line in lines:
            self.assertIsNone(wrong(schema, json.loads(line)))
        self.assertIn("guest-stopped", [json.loads(line)["kind"] for line in lines])
        self.vm()

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
        # On a busy machine it is over before the guest has started, and that is no matter.
        self.assertIn(self.raw("POST", "/v1/guests", json.dumps(
            {"name": "t", "type": "process", "disks": ["null:1M"], "start": True,
             "timeout": 0.3}))[0], (201, 500))
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


class Networks(Case):
    """Switches without QEMU: their guests are processes, which need not even be there."""

    def define(self, name, more="", expect=200):
        return self.call("PUT", "/v1/networks", f"[Network]\nName={name}\n{more}", expect)

    def network(self, name):
        return self.call("GET", f"/v1/networks/{name}")

    def nic(self, name, *nets):
        return self.guest(name, disks=[], nets=list(nets))

    def service(self, name):
        return self.call("GET", f"/v1/services/net-{name}")

    def test_life(self):
        self.start()
        listed = self.call("GET", "/v1/networks")["networks"]
        self.assertEqual([(n["name"], n["defined"], n["running"]) for n in listed],
                         [("nat", False, False)])
        self.error("DELETE", "/v1/networks/nat", None, 409, "built in")
        self.error("POST", "/v1/networks/none/start", None, 404, "not defined")
        self.error("POST", "/v1/networks/none/stop", None, 404, "not defined")
        self.define("a", "MTU=9000\n")
        # One request stores definitions of both kinds.
        self.call("PUT", "/v1/definitions", "\n [Network]\nName=b\nUplink=none\n")
        self.assertEqual([n["name"] for n in self.call("GET", "/v1/networks")["networks"]],
                         ["nat", "a", "b"])
        self.assertEqual(self.network("a")["ini"], "[Network]\nName=a\nMTU=9000\n")
        self.error("POST", "/v1/networks/a/stop", None, 409, "does not run")
        self.error("POST", "/v1/networks/a/stop", {"now": True}, 400, "force")
        started = self.call("POST", "/v1/networks/a/start")
        self.assertEqual((started["state"], started["pinned"]), ("serving", True))
        self.error("POST", "/v1/networks/a/start", None, 409, "started already")
        # A changed definition has its effect at the next start.
        self.define("a", "MTU=1400\n")
        self.assertEqual(self.network("a")["definition"]["mtu"], 9000)
        self.call("DELETE", "/v1/networks/a")
        self.assertIn("a", [n["name"] for n in self.call("GET", "/v1/networks")["networks"]])
        self.assertFalse(self.call("POST", "/v1/networks/a/stop")["defined"])
        self.error("GET", "/v1/networks/a", None, 404, "not defined")
        self.assertEqual(self.call("GET", "/v1/services")["services"], [])

    def test_bad(self):
        self.start()
        for text, why in (("Uplink=wifi", "none, nat, tap or passt"), ("Uplink=tap", "needs a tap"),
                          ("Tap=t0", "uplink tap only"), ("Uplink=passt", "needs socket"),
                          ("Uplink=passt\nSocket=rel", "absolute"), ("MTU=67", "not within"),
                          ("Uplink=nat\nForward=tcp:1", "HOSTPORT"), ("VLAN=7", "there is none"),
                          ("Uplink=nat\nForward=tcp:1:2\nForward=tcp:1:2", "given twice"),
                          ("Uplink=nat\nIPv4=10.0.2.1/24", "bits behind"),
                          ("Uplink=nat\nIPv6=fd00::/48", "must be 64"), ("Colour=red", "unknown key"),
                          ("Uplink=tap\nTap=a/b", "name of an interface")):
            self.error("PUT", "/v1/networks", f"[Network]\nName=n\n{text}\n", 400, why)
        self.error("PUT", "/v1/networks", "[Guest]\nName=n\n", 400, "only [Network]")
        for spec, why in (("none", "not defined"), ("n,mac=1:2", "hexadecimal"),
                          ("n,mac=01:00:00:00:00:00", "first one even"), ("n,mtu=20000", "16384"),
                          ("n,rate=fast", "bytes a second"), ("n,vlan=4095", "4094"),
                          ("n,trunk=9-1", "VLANs"), ("n,lock=ip", "lets nothing through"),
                          ("n,ip=10.0.0.1", "lock=ip"), ("n,burst=1M", "without a rate"),
                          ("n,burst=5,rate=1M", "129K"), ("n,link=on", "up or down"),
                          ("n,colour=red", "unknown option"), ("n,mtu=99,mtu=99", "twice"),
                          (",mac=x", "name of a network")):
            status, data, _ = self.raw("POST", "/v1/guests", json.dumps(
                {"name": "g", "type": "process", "nets": [spec], "start": True}))
            self.assertIn(status, (400, 404), spec)
            self.assertIn(why, data.decode())
        self.assertEqual(self.call("GET", "/v1/guests")["guests"], [])
        self.define("t", "Uplink=tap\nTap=lo\n")
        self.assertIn(self.raw("POST", "/v1/networks/t/start")[0], (400, 404, 409))
        self.define("u", f"Uplink=passt\nSocket={self.folder}/none\n")
        self.error("POST", "/v1/networks/u/start", None, 404, "no such socket")
        # A guest that needs it is refused in the same words.
        self.error("POST", "/v1/guests", {"name": "g", "type": "process", "nets": ["u"],
                                          "start": True}, 404, "no such socket")
        self.assertEqual(self.call("GET", "/v1/services")["services"], [])

    def test_users(self):
        """The switch starts with its first user, and ends with the last one."""
        self.start()
        self.define("n")
        one = self.nic("one", "n", "n,mac=02:00:00:00:00:01,rate=1M,vlan=7,trunk=1+3-5,mtu=9000")
        self.assertEqual(one["nets"], 2)
        self.assertEqual(len({d["service"] for d in one["devices"]}), 1)
        self.assertEqual([s["name"] for s in one["services"]], ["net-n"])
        port = one["devices"][1]["port"]
        self.assertEqual((port["rate"], port["vlan"], port["trunk"], port["mtu"]),
                         (1 << 20, 7, "1+3-5", 9000))
        two = self.nic("two", "n")
        ports = self.network("n")["ports"]
        self.assertEqual([p["guest"] for p in ports], ["one", "one", "two"])
        self.assertEqual(len({p["mac"] for p in ports}), 3)
        self.error("POST", "/v1/guests", {"name": "three", "type": "process", "start": True,
                   "nets": ["n,mac=02:00:00:00:00:01"]}, 409, "has that address")
        self.error("POST", "/v1/networks/n/stop", None, 409, "3 interfaces of guests use it")
        # The same guest has the same address each time.
        self.call("POST", "/v1/guests/two/restart")
        self.assertEqual(self.call("GET", "/v1/guests/two")["devices"][0]["port"]["mac"],
                         two["devices"][0]["port"]["mac"])
        self.call("POST", "/v1/guests/one/stop")
        self.assertEqual(self.network("n")["state"], "serving")
        self.call("POST", "/v1/guests/two/stop")
        self.wait_for(lambda: not self.network("n")["running"])

    def test_many(self):
        """As many ports as a switch has, more than a socket holds descriptors for."""
        self.start()
        self.define("n")
        for number in range(4):
            self.nic(f"g{number}", *["n"] * 16)
        self.error("POST", "/v1/guests", {"name": "over", "type": "process", "start": True,
                                          "nets": ["n"]}, 500, "the most that a switch serves")
        os.kill(self.service("n")["pid"], signal.SIGKILL)
        self.wait_for(lambda: (self.service("n")["generation"], self.service("n")["state"]) ==
                      (2, "serving"))
        states = {d["state"] for d in self.call("GET", "/v1/devices")["devices"]}
        self.assertEqual(states, {"serving"})

    def test_devices(self):
        """Interfaces come, change and go while the guest runs."""
        self.start()
        self.define("n")
        self.guest("g")
        self.call("POST", "/v1/guests/g/devices", {"class": "net", "spec": "n"})
        self.wait_for(lambda: self.call("GET", "/v1/guests/g")["devices"][1]["state"] == "serving")
        device = self.call("GET", "/v1/guests/g")["devices"][1]
        which = {"device": device["name"]}
        self.call("PATCH", "/v1/guests/g/devices", dict(which, set="link=down,rate=10M"))
        self.error("PATCH", "/v1/guests/g/devices", dict(which, set="mtu=1400"), 400, "agreed on")
        self.error("PATCH", "/v1/guests/g/devices", dict(which, set="x"), 400, "unknown option")
        self.error("PATCH", "/v1/guests/g/devices", {"device": "one", "set": "lun=7"}, 404,
                   "no such device")
        port = self.call("GET", "/v1/guests/g")["devices"][1]["port"]
        self.assertEqual((port["link"], port["rate"]), ("down", 10 << 20))
        self.call("PATCH", "/v1/guests/g/devices",
                  {"device": port["mac"], "set": "mac=02:00:00:00:00:02"})
        # What was changed holds for a successor, too; changes wait for each other, and for it.
        os.kill(self.service("n")["pid"], signal.SIGKILL)
        for step in range(50):
            self.call("PATCH", "/v1/guests/g/devices",
                      {"device": "02:00:00:00:00:02", "set": "link=" + ("up", "down")[step % 2]})
        self.wait_for(lambda: self.service("n")["generation"] == 2 and
                      self.service("n")["state"] == "serving")
        events = self.call("GET", "/v1/events").splitlines()
        self.assertNotIn("port-failed", [json.loads(line)["kind"] for line in events])
        self.call("DELETE", "/v1/guests/g/devices", {"device": "02:00:00:00:00:02"})
        self.wait_for(lambda: not self.network("n")["running"])
        self.assertEqual(len(self.call("GET", "/v1/guests/g")["windows"]), 2)
        self.error("DELETE", "/v1/guests/g/devices", which, 404, "no such device")
        # The slot of the window that went is used again.
        for _ in range(70):
            self.call("POST", "/v1/guests/g/devices", {"class": "net", "spec": "n"})
            name = self.call("GET", "/v1/guests/g")["devices"][-1]["name"]
            self.call("DELETE", "/v1/guests/g/devices", {"device": name})

    def test_attached(self):
        """A window that comes later reaches the process; one that is asked back is waited for."""
        self.start()
        self.define("n")
        self.guest("g", disks=[])
        status, sock = self.upgrade("/v1/guests/g/attach", "mullion-attach")
        self.assertEqual(status, 101)

        def descriptors(count):
            received = 0
            while received < count:
                _, ancillary, _, _ = sock.recvmsg(4096, 4096)
                for _, _, data in ancillary:
                    fds = array.array("i", data)
                    received += len(fds)
                    for fd in fds:
                        os.close(fd)
        descriptors(3)
        self.call("POST", "/v1/guests/g/devices", {"class": "net", "spec": "n"})
        descriptors(33)
        self.call("POST", "/v1/networks/n/stop", {"force": True})
        self.assertEqual(self.call("GET", "/v1/guests/g")["devices"], [])
        sock.close()

    def test_capture(self):
        self.start()
        self.define("n")
        self.error("GET", "/v1/networks/n/capture", None, 409, "does not run")
        self.nic("g", "n", "n")
        mac = self.network("n")["ports"][0]["mac"]
        self.error("GET", "/v1/networks/n/capture", None, 426, "Upgrade")
        self.error("GET", "/v1/networks/n/capture?snap=0", None, 400, "snap")
        self.error("GET", "/v1/networks/n/capture?port=nobody", None, 404, "no such guest")
        self.error("GET", "/v1/networks/n/capture?port=g", None, 404, "several interfaces")
        status, sock = self.upgrade(f"/v1/networks/n/capture?port={mac}", "mullion-stream")
        self.assertEqual(status, 101)
        self.assertEqual(sock.recv(4), bytes.fromhex("4d3cb2a1"))
        self.assertEqual(self.network("n")["capture"]["port"], mac)
        self.error("GET", "/v1/networks/n/capture", None, 409, "another capture")
        # One file for the client, although each process of the switch begins one.
        os.kill(self.service("n")["pid"], signal.SIGKILL)
        self.wait_for(lambda: self.service("n")["generation"] == 2 and
                      self.service("n")["state"] == "serving")
        self.assertIsNotNone(self.network("n")["capture"])
        sock.shutdown(socket.SHUT_WR)
        rest = b""
        while True:
            data = sock.recv(4096)
            if not data:
                break
            rest += data
        self.assertEqual(len(rest), 20)
        self.assertIsNone(self.network("n")["capture"])
        sock.close()
        _, sock = self.upgrade("/v1/networks/n/capture", "mullion-stream")
        self.assertEqual(len(sock.recv(24, socket.MSG_WAITALL)), 24)
        # The end of the network is the end of the file.
        self.call("POST", "/v1/guests/g/kill")
        self.assertEqual(sock.recv(1), b"")
        sock.close()

    def test_nat_failed(self):
        """An uplink that has failed while a guest stayed is tried again by who comes next."""
        self.start()
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        self.define("n", f"Uplink=nat\nForward=tcp:127.0.0.1:{port}:80\n")
        self.guest("g")
        self.call("POST", "/v1/guests/g/devices", {"class": "net", "spec": "n"})
        self.wait_for(lambda: self.network("n")["uplink"]["state"] == "failed")
        self.error("POST", "/v1/networks/n/start", None, 500, "mullion-nat")
        taken.close()
        self.call("POST", "/v1/networks/n/start")
        self.assertEqual(self.network("n")["uplink"]["state"], "up")
        kinds = [json.loads(line)["kind"] for line in self.call("GET", "/v1/events").splitlines()]
        self.assertEqual(kinds.count("uplink-failed"), 2)

    def test_passt(self):
        """Each process of the switch has a connection of its own; one that breaks is made anew."""
        self.start()
        path = os.path.join(self.folder, "p")
        listener = socket.socket(socket.AF_UNIX)
        listener.settimeout(LIMIT)
        listener.bind(path)
        listener.listen()
        self.define("n", f"Uplink=passt\nSocket={path}\n")
        self.call("POST", "/v1/networks/n/start")
        first = listener.accept()[0]
        first.settimeout(LIMIT)
        self.assertEqual(self.network("n")["uplink"]["state"], "up")
        self.call("POST", "/v1/services/net-n/restart")
        self.assertEqual(first.recv(1), b"")
        second = listener.accept()[0]
        second.close()
        third = listener.accept()[0]
        self.wait_for(lambda: self.network("n")["uplink"]["state"] == "up")
        third.close()
        listener.close()
        self.wait_for(lambda: self.network("n")["uplink"]["state"] == "gone")
        self.call("POST", "/v1/networks/n/stop")
        kinds = [json.loads(line)["kind"] for line in self.call("GET", "/v1/events").splitlines()]
        self.assertIn("uplink-gone", kinds)
        self.assertIn("uplink-back", kinds)

    @unittest.skipIf(not os.access(os.path.join(os.path.dirname(PROGRAM), "mullion-nat"), os.X_OK),
                     "mullion-nat was not built")
    def test_nat(self):
        """A NAT that dies is replaced behind the back of the switch."""
        self.start()
        free = socket.socket()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        self.define("n", f"Uplink=nat\nForward=tcp:{port}:80\n")
        free.listen()
        # Who waits for it is told in the words of the program, and nothing is left.
        self.error("POST", "/v1/networks/n/start", None, 500, "cannot forward")
        self.error("POST", "/v1/guests", {"name": "f", "type": "process", "nets": ["n"],
                                          "start": True}, 500, "cannot forward")
        self.wait_for(lambda: not self.call("GET", "/v1/services")["services"])
        free.close()
        self.nic("g", "n")
        self.assertEqual(self.network("n")["uplink"]["state"], "up")
        services = {s["name"]: s for s in self.call("GET", "/v1/services")["services"]}
        self.assertEqual(set(services), {"net-n", "nat-n"})
        access = self.call("GET", "/v1/services/nat-n/access")
        self.assertEqual((access["seccomp"], access["cap_effective"]), ("2", "0000000000000000"))
        self.assertEqual({s["name"] for s in self.call("GET", "/v1/guests/g")["services"]},
                         {"net-n", "nat-n"})
        for restarts in (1, 2):
            if restarts == 1:
                os.kill(services["nat-n"]["pid"], signal.SIGKILL)
            else:
                self.call("POST", "/v1/services/nat-n/restart")
            self.wait_for(lambda: (self.network("n")["uplink"]["restarts"],
                                   self.network("n")["uplink"]["state"]) == (restarts, "up"))
        self.assertEqual(self.service("n")["generation"], 1)
        # The forward is there again, and leads nowhere yet.
        socket.create_connection(("127.0.0.1", port), LIMIT).close()
        self.call("POST", "/v1/guests/g/stop")
        self.wait_for(lambda: not self.call("GET", "/v1/services")["services"])

    @unittest.skipIf(os.geteuid() or not os.path.exists("/dev/net/tun"), "needs root and a TUN driver")
    def test_tap(self):
        """A TAP that is made goes with the network; one that is removed is made anew."""
        name, bridge = f"mt{os.getpid()}", f"mb{os.getpid()}"

        def there(interface):
            return os.path.exists(f"/sys/class/net/{interface}")
        self.start()
        self.define("n", f"Uplink=tap\nTap={name}\nMTU=1400\n")
        status, data, _ = self.raw("POST", "/v1/networks/n/start")
        if status == 409 and b"may not" in data:
            self.skipTest("TAP devices cannot be made here")
        self.assertEqual(status, 200, data)
        self.assertEqual(self.network("n")["uplink"]["interface"], name)
        with open(f"/sys/class/net/{name}/mtu", encoding="ascii") as mtu:
            self.assertEqual(mtu.read(), "1400\n")
        # A successor of the switch has the same one.
        index = socket.if_nametoindex(name)
        os.kill(self.service("n")["pid"], signal.SIGKILL)
        self.wait_for(lambda: (self.service("n")["generation"], self.service("n")["state"]) ==
                      (2, "serving"))
        self.assertEqual(socket.if_nametoindex(name), index)
        self.define("m", f"Uplink=tap\nTap={name}\n")
        self.error("POST", "/v1/networks/m/start", None, 409, "another program has it open")
        self.define("b", f"Uplink=tap\nTap={name}b\nBridge={bridge}\n")
        self.error("POST", "/v1/networks/b/start", None, 404, "no such bridge")
        self.assertFalse(there(name + "b"))
        if shutil.which("ip"):
            subprocess.run(["ip", "link", "delete", name], check=True, timeout=LIMIT)
            self.wait_for(lambda: there(name) and self.network("n")["uplink"]["state"] == "up" and
                          socket.if_nametoindex(name) != index)
        self.call("POST", "/v1/networks/n/stop")
        self.wait_for(lambda: not there(name))

    def test_idle(self):
        """A network that was started keeps the daemon; one that only ran with a guest does not."""
        subprocess.run([PROGRAM, "--idle-exit=1"], env=self.env, timeout=LIMIT, check=True)
        self.define("n")
        self.call("POST", "/v1/networks/n/start")
        time.sleep(2)   # longer than it stays without
        self.call("POST", "/v1/networks/n/stop")
        self.wait_for(lambda: not os.path.exists(self.runtime))


def tearDownModule():
    """After a complete run every operation has been called."""
    if len(sys.argv) > 1:
        return
    described = {(method, path) for path, item in OPENAPI["paths"].items()
                 for method in item if method != "parameters"}
    optional = {("get", f"/v1/guests/{{name}}/{kind}") for kind in ("console", "command")}
    missed = described - CALLED - optional
    if missed:
        raise AssertionError(f"not called: {missed}")


if __name__ == "__main__":
    processes.adopt()
    unittest.main()
