# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/machine.py - the machine that Mullion makes, but with a peer's devices"""
import os
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMAGE = os.path.join(TOP, "build/images/test-6.1")
KERNEL = os.path.join(IMAGE, "vmlinux")
INITRD = os.path.join(IMAGE, "initrd.img")
MEMORY = 512


def initrd(tmp, name, command):
    """The initrd with the command appended, as the daemon does it."""
    path = os.path.join(tmp, f"{name}.initrd")
    root = os.path.join(tmp, "root")
    os.makedirs(os.path.join(root, "mullion"), exist_ok=True)
    with open(os.path.join(root, "mullion/command"), "wb") as f:
        f.write(b"".join(a.encode() + b"\0" for a in command))
    member = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root,
                            input=b"mullion\nmullion/command\n", check=True,
                            capture_output=True).stdout
    with open(path, "wb") as out, open(INITRD, "rb") as base:
        shutil.copyfileobj(base, out)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(member)
    return path


def arguments(tmp, name, command, devices):
    """QEMU's; what the command prints goes to NAME.out in @tmp."""
    # RAM as each way needs it: QEMU's own is in huge pages, a memory file is not.
    shared = any("vhost-user" in d for d in devices)
    ram = ["-object", f"memory-backend-memfd,id=ram,size={MEMORY}M,share=on"]
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
            "-display", "none", "-machine", "pc" + ",memory-backend=ram" * shared,
            *ram * shared,
            "-accel", "tcg,thread=multi", "-cpu", "max,la57=off,erms=off",
            "-smp", "1", "-m", str(MEMORY), "-kernel", KERNEL,
            "-initrd", initrd(tmp, name, command), "-no-reboot", "-append",
            "console=ttyS0 panic=-1 quiet mullion.wait=0 mullion.dhcp=0 "
            "no_timer_check",
            "-serial", f"file:{os.path.join(tmp, name)}.console",
            "-serial", f"file:{os.path.join(tmp, name)}.out",
            "-serial", "null", *devices]
