/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/lib/require.h - assert() that holds in every build type */
#ifndef MULLION_TESTS_REQUIRE_H
#define MULLION_TESTS_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition) do {						\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,	\
				#condition);				\
			abort();					\
		}							\
	} while (0)

#endif /* MULLION_TESTS_REQUIRE_H */
