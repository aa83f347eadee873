#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The mullion command against fake_daemon.py; argument: the program."""

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import processes

PROGRAM = os.path.abspath(sys.argv.pop(1))
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120     # seconds that anything may take at most


class Case(unittest.TestCase):
    def setUp(self):
        # The command finds the daemon beside itself.
        self.folder = tempfile.mkdtemp(prefix="mullion-cli.")
        self.runtime = os.path.join(self.folder, "run")
        self.program = os.path.join(self.folder, "mullion")
        shutil.copy(PROGRAM, self.program)
        shutil.copy(os.path.join(HERE, "fake_daemon.py"), os.path.join(self.folder, "mulliond"))
        os.chmod(os.path.join(self.folder, "mulliond"), 0o755)
        with open(os.path.join(self.folder, "build.ninja"), "w", encoding="ascii"):
            pass
        self.env = dict(os.environ, MULLION_RUNTIME_DIR=self.runtime,
                        MULLION_STATE_DIR=os.path.join(self.folder, "state"), LC_ALL="C.UTF-8")
        self.env.pop("NO_COLOR", None)

    def tearDown(self):
        processes.end_all()    # they write there
        shutil.rmtree(self.folder)

    def daemon(self):
        try:
            with open(os.path.join(self.runtime, "pid"), encoding="ascii") as pid:
                return int(pid.read())
        except (OSError, ValueError):
            return None

    def asked(self):
        with open(os.path.join(self.runtime, "asked"), encoding="utf-8") as asked:
            return asked.read()

    def run_it(self, *args, stdin=b"", **env):
        done = subprocess.run([self.program, *args], input=stdin, capture_output=True,
                              env=dict(self.env, **env), timeout=LIMIT, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")

    def expect(self, status, *args, stdin=b""):
        result = self.run_it(*args, stdin=stdin)
        self.assertEqual(result[0], status, result)
        return result[1], result[2]

    def until(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)


class Start(Case):
    def test_starts_the_daemon_and_keeps_nothing(self):
        self.expect(0, "ps")
        pid = self.daemon()
        self.assertIn("start --idle-exit", self.asked())
        links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        self.assertEqual(links[0], "/dev/null")
        self.assertEqual(links[1], "/dev/null")
        self.assertIn("memfd:mulliond-start", links[2])
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        self.assertEqual(os.getsid(pid), pid)

    def test_one_daemon_for_many(self):
        many = [subprocess.Popen([self.program, "ps"], env=self.env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE) for _ in range(8)]
        for one in many:
            _, err = one.communicate(timeout=LIMIT)
            self.assertEqual((one.returncode, err), (0, b""))
        self.assertEqual(self.asked().count("start --idle-exit"), 1)

    def test_says_why_it_does_not_start(self):
        status, _, err = self.run_it("ps", FAKE_FAIL="1")
        self.assertEqual(status, 1)
        self.assertEqual(err, f"mullion: cannot start the daemon {self.folder}/mulliond: "
                              "it ended: daemon: cannot do it: no reason\n")
        status, _, _ = self.run_it("run", "--", "true", FAKE_FAIL="1")
        self.assertEqual(status, 125)

    @unittest.skipIf(os.geteuid(), "needs to be root, to be two other users")
    def test_another_users_daemon(self):
        """In a folder that anybody could have made, nobody else's daemon is believed."""
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "mullion.d"))
        os.chmod(os.path.join(self.folder, "mullion.d"), 0o777)
        folder = os.path.join(self.folder, "mullion.d")
        ready, done = os.pipe()
        listener = os.fork()
        if not listener:
            os.setuid(1)
            os.chdir(folder)
            os.mkdir("mullion")
            other = socket.socket(socket.AF_UNIX)
            other.bind("mullion/mulliond.sock")
            os.chmod("mullion/mulliond.sock", 0o777)
            other.listen()
            os.write(done, b"1")
            signal.pause()
        os.read(ready, 1)
        env = dict(self.env, XDG_RUNTIME_DIR=folder)
        del env["MULLION_RUNTIME_DIR"]
        result = subprocess.run([self.program, "ps"], env=env, user=65534, capture_output=True,
                                timeout=LIMIT, check=False)
        os.kill(listener, signal.SIGKILL)
        os.waitpid(listener, 0)
        os.close(ready)
        os.close(done)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn(b"another user's", result.stderr)

    def test_no_daemon_program(self):
        os.unlink(os.path.join(self.folder, "mulliond"))
        _, err = self.expect(1, "ps")
        self.assertIn("No such file", err)
        self.assertIn("make build", err)

    def test_version_and_completion_start_nothing(self):
        out, _ = self.expect(0, "version")
        self.assertIn("mulliond does not run", out)
        self.expect(0, "--complete", "objects")
        self.run_it("doctor")
        self.assertIsNone(self.daemon())


