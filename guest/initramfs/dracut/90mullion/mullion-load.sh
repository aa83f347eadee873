#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mullion-load.sh - load the guest modules before udev looks for disks
modprobe -q visorbus
modprobe -q visorhba
