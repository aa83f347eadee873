# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test has started, and what that has started: none can hide."""

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36


def adopt():
    """From now on, whose parent ends becomes a child of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit("cannot adopt processes: " + os.strerror(ctypes.get_errno()))


def end_all():
    """Kills all of them, and waits until they have ended: a folder can go then.

    One that is born meanwhile is found when its parent has ended.
    """
    while True:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return
