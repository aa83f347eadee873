#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bus driver against a command partition that errs on purpose, in a guest of its
# own: guest/tests/run-mockbus, on the kernel of the test image.
set -euo pipefail

top=$MULLION_TOP
release=$(cat "$MULLION_TEST_IMAGE/release")
kdir=/usr/src/linux-headers-$release
debug=$top/build/cache/debug-kernel
[ "$(cat "$debug/release" 2>/dev/null)" != "$release" ] || kdir=$debug/build
kernel=$("$top/image/get-kernel" "$release")

MULLION_KERNEL=${kernel%/}/boot/vmlinuz-$release MULLION_MODULES=${kernel%/}/lib/modules/$release \
	exec "$top/guest/tests/run-mockbus" bus "$release" "$kdir" "$MULLION_TEST_DIR/mockbus"
