#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon by its API: every operation of docs/openapi.json is called and its
# answers are compared with the schemas; then beginning, end and violent death.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v python3 >/dev/null; then
	echo "python3 is missing"
	exit 77
fi
exec python3 -B "$top/tests/host/daemon_test.py" "${MULLIOND:-$top/build/mulliond}" "$top/docs/openapi.json"
