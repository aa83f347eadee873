#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kill a guest's disk service again and again while other work goes on.

usage: kill-service.py GUEST PID MILLISECONDS

The process of the guest's first service is killed at moments up to so many
milliseconds after its predecessor was replaced, until process PID (the work) has
ended.  A few times the successor is killed too, on its way; more than that and the
daemon would give the service up.  Prints the number of kills, and of the times in
ms from one to a successor that serves, without those few, the median and the
longest.
"""
import http.client
import json
import os
import random
import signal
import socket
import statistics
import sys
import time

LIMIT = 150     # seconds for a successor to serve
KILLS_MAX = 1000
YOUNG_MAX = 3


class Api(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(os.environ["MULLION_RUNTIME_DIR"] + "/mulliond.sock")

    def get(self, path):
        self.request("GET", path)
        answer = self.getresponse()
        data = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"FAILED: {path}: {data}")
        return data


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Victim:
    def __init__(self, guest):
        self.api = Api("localhost")
        self.guest = guest

    def service(self):
        return self.api.get(f"/v1/guests/{self.guest}")["services"][0]

    def wait_for(self, generation, serving):
        end = time.monotonic() + LIMIT
        while True:
            service = self.service()
            if service["generation"] >= generation and service["pid"] and \
               (not serving or service["state"] == "serving"):
                return service
            if service["state"] == "failed":
                sys.exit(f"FAILED: the service was given up: {service}")
            if time.monotonic() > end:
                sys.exit(f"FAILED: no generation {generation} within {LIMIT} s: {service}")
            time.sleep(0.001)

    def kill(self, young):
        """The time until a successor serves; it dies young for a start if asked to."""
        service = self.wait_for(1, True)
        begun = time.monotonic()
        count = 1
        os.kill(service["pid"], signal.SIGKILL)
        service = self.wait_for(service["generation"] + 1, False)
        if young:
            os.kill(service["pid"], signal.SIGKILL)
            count += 1
            service = self.wait_for(service["generation"] + 1, False)
        self.wait_for(service["generation"], True)
        return count, (time.monotonic() - begun) * 1000


def main():
    guest, pid, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    victim = Victim(guest)
    kills, young, times = 0, 0, [0]
    while runs(pid):
        time.sleep(random.random() * most / 1000)
        if not runs(pid):
            break
        again = young < YOUNG_MAX and random.random() < 0.25
        count, took = victim.kill(again)
        kills += count
        young += again
        if not again:
            times.append(took)
        if kills > KILLS_MAX:
            sys.exit(f"FAILED: the work does not end in {kills} kills")
    print(kills, round(statistics.median(times)), round(max(times)))


if __name__ == "__main__":
    main()
