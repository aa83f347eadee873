/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - differences between kernel versions, one shim each
 *
 * The code is written for the newest kernel; older ones get a macro here.
 */
#ifndef MULLION_COMPAT_H
#define MULLION_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/version.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>

/* struct bus_type.match takes a const driver since 6.11 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define compat_match_driver const struct device_driver
#else
#define compat_match_driver struct device_driver
#endif

/* struct bus_type.uevent takes a const device since 6.3 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define compat_uevent_device const struct device
#else
#define compat_uevent_device struct device
#endif

/* __assign_str() knows its source since 6.10 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define compat_assign_str(dst, src) __assign_str(dst)
#else
#define compat_assign_str(dst, src) __assign_str(dst, src)
#endif

/* from_timer() became timer_container_of() in 6.16 */
#ifndef timer_container_of
#define timer_container_of(var, timer, field) from_timer(var, timer, field)
#endif

/* struct platform_driver.remove returns nothing since 6.11 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define compat_platform_remove void
#define compat_platform_removed
#else
#define compat_platform_remove int
#define compat_platform_removed 0
#endif

/* hrtimer_init() became hrtimer_setup() in 6.13 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif /* MULLION_COMPAT_H */
