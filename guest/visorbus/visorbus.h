/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * visorbus.h - what a function driver sees of the bus
 *
 * DOC: Theory of Operation
 *
 * A device is one channel in one window.  The command partition announces it
 * (DEVICE_CREATE), the bus matches it by channel type GUID and calls a function
 * driver's probe on a work queue of the device's own, so probe may sleep and
 * may do I/O through the channel.
 *
 * Order of calls for a driver:
 *
 *   probe:   visorbus_device_attach()          the server confirms an epoch
 *            visorbus_pool_alloc()             memory that the server sees
 *            visorbus_enable_channel_interrupts()
 *            ... I/O ...
 *   pause:   stop producing; call the completion when nothing more will be
 *            produced.  Requests in flight stay in the driver's table.  The
 *            bus then calls the interrupt callback once more for each queue
 *            pair (the drain: complete what was answered), and no more until
 *            resume.
 *   resume:  the rings are empty and the epoch is a new one.  Re-issue what is
 *            unanswered, oldest first, then accept new requests, then call
 *            the completion.  The bus then calls the interrupt callback once
 *            for each queue pair.
 *   remove:  finish all I/O (the channel still works, unless
 *            visorbus_device_gone()), visorbus_disable_channel_interrupts(),
 *            free what is the driver's own.  The bus then detaches; pool areas
 *            return only when the server has confirmed that.
 *
 * pause and resume come for an administrative change of state, and, without
 * any control message, when the server's generation has changed: the bus
 * notices it, does pause, drain, attach, resume.  Between pause and resume
 * minutes may pass (no server): requests wait.
 *
 * pause, resume and the interrupt callbacks are called between
 * visorbus_enable_channel_interrupts() and
 * visorbus_disable_channel_interrupts(), and only then.  A scan in probe and the
 * last I/O in remove do their work between these two, so pause and resume may
 * come while probe or remove is running: a server may die at that moment, too.
 * A remove that finds the device paused does no I/O and fails what is
 * unanswered, for resume may never come.
 *
 * Data lies in the pool, or, if visorbus_device_physical(), in any page of the
 * guest, which is the server's until it has answered, or until an epoch is
 * confirmed in which it was not sent: between pause and resume it may still
 * write there, whatever becomes of the request.
 *
 * Queues.  Queue 2i goes to the service, queue 2i+1 to the guest, i is the
 * queue pair.  A driver either uses visorchannel_signalinsert() and
 * visorchannel_signalremove(), which lock, copy and ring, or takes the
 * struct mullion_sq of a queue (visorbus_device_queue()), serialises it with a
 * lock of its own, and rings with visorbus_device_ring() when
 * mullion_sq_publish() or mullion_sq_release() says so.  It never uses both on
 * one queue.  Everything read from a queue, a channel or the pool may change
 * at any moment and may be hostile: copy, then check.
 *
 * Callbacks.  channel_interrupt and queue_interrupt run with interrupts off,
 * in hard interrupt context (doorbell) or softirq context (poll), never twice
 * at the same time for one queue pair.  enable and
 * disable_channel_interrupts must not be called from them, nor with a lock
 * held that they take.  All other callbacks run in process context: pause and
 * resume never at the same time as each other, nor do probe and remove.
 */
#ifndef MULLION_VISORBUS_H
#define MULLION_VISORBUS_H

#include <linux/device.h>
#include <linux/dma-direction.h>
#include <linux/module.h>
#include <linux/types.h>
#include <linux/uuid.h>

#include "../../abi/ext.h"
#include "../../abi/guid.h"
#include "../../channel/signal_queue.h"

struct page;
struct sk_buff;
struct visor_device;
struct visor_driver;
struct visorchannel;
struct visor_device_private;

/**
 * typedef visorbus_state_complete_func - a pause or resume has ended
 * @dev: the device
 * @status: 0, or negative errno if the driver could not do it
 *
 * Called exactly once for each pause or resume that returned 0; from within
 * the callback or later, from any context.
 */
typedef void (*visorbus_state_complete_func)(struct visor_device *dev,
					     int status);

/**
 * struct visor_channeltype_descriptor - a channel type that a driver handles
 * @guid: type GUID of the channel
 * @name: friendly name: sysfs typename, and devtype in the bus channel
 * @min_bytes: smallest channel that is accepted
 * @version: the header's version_id that is accepted, 0 for any
 *
 * Tables end with an entry whose @name is NULL.
 */
struct visor_channeltype_descriptor {
	guid_t guid;
	const char *name;
	u64 min_bytes;
	u32 version;
};