class Tables(Case):
    def test_ps(self):
        out, _ = self.expect(0, "ps")
        self.assertRegex(out, r"NAME +STATE +TYPE")
        self.assertRegex(out, r"web +online +vm +tcg +1 +512M +2 +1 +4711")
        self.assertNotIn("db", out)
        self.assertNotIn("\033", out)
        out, _ = self.expect(0, "ps", "--all")
        self.assertRegex(out, r"db +ready +.* 3 +exit status 3")

    def test_json(self):
        out, _ = self.expect(0, "ps", "--json", "-a")
        web, db = json.loads(out)["guests"]
        self.assertEqual((web["name"], web["memory"], web["pid"]), ("web", 512 << 20, 4711))
        self.assertIsNone(db["pid"])
        self.assertEqual(json.loads(self.expect(0, "device", "list", "--json")[0]),
                         {"devices": []})
        out, _ = self.expect(0, "service", "list", "--json")
        self.assertEqual(json.loads(out)["services"][0]["generation"], 3)
        out, _ = self.expect(0, "definition", "list", "--json")
        self.assertEqual(json.loads(out)["definitions"][0]["memory"], 1 << 30)
        self.assertEqual(json.loads(self.expect(0, "version", "--json")[0])["daemon"]["version"],
                         "9.9")
        self.assertIn("checks", json.loads(self.run_it("doctor", "--json")[1]))

    def test_show(self):
        out, _ = self.expect(0, "show", "web")
        self.assertRegex(out, r"memory +512M")
        self.assertRegex(out, r"(?m)^ +2 bus +64M +16$")
        self.assertNotIn("\033", out)
        self.assertEqual(json.loads(self.expect(0, "show", "web", "--json")[0])["pid"], 4711)
        self.assertRegex(self.expect(0, "show", "web-disk0")[0], r"generation +3")

    def test_show_access(self):
        for name in ("web", "web-disk0"):
            out, _ = self.expect(0, "show", name, "--access")
            self.assertRegex(out, r"service +web-disk0")
            self.assertRegex(out, r"3 +socket:\[1\]")
            out, _ = self.expect(0, "show", name, "--access", "--json")
            self.assertEqual(json.loads(out)["services"][0]["pid"], 12)


