/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * visorbus_trace.h - a tracepoint for each control message and state change
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM visorbus

#if !defined(MULLION_VISORBUS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MULLION_VISORBUS_TRACE_H

#include <linux/tracepoint.h>
#include "../../abi/control.h"
#include "../../abi/ext.h"
#include "../compat/compat.h"

#define show_control_id(id) __print_symbolic(id,			\
	{ CONTROLVM_BUS_CREATE, "BUS_CREATE" },				\
	{ CONTROLVM_BUS_DESTROY, "BUS_DESTROY" },			\
	{ CONTROLVM_BUS_CONFIGURE, "BUS_CONFIGURE" },			\
	{ CONTROLVM_BUS_CHANGESTATE, "BUS_CHANGESTATE" },		\
	{ CONTROLVM_BUS_CHANGESTATE_EVENT, "BUS_CHANGESTATE_EVENT" },	\
	{ CONTROLVM_DEVICE_CREATE, "DEVICE_CREATE" },			\
	{ CONTROLVM_DEVICE_DESTROY, "DEVICE_DESTROY" },			\
	{ CONTROLVM_DEVICE_CONFIGURE, "DEVICE_CONFIGURE" },		\
	{ CONTROLVM_DEVICE_CHANGESTATE, "DEVICE_CHANGESTATE" },		\
	{ CONTROLVM_DEVICE_CHANGESTATE_EVENT, "DEVICE_CHANGESTATE_EVENT" }, \
	{ CONTROLVM_DEVICE_RECONFIGURE, "DEVICE_RECONFIGURE" },		\
	{ CONTROLVM_CHIPSET_INIT, "CHIPSET_INIT" },			\
	{ CONTROLVM_CHIPSET_STOP, "CHIPSET_STOP" },			\
	{ CONTROLVM_CHIPSET_READY, "CHIPSET_READY" },			\
	{ CONTROLVM_CHIPSET_SELFTEST, "CHIPSET_SELFTEST" })

DECLARE_EVENT_CLASS(visorbus_message,
	TP_PROTO(u32 id, u64 handle, u32 flags, u32 value),
	TP_ARGS(id, handle, flags, value),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, handle)
		__field(u32, flags)
		__field(u32, value)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->handle = handle;
		__entry->flags = flags;
		__entry->value = value;
	),
	TP_printk("id=0x%x (%s) handle=%llu flags=0x%x value=%u",
		  __entry->id, show_control_id(__entry->id), __entry->handle,
		  __entry->flags, __entry->value)
);

/* A command was taken; value: bytes of payload. */
DEFINE_EVENT(visorbus_message, visorbus_event,
	TP_PROTO(u32 id, u64 handle, u32 flags, u32 value),
	TP_ARGS(id, handle, flags, value));

/* It was acknowledged. */
DEFINE_EVENT(visorbus_message, visorbus_ack,
	TP_PROTO(u32 id, u64 handle, u32 flags, u32 value),
	TP_ARGS(id, handle, flags, value));

/* It was answered; value: completion status. */
DEFINE_EVENT(visorbus_message, visorbus_response,
	TP_PROTO(u32 id, u64 handle, u32 flags, u32 value),
	TP_ARGS(id, handle, flags, value));

TRACE_EVENT(visorbus_window,
	TP_PROTO(u32 id, u32 kind, u64 size, u32 vectors, bool ram, bool added),
	TP_ARGS(id, kind, size, vectors, ram, added),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, kind)
		__field(u64, size)
		__field(u32, vectors)
		__field(bool, ram)
		__field(bool, added)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->kind = kind;
		__entry->size = size;
		__entry->vectors = vectors;
		__entry->ram = ram;
		__entry->added = added;
	),
	TP_printk("%s window=%u kind=%u size=%llu vectors=%u placement=%s",
		  __entry->added ? "add" : "remove", __entry->id,
		  __entry->kind, __entry->size, __entry->vectors,
		  __entry->ram ? "ram" : "pci")
);

TRACE_EVENT(visorbus_raise,
	TP_PROTO(u64 addr, u64 epoch, u64 generation, u64 features, u32 state),
	TP_ARGS(addr, epoch, generation, features, state),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, epoch)
		__field(u64, generation)
		__field(u64, features)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->epoch = epoch;
		__entry->generation = generation;
		__entry->features = features;
		__entry->state = state;
	),
	TP_printk("channel=0x%llx epoch=%llu generation=%llu features=0x%llx client_state=%u",
		  __entry->addr, __entry->epoch, __entry->generation,
		  __entry->features, __entry->state)
);

TRACE_EVENT(visorbus_attached,
	TP_PROTO(u64 addr, u64 epoch, u64 generation, u64 features),
	TP_ARGS(addr, epoch, generation, features),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, epoch)
		__field(u64, generation)
		__field(u64, features)
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->epoch = epoch;
		__entry->generation = generation;
		__entry->features = features;
	),
	TP_printk("channel=0x%llx epoch=%llu generation=%llu features=0x%llx addressing=%s",
		  __entry->addr, __entry->epoch, __entry->generation,
		  __entry->features,
		  __entry->features & MULLION_EXTF_WINDOW_ADDR ? "window" :
		  "guest-physical")
);

TRACE_EVENT(visorbus_state,
	TP_PROTO(u32 bus, u32 dev, const char *from, const char *to),
	TP_ARGS(bus, dev, from, to),
	TP_STRUCT__entry(
		__field(u32, bus)
		__field(u32, dev)
		__string(from, from)
		__string(to, to)
	),
	TP_fast_assign(
		__entry->bus = bus;
		__entry->dev = dev;
		compat_assign_str(from, from);
		compat_assign_str(to, to);
	),
	TP_printk("vbus%u:dev%u %s -> %s", __entry->bus, __entry->dev,
		  __get_str(from), __get_str(to))
);

DECLARE_EVENT_CLASS(visorbus_driver,
	TP_PROTO(u32 bus, u32 dev, const char *driver, int error),
	TP_ARGS(bus, dev, driver, error),
	TP_STRUCT__entry(
		__field(u32, bus)
		__field(u32, dev)
		__string(driver, driver)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->bus = bus;
		__entry->dev = dev;
		compat_assign_str(driver, driver);
		__entry->error = error;
	),
	TP_printk("vbus%u:dev%u driver=%s error=%d", __entry->bus,
		  __entry->dev, __get_str(driver), __entry->error)
);

DEFINE_EVENT(visorbus_driver, visorbus_probe,
	TP_PROTO(u32 bus, u32 dev, const char *driver, int error),
	TP_ARGS(bus, dev, driver, error));

DEFINE_EVENT(visorbus_driver, visorbus_remove,
	TP_PROTO(u32 bus, u32 dev, const char *driver, int error),
	TP_ARGS(bus, dev, driver, error));

#endif /* MULLION_VISORBUS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE visorbus_trace
#include <trace/define_trace.h>