/**
 * struct visor_driver - a function driver
 * @name: driver name, also drvname in the bus channel
 * @owner: THIS_MODULE
 * @channel_types: what it handles
 * @probe: take the device; 0 or negative errno.  After an error nothing of the
 *	driver may remain, but interrupts that it enabled and pool areas are
 *	taken back by the bus
 * @remove: give the device up
 * @channel_interrupt: the queues to the guest may hold something
 * @queue_interrupt: the same for one queue pair; used instead of
 *	@channel_interrupt if set
 * @pause: stop producing, then call @complete_func; negative errno refuses
 * @resume: start again, then call @complete_func; negative errno refuses
 * @driver: the bus's
 *
 * @pause and @resume are needed for a driver that accepts
 * MULLION_EXTF_REISSUE; a driver without them is removed and probed again
 * when the server's generation changes.
 */
struct visor_driver {
	const char *name;
	struct module *owner;
	const struct visor_channeltype_descriptor *channel_types;
	int (*probe)(struct visor_device *dev);
	void (*remove)(struct visor_device *dev);
	void (*channel_interrupt)(struct visor_device *dev);
	void (*queue_interrupt)(struct visor_device *dev, unsigned int pair);
	int (*pause)(struct visor_device *dev,
		     visorbus_state_complete_func complete_func);
	int (*resume)(struct visor_device *dev,
		      visorbus_state_complete_func complete_func);

	struct device_driver driver;
};

#define to_visor_driver(d) container_of(d, struct visor_driver, driver)

/**
 * struct visor_device - a device
 * @visorchannel: its channel
 * @channel_type_guid: type of the channel
 * @inst: instance GUID
 * @device: drivers may use dev_get_drvdata() and dev_set_drvdata() of it
 * @chipset_bus_no: number of the bus
 * @chipset_dev_no: number of the device on its bus
 * @queue_pairs: queue pairs of the channel, 1 to MULLION_QUEUE_PAIRS_MAX
 * @max_outstanding: requests that the server keeps at a time, 0 if unknown
 * @io_align: alignment in bytes of data that the server moves without a copy,
 *	a power of two, at least 1
 * @pool_share: bytes of pool that are guaranteed to this device
 * @priv: the bus's
 *
 * All fields are read-only for drivers.
 */
struct visor_device {
	struct visorchannel *visorchannel;
	guid_t channel_type_guid;
	guid_t inst;
	struct device device;
	u32 chipset_bus_no;
	u32 chipset_dev_no;
	unsigned int queue_pairs;
	u32 max_outstanding;
	u32 io_align;
	u64 pool_share;
	struct visor_device_private *priv;
};

#define to_visor_device(x) container_of(x, struct visor_device, device)

/* ---- drivers ------------------------------------------------------------ */

/**
 * visorbus_register_visor_driver() - make a function driver known
 * @drv: name, owner, channel_types, probe, remove and one of the interrupt
 *	callbacks are required; stays in use until unregistered
 *
 * Probes devices that are there already, asynchronously.
 *
 * Return: 0 or negative errno.
 */
int visorbus_register_visor_driver(struct visor_driver *drv);

/**
 * visorbus_unregister_visor_driver() - take it back; removes it from devices
 * @drv: a registered driver
 */
void visorbus_unregister_visor_driver(struct visor_driver *drv);

/* ---- attach -------------------------------------------------------------- */

/**
 * visorbus_device_attach() - raise the epoch and wait for the confirmation
 * @dev: device in probe
 * @features: MULLION_EXTF_* bits that the driver understands; those that the
 *	server offers too are accepted
 * @timeout: jiffies to wait
 *
 * On success the queues are open and empty.  For a channel without Mullion's
 * extension this only opens the queues at the indices found there.  Re-attach
 * after pause is the bus's business.
 *
 * Context: process, sleeps.
 * Return: 0; -ETIMEDOUT; -ENODEV if the device is going away; -EPROTO if the
 * channel's queues are not valid; -EREMOTEIO if the server faulted it;
 * -EOPNOTSUPP if the server wants guest-physical addresses and this guest cannot
 * give them.
 */
int visorbus_device_attach(struct visor_device *dev, u64 features,
			   unsigned long timeout);

/**
 * visorbus_device_features() - features agreed by the last attach
 * @dev: the device
 */
u64 visorbus_device_features(const struct visor_device *dev);

/**
 * visorbus_device_epoch() - low 32 bits of the epoch, for messages
 * @dev: the device
 *
 * Changes only between pause and resume.
 */
u32 visorbus_device_epoch(const struct visor_device *dev);

/**
 * visorbus_device_count_stale() - count a message of another epoch
 * @dev: the device
 */