class Words(Case):
    def test_refusals(self):
        _, err = self.expect(1, "show", "absent")
        self.assertEqual(err, "mullion: no such guest absent: it is neither defined nor running; "
                              "see `mullion ps --all`\n")
        _, err = self.expect(1, "definition", "show", "garbage")
        self.assertIn("not JSON", err)
        _, err = self.expect(1, "definition", "show", "rude")
        self.assertIn("closed the connection", err)
        # A name is one path segment, whatever is in it.
        self.expect(0, "stop", "../x?y")
        self.assertIn("POST /v1/guests/..%2Fx%3Fy/stop", self.asked())

    def test_usage(self):
        for status, args in [(2, []), (2, ["frob"]), (2, ["--frob"]), (2, ["ps", "--frob"]),
                             (2, ["ps", "x"]), (2, ["start"]), (2, ["device"]),
                             (2, ["device", "frob"]), (2, ["logs", "-n", "x", "web"]),
                             (2, ["logs", "-n"]), (2, ["image", "build", "frob"]),
                             (2, ["stop", "--timeout", "x", "web"]), (2, ["show", "a", "b"]),
                             (125, ["run", "--frob"]), (125, ["run", "--memory", "x"]),
                             (125, ["run", "--cpus", "0"]), (125, ["run", "--accel", "x"]),
                             (125, ["run", "--timeout", "-1"]), (125, ["run", "-m", "1G", "-m", "2G"]),
                             (125, ["run", "--", b"\xff"])]:
            got, out, err = self.run_it(*args)
            self.assertEqual((got, out), (status, ""), (args, err))
            if args:
                self.assertRegex(err, r"^mullion: .*; ", args)
        self.assertIsNone(self.daemon())

    def test_help(self):
        out, _ = self.expect(0, "--help")
        names = [line.split("  ")[1].split(" ")[0] for line in out.splitlines()
                 if line.startswith("  ")]
        self.assertIn("run", names)
        self.assertIn("--memory", self.expect(0, "run", "--help")[0])
        self.assertIn("--memory", self.expect(0, "help", "run")[0])
        self.assertIn("Usage: mullion device list", self.expect(0, "device", "list", "-h")[0])

    def test_completion(self):
        script, _ = self.expect(0, "--completion", "bash")
        ask = script + """
            PATH=%s:$PATH
            try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mullion; echo "${COMPREPLY[*]}"; }
            try mullion de
            try mullion device ""
            try mullion run --mem
            try mullion run --accel ""
            try mullion show ""
            try mullion stop w
            """ % self.folder
        self.expect(0, "ps")
        out = subprocess.run(["bash", "-c", ask], env=self.env, capture_output=True, check=True,
                             timeout=LIMIT).stdout.decode().splitlines()
        self.assertEqual(out, ["device define definition", "list add set remove", "--memory", "auto kvm tcg",
                               "web db web-disk0", "web"])
        self.assertIn("#compdef mullion", self.expect(0, "--completion", "zsh")[0])
        self.expect(2, "--completion", "csh")

    def test_logs_and_events(self):
        self.assertEqual(self.expect(0, "logs", "web", "-f", "-n", "5")[0], "line 1\nline 2\n")
        self.assertIn("GET /v1/guests/web/logs?follow=1&lines=5", self.asked())
        out, _ = self.expect(0, "events")
        self.assertRegex(out, r"^1970-01-01 .*  guest web  online: up\?\n.*  x  y\n$")
        lines = self.expect(0, "events", "--json")[0].splitlines()
        self.assertEqual([json.loads(line)["seq"] for line in lines], [1, 2])

    def test_hot_plug(self):
        self.expect(0, "device", "add", "web", "null:1G,serial=x")
        self.expect(0, "device", "remove", "web", "x")
        asked = self.asked()
        self.assertIn('POST /v1/guests/web/devices  {"class":"disk","spec":"null:1G,serial=x",'
                      '"cwd":"%s"}' % os.getcwd(), asked)
        self.assertIn('DELETE /v1/guests/web/devices  {"device":"x","force":false}', asked)

        self.expect(0, "device", "add", "web", "net", "nat,rate=1M")
        self.expect(0, "device", "set", "web", "02:00:00:00:00:01", "link=down", "rate=2M")
        self.expect(0, "device", "remove", "--force", "web", "vbus2:dev0")
        asked = self.asked()
        self.assertIn('{"class":"net","spec":"nat,rate=1M",', asked)
        self.assertIn('PATCH /v1/guests/web/devices  {"device":"02:00:00:00:00:01",'
                      '"set":"link=down,rate=2M"}', asked)
        self.assertIn('{"device":"vbus2:dev0","force":true}', asked)

    def test_networks(self):
        out, _ = self.expect(0, "network", "list")
        self.assertRegex(out, r"lab +serving +nat +up +1 +net-lab")
        out, _ = self.expect(0, "network", "show", "lab")
        self.assertRegex(out, r"web +vbus2:dev0 +02:00:00:00:00:01 +1500 +up +3")
        self.assertRegex(out, r"02:00:00:00:00:01 counters:\n +tx_no_buffer +3\n +rx_bytes +4K")
        self.assertEqual(json.loads(self.expect(0, "network", "show", "lab", "--json")[0])["ini"], "[")
        self.expect(0, "network", "start", "lab", "nat")
        self.expect(0, "network", "stop", "--force", "lab")
        self.expect(0, "network", "undefine", "lab")
        self.expect(0, "network", "define", "-", stdin=b"[Network]\nName=x\n")
        asked = self.asked()
        for line in ("POST /v1/networks/lab/start", "POST /v1/networks/nat/start",
                     'POST /v1/networks/lab/stop  {"force":true}', "DELETE /v1/networks/lab",
                     "PUT /v1/networks?file="):
            self.assertIn(line, asked)
        self.assertIn("not defined", self.expect(1, "network", "start", "absent")[1])

    def test_capture(self):
        self.assertEqual(self.expect(0, "network", "capture", "short")[0], "pcap ")
        out, _ = self.expect(0, "network", "capture", "short", "--port", "02:00:00:00:00:01",
                             "--snap", "64")
        self.assertEqual(out, "pcap snap=64&port=02%3A00%3A00%3A00%3A00%3A01")
        file = os.path.join(self.folder, "x.pcap")
        self.expect(0, "network", "capture", "short", "-w", file)
        with open(file, encoding="ascii") as pcap:
            self.assertEqual(pcap.read(), "pcap ")
        self.expect(1, "network", "capture", "absent", "-w", file)
        with open(file, encoding="ascii") as f:
            self.assertNotEqual(f.read(), "", "a capture that was refused has emptied the file")
        other = os.path.join(self.folder, "other.pcap")
        self.expect(1, "network", "capture", "absent", "-w", other)
        self.assertFalse(os.path.exists(other))
        self.expect(1, "network", "capture", "short", "-w", self.folder)
        self.expect(2, "network", "capture", "short", "--snap", "x")
        running = subprocess.Popen([self.program, "network", "capture", "long"], env=self.env,
                                   stdout=subprocess.PIPE)
        self.assertEqual(running.stdout.read(5), b"pcap ")
        running.terminate()
        running.communicate(timeout=LIMIT)
        self.assertEqual(running.returncode, 0)
        running = subprocess.Popen([self.program, "network", "capture", "long"], env=self.env,
                                   stdout=subprocess.PIPE)
        running.stdout.read(5)
        running.stdout.close()
        self.assertEqual(running.wait(LIMIT), 128 + signal.SIGPIPE)

    def test_definitions(self):
        file = os.path.join(self.folder, "web.guest")
        with open(file, "w", encoding="ascii") as out:
            out.write("[Guest]\nName=web\n")
        self.expect(0, "define", file)
        self.assertIn("web.guest  [Guest]\nName=web", self.asked())
        self.expect(0, "define", "-", stdin=b"[Guest]\nName=piped\n")
        self.assertIn("Name=piped", self.asked())
        self.assertIn("No such file", self.expect(1, "define", file + "x")[1])
        self.assertIn("empty", self.expect(1, "define", "/dev/null")[1])
        self.assertIn("more than", self.expect(1, "define", "/dev/zero")[1])
        self.assertIn("directory", self.expect(1, "define", self.folder)[1])
        self.assertEqual(self.expect(0, "definition", "show", "web")[0], "[Guest]\nName=web\n")
        self.expect(0, "undefine", "web")
        self.assertIn("DELETE /v1/definitions/web", self.asked())


