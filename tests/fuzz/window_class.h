/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/window_class.h - the device class behind fuzz_service_window.c
 */
#ifndef MULLION_TESTS_WINDOW_CLASS_H
#define MULLION_TESTS_WINDOW_CLASS_H

#include "../../service/common/device.h"

extern const struct mullion_class *const window_class;

/*
 * The class part of the configuration, or NULL; its store, if any, is put into
 * @fd (entry 0).
 */
const void *window_class_config(size_t *bytes, int *fd);

#endif /* MULLION_TESTS_WINDOW_CLASS_H */