void visorbus_device_count_stale(struct visor_device *dev);

/**
 * visorbus_device_gone() - has the window been taken away?
 * @dev: the device
 *
 * True once the device is surprise-removed: no answer will come any more.
 */
bool visorbus_device_gone(const struct visor_device *dev);

/**
 * visorbus_device_fault() - stop using a channel whose server misbehaves
 * @dev: the device
 * @why: for the log and sysfs, a literal
 *
 * Records and logs the reason once.  The interrupt callbacks are not called
 * any more; visorbus_device_reset() starts the channel again.
 *
 * Context: any.
 */
void visorbus_device_fault(struct visor_device *dev, const char *why);

/**
 * visorbus_device_reset() - pause, attach with a new incarnation, resume
 * @dev: a device that is attached
 * @timeout: jiffies to wait
 *
 * Everything in flight is forgotten by the server: what the driver re-issues
 * in resume is a new request to it.  For error handlers.
 *
 * Context: process, sleeps; not from probe, remove, pause or resume.
 * Return: 0; -ETIMEDOUT (it is still tried); -ENODEV.
 */
int visorbus_device_reset(struct visor_device *dev, unsigned long timeout);

/* ---- queues, doorbells ---------------------------------------------------- */

/**
 * visorbus_device_queue() - the private view of a queue
 * @dev: an attached device
 * @queue: number of the queue: 2i to the service, 2i+1 to the guest
 *
 * The pointer is valid until remove returns; its content is reset by the bus
 * between pause and resume.  The caller serialises its use.
 *
 * Return: the queue, NULL if there is none of that number.
 */
struct mullion_sq *visorbus_device_queue(struct visor_device *dev,
					 unsigned int queue);

/**
 * visorbus_device_ring() - ring the server's doorbell of a queue
 * @dev: the device
 * @queue: the queue that was published or released
 *
 * Context: any; costs an exit to the hypervisor.
 */
void visorbus_device_ring(struct visor_device *dev, unsigned int queue);

/**
 * visorbus_device_polled() - is there no interrupt for this queue pair?
 * @dev: the device
 * @pair: queue pair
 *
 * Then the callback is driven by a timer, and asking for doorbells is useless.
 */
bool visorbus_device_polled(const struct visor_device *dev, unsigned int pair);

/**
 * visorbus_enable_channel_interrupts() - start the interrupt callback
 * @dev: an attached device
 *
 * Doorbells where the window has vectors, a timer where it has none, and in
 * both cases a slow poll whose finds are counted as rescues.  Calls the
 * callback once for each pair soon after.
 *
 * Context: process.
 */
void visorbus_enable_channel_interrupts(struct visor_device *dev);

/**
 * visorbus_disable_channel_interrupts() - stop it; no callback runs afterwards
 * @dev: the device
 *
 * Context: process.
 */
void visorbus_disable_channel_interrupts(struct visor_device *dev);

/* ---- channel ---------------------------------------------------------------- */

/**
 * visorbus_read_channel() - copy bytes out of the device's channel
 * @dev: the device
 * @offset: from the start of the channel
 * @dest: destination
 * @nbytes: bytes
 *
 * Return: 0, -EINVAL outside the channel, -ENODEV if the window is gone.
 */
int visorbus_read_channel(struct visor_device *dev, u64 offset, void *dest,
			  u64 nbytes);

/**
 * visorbus_write_channel() - copy bytes into the device's channel
 * @dev: the device
 * @offset: from the start of the channel
 * @src: source
 * @nbytes: bytes
 *
 * Return: as visorbus_read_channel().
 */
int visorbus_write_channel(struct visor_device *dev, u64 offset,
			   const void *src, u64 nbytes);

int visorchannel_read(struct visorchannel *channel, u64 offset, void *dest,
		      u64 nbytes);
int visorchannel_write(struct visorchannel *channel, u64 offset,
		       const void *src, u64 nbytes);
u64 visorchannel_get_nbytes(const struct visorchannel *channel);
u64 visorchannel_get_physaddr(const struct visorchannel *channel);
u64 visorchannel_get_clientpartition(const struct visorchannel *channel);
const guid_t *visorchannel_get_guid(const struct visorchannel *channel);

/**
 * visorchannel_signalinsert() - put one message in a queue and ring if asked
 * @channel: the channel, attached
 * @queue: number of the queue
 * @msg: one slot's worth of bytes
 *
 * Context: any.
 * Return: 0; -EAGAIN if the queue is full; -EPROTO if the peer broke it;
 * -EINVAL for a queue that is not open; -ENODEV if the window is gone.
 */
