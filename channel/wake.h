/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/wake.h - how a consumer waits (user space)
 */
#ifndef MULLION_CHANNEL_WAKE_H
#define MULLION_CHANNEL_WAKE_H

/* Wake-up modes; the environment variable MULLION_WAKE presets them. */
enum mullion_wake {
	MULLION_WAKE_ADAPTIVE,	/* spin a little, then sleep */
	MULLION_WAKE_POLL,	/* never sleep */
	MULLION_WAKE_SLEEP,	/* never spin */
};

#endif /* MULLION_CHANNEL_WAKE_H */
