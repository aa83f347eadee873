# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/where.py - under what conditions a table was measured"""
import datetime
import os
import platform
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def conditions():
    """One line; called before anything is started, so the load is that of others."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False)
    return (f"{datetime.date.today()}, revision {commit.stdout.strip() or 'unknown'}, "
            f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), "
            f"Linux {platform.release()}; load of others at the start: "
            f"{os.getloadavg()[0]:.1f}")


def write_table(path, begun, lines):
    """The table with its conditions, as bench/report takes it."""
    with open(path, "w", encoding="utf-8") as f:
        f.write(begun + ".\n\n" + "\n".join(lines) + "\n")
