/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/fixture_class.h - a device class as simple as can be
 */
#ifndef MULLION_TESTS_FIXTURE_CLASS_H
#define MULLION_TESTS_FIXTURE_CLASS_H

#include "../../service/common/device.h"

extern const struct mullion_class fixture_class;

#endif /* MULLION_TESTS_FIXTURE_CLASS_H */
