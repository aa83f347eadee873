// SPDX-License-Identifier: GPL-2.0-or-later
/* command/device_class.c - the table of device classes */
#include <string.h>

#include "device_class.h"

static const struct mullion_device_class *const device_classes[] = {
	&mullion_disk_class,
	&mullion_net_class,
};

#define DEVICE_CLASSES (sizeof(device_classes) / sizeof(device_classes[0]))

const struct mullion_device_class *mullion_device_class_find(const char *name)
{
	for (size_t i = 0; i < DEVICE_CLASSES; i++)
		if (!strcmp(device_classes[i]->name, name))
			return device_classes[i];
	return NULL;
}

const struct mullion_device_class *
mullion_device_class_next(const struct mullion_device_class *class)
{
	size_t i = 0;

	if (!class)
		return device_classes[0];
	while (device_classes[i] != class)
		i++;
	return i + 1 < DEVICE_CLASSES ? device_classes[i + 1] : NULL;
}
