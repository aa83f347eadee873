#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# module-setup.sh - dracut module: the guest modules, loaded early
#
# Does for dracut what initramfs-tools/ does for Debian's initramfs.

# Wanted where the modules exist; with hostonly, only in a guest that uses them.
check() {
	# dracut sets kernel and hostonly.
	# shellcheck disable=SC2154
	modinfo -k "$kernel" visorhba >/dev/null 2>&1 || return 1
	if [[ $hostonly ]]; then
		[[ -d /sys/bus/visorbus/devices ]] || return 255
	fi
	return 0
}

depends() {
	return 0
}

installkernel() {
	hostonly='' instmods visorbus visorhba visornic sd_mod

}

install() {
	# shellcheck disable=SC2154
	mkdir -p "$initdir/etc/modules-load.d"
	printf '%s\n' visorbus visorhba >"$initdir/etc/modules-load.d/mullion.conf"
	# Images without systemd do not read modules-load.d.
	# shellcheck disable=SC2154
	inst_hook pre-udev 30 "$moddir/mullion-load.sh"
	inst_hook pre-pivot 30 "$moddir/mullion-command.sh"
}