int visorchannel_signalinsert(struct visorchannel *channel, u32 queue,
			      const void *msg);

/**
 * visorchannel_signalremove() - take one message from a queue
 * @channel: the channel, attached
 * @queue: number of the queue
 * @msg: room for one slot
 *
 * Context: any.
 * Return: 0; -EAGAIN if the queue is empty; else as visorchannel_signalinsert().
 */
int visorchannel_signalremove(struct visorchannel *channel, u32 queue,
			      void *msg);

/**
 * visorchannel_signalempty() - is there nothing to take from a queue?
 * @channel: the channel, attached
 * @queue: number of the queue
 */
bool visorchannel_signalempty(struct visorchannel *channel, u32 queue);

/**
 * visorchannel_slot_bytes() - bytes of one message of a queue
 * @channel: the channel, attached
 * @queue: number of the queue
 *
 * Return: bytes, 0 for a queue that is not open.
 */
u32 visorchannel_slot_bytes(const struct visorchannel *channel, u32 queue);

/* ---- pool --------------------------------------------------------------------- */

/**
 * visorbus_pool_alloc() - memory in the window's pool
 * @dev: an attached device
 * @bytes: rounded up to pages
 * @offset: set to the offset in the pool area, which is the data address to
 *	send if MULLION_EXTF_WINDOW_ADDR was agreed
 *
 * Up to the device's pool_share this fails only for fragmentation by the
 * device's own areas; beyond it, when the rest of the pool is lent out.
 * Page-aligned, contiguous, not cleared.
 *
 * Context: process.
 * Return: kernel address or NULL.
 */
void *visorbus_pool_alloc(struct visor_device *dev, size_t bytes, u64 *offset);

/**
 * visorbus_pool_free() - give an area back at once
 * @dev: the device
 * @addr: from visorbus_pool_alloc(), or NULL
 *
 * Only when no request that names the area is unanswered.  Areas that are not
 * freed return after remove, when the server has confirmed the detach: a
 * driver need not free any.
 *
 * Context: process.
 */
void visorbus_pool_free(struct visor_device *dev, void *addr);

/* ---- guest-physical addresses -------------------------------------------------- */

/**
 * visorbus_device_physical() - are data addresses guest-physical?
 * @dev: an attached device
 *
 * Then the server wants the addresses of pages, and there is no pool.  Attach has
 * made sure that DMA addresses are those; data is mapped with the functions below,
 * or with the DMA API on visorbus_dma_device().
 */
bool visorbus_device_physical(const struct visor_device *dev);

/**
 * visorbus_dma_device() - on which device data of guest-physical address is mapped
 * @dev: the device
 */
struct device *visorbus_dma_device(const struct visor_device *dev);

/**
 * visorbus_map_page() - give the server a part of a page
 * @dev: an attached device
 * @page: the page; may be the first of several in a row
 * @offset: of the part
 * @bytes: of the part
 * @direction: who writes it
 * @address: set to its data address
 *
 * Context: any.
 * Return: 0 or -ENOMEM.
 */
int visorbus_map_page(struct visor_device *dev, struct page *page,
		      unsigned int offset, unsigned int bytes,
		      enum dma_data_direction direction, u64 *address);

/**
 * visorbus_unmap_page() - the server has given it back
 * @dev: the device
 * @address: from visorbus_map_page()
 * @bytes: as for it
 * @direction: as for it
 */
void visorbus_unmap_page(struct visor_device *dev, u64 address,
			 unsigned int bytes, enum dma_data_direction direction);

/**
 * visorbus_hold_page() - a page that the server has not given back
 * @dev: a device whose driver is being removed
 * @page: the caller's reference is the bus's from here on
 *
 * It is given back when the server has confirmed the detach, or never.
 *
 * Context: any.
 */
void visorbus_hold_page(struct visor_device *dev, struct page *page);

/**
 * visorbus_hold_skb() - the same for a frame
 * @dev: a device whose driver is being removed
 * @skb: the bus's from here on
 */
void visorbus_hold_skb(struct visor_device *dev, struct sk_buff *skb);

/* ---- readiness ------------------------------------------------------------------ */

/**
 * visorbus_device_hold_ready() - scanning goes on after probe
 * @dev: the device
 *
 * /sys/devices/visorchipset/ready stays 0 until visorbus_device_release_ready()
 * was called as often.
 */
void visorbus_device_hold_ready(struct visor_device *dev);

/**
 * visorbus_device_release_ready() - the scan has ended
 * @dev: the device
 */
void visorbus_device_release_ready(struct visor_device *dev);

#endif /* MULLION_VISORBUS_H */
