#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The mullion command against a daemon that is a script: everything that the
# user sees of it, without a guest.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v python3 >/dev/null; then
	echo "python3 is missing"
	exit 77
fi
exec python3 -B "$top/tests/host/cli_test.py" "${MULLION:-$top/build/mullion}"
