#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mullion-command.sh - carry the command of `mullion run -- CMD` to the real root
#
# See initramfs-tools/scripts/init-top/mullion.
if [ -f /mullion/command ]; then
	mkdir -p /run/mullion
	cat /mullion/command >/run/mullion/command
fi