class Run(Case):
    def test_command(self):
        out, err = self.expect(7, "run", "--name", "exit-7", "-m", "1G", "--disk", "a.img,ro",
                               "--disk", "b", "--net", "nat", "--net", "lab,mtu=9000",
                               "--timeout", "2.5", "--", "cat", "-n", stdin=b"in\0put")
        self.assertEqual((out, err), ("hello from command\r\nin\0put", ""))
        line = [l for l in self.asked().splitlines() if l.startswith("POST /v1/guests ")][0]
        request = json.loads(line.split("  ", 1)[1])
        self.assertEqual(request, {
            "name": "exit-7", "start": True, "transient": True, "owned": True, "cwd": os.getcwd(),
            "memory": 1 << 30, "disks": ["a.img,ro", "b"], "nets": ["nat", "lab,mtu=9000"],
            "command": ["cat", "-n"],
            "timeout": 2.5})
        self.assertIn("GET /v1/guests/exit-7/command?owner=1 mullion-stream", self.asked())

    def test_not_utf8(self):
        """What cannot be sent as JSON is refused, not left out."""
        for option in ("--disk", "--root", "--append", "--name"):
            _, err = self.expect(125, "run", option, b"\xff.img", "--", "true")
            self.assertIn("UTF-8", err)
        self.assertIn("UTF-8", self.expect(125, "run", "--", b"\xff")[1])

    def test_upgrade_refused(self):
        """A guest that was made and cannot be attached to is not left running."""
        self.expect(125, "run", "-n", "unattachable", "--", "true")
        self.assertIn("POST /v1/guests/unattachable/kill", self.asked())

    def test_much_data(self):
        data = os.urandom(3 << 20)
        done = subprocess.run([self.program, "run", "-n", "exit-0", "--", "cat"], input=data,
                              stdout=subprocess.PIPE, env=self.env, timeout=LIMIT, check=True)
        self.assertEqual(done.stdout, b"hello from command\r\n" + data)

    def test_verbose(self):
        out, err = self.expect(0, "run", "-v", "-n", "exit-0", "--", "true")
        self.assertEqual((out, err), ("hello from command\r\n", "hello from console\r\n"))

    def test_bad_ends(self):
        for name, status, text in [("timeout", 124, "did not end"), ("broken", 125, "disk is gone"),
                                   ("off", 125, "powered off"), ("gone", 137, "killed")]:
            _, err = self.expect(status, "run", "-n", name, "--", "true")
            self.assertEqual(len(err.splitlines()), 1)
            self.assertRegex(err, f"^mullion: .*{name}: .*{text}")
        _, err = self.expect(125, "run", "-n", "refused", "--", "true")
        self.assertEqual(err, "mullion: cannot start guest refused: image d.img: not there?[31m; "
                              "make it\n")
        self.expect(0, "run", "-n", "off")

    def test_signals(self):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            name = f"hang-{sig}"
            running = subprocess.Popen([self.program, "run", "-n", name, "--", "sleep"],
                                       env=self.env, stdout=subprocess.PIPE)
            self.assertEqual(running.stdout.readline(), b"hello from command\r\n")
            running.send_signal(sig)
            running.communicate(timeout=LIMIT)
            self.assertEqual(running.returncode, 128 + sig)
            self.assertIn(f"POST /v1/guests/{name}/kill", self.asked())

    def test_output_closed(self):
        running = subprocess.Popen([self.program, "run", "-n", "flood", "--", "yes"], env=self.env,
                                   stdout=subprocess.PIPE)
        running.stdout.readline()
        running.stdout.close()
        self.assertEqual(running.wait(LIMIT), 128 + signal.SIGPIPE)
        self.assertIn("POST /v1/guests/flood/kill", self.asked())

    def test_daemon_dies(self):
        running = subprocess.Popen([self.program, "run", "-n", "hang", "--", "sleep"],
                                   env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.stdout.readline()
        os.kill(self.daemon(), signal.SIGKILL)
        os.unlink(os.path.join(self.runtime, "pid"))
        _, err = running.communicate(timeout=LIMIT)
        self.assertEqual(running.returncode, 125)
        self.assertEqual(len(err.splitlines()), 1)
        self.assertIn(b"the daemon has ended", err)


class Terminal(Case):
    def open(self, *args):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        process = subprocess.Popen([self.program, *args], env=dict(self.env, TERM="xterm"),
                                   stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.slave = slave
        self.seen = b""
        return process

    def read_until(self, text):
        deadline = time.monotonic() + LIMIT
        while text not in self.seen:
            self.assertLess(time.monotonic(), deadline, self.seen)
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 4096)

    def end(self, process, status):
        # Reads on, so that a terminal that waits for its output to leave goes on.
        def ended():
            if select.select([self.master], [], [], 0)[0]:
                os.read(self.master, 4096)
            return process.poll() is not None
        self.until(ended, "end")
        self.assertEqual(process.returncode, status)
        self.assertEqual(termios.tcgetattr(self.slave), self.before)
        os.close(self.slave)
        os.close(self.master)

    def test_console(self):
        process = self.open("console", "echo")
        self.read_until(b"hello from console\r\n")
        self.assertIn(b"Ctrl-]", self.seen)
        os.write(self.master, b"a\x03b")
        self.read_until(b"a\x03b")
        os.write(self.master, b"\x1dx")
        self.read_until(b"leaves the guest running")
        os.write(self.master, b"\x1d")
        os.write(self.master, b"\x1d")
        self.until(lambda: "typed 1d" in self.asked(), "the escape key itself")
        os.write(self.master, b"\x1dq")
        self.end(process, 0)
        self.assertNotIn("/kill", self.asked())

    def test_console_kill(self):
        process = self.open("console", "echo")
        self.read_until(b"hello")
        os.write(self.master, b"\x1dk")
        self.end(process, 0)
        self.assertIn("POST /v1/guests/echo/kill", self.asked())

    def test_console_killed(self):
        process = self.open("console", "echo")
        self.read_until(b"hello")
        process.terminate()
        self.end(process, 128 + signal.SIGTERM)

    def test_run_console(self):
        process = self.open("run", "-n", "exit-0")
        self.read_until(b"hello from console")
        os.write(self.master, b"\x1dq")
        self.end(process, 0)
        self.assertIn("POST /v1/guests/exit-0/kill", self.asked())

    def test_run_command_leaves_the_terminal(self):
        process = self.open("run", "-n", "hang", "--", "sh")
        self.read_until(b"hello from command")
        self.assertEqual(termios.tcgetattr(self.slave), self.before)
        process.send_signal(signal.SIGINT)
        self.end(process, 130)

    def test_colours(self):
        process = self.open("ps")
        self.read_until(b"web")
        self.assertIn(b"\033[", self.seen)
        self.end(process, 0)


if __name__ == "__main__":
    processes.adopt()
    unittest.main(verbosity=2)
