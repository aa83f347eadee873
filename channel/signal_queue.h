/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/signal_queue.h - the signal queue, for kernel and user space
 *
 * DOC: Theory of Operation
 *
 * A queue is a ring of fixed-size slots in shared memory with one producer
 * and one consumer (s-Par channel ABI, section 4).  Indices are
 * pre-incremented: `head` is the slot written last, `tail` the slot read
 * last, one slot always stays empty, and the first signal goes into slot 1.
 *
 * Neither side believes the other.  Geometry (slot size, number of slots,
 * place of the slots) is read once, at attach, checked against the channel's
 * size and kept in private memory.  Each side keeps private copies of its own
 * index; it stores them to shared memory and never reads them back.  The
 * peer's index is loaded once with acquire semantics and range-checked; one
 * that is out of range is a fault of the peer (-EPROTO), and nothing of the
 * queue is touched after that.  Slots are copied out, each byte once, by the
 * caller's own copy of what is in use.
 *
 * A producer writes any number of slots, then publishes them with one store
 * of `head` (release; pairs with the acquire in mullion_sq_pending()).  A
 * consumer copies any number of slots, then gives them back with one store of
 * `tail` (release; pairs with the acquire in mullion_sq_space()).
 *
 * Doorbells are hints.  A consumer that is about to sleep stores the slot
 * that it waits for in its half of the header, then looks again
 * (mullion_sq_consumer_arm()); a producer that has published looks whether
 * that slot lies in (old head, new head] and only then needs to ring
 * (mullion_sq_publish()).  The two full barriers make it impossible that the
 * consumer misses the message and the producer misses the request: this is
 * what tests/model/wakeup.pml checks.  For a producer that sleeps on a full
 * ring the same holds with head and tail exchanged.  A peer that did not
 * agree to event indices is always rung.
 *
 * Limits: one producer and one consumer per queue; callers serialise their
 * own side.  num_sent and num_received are for people; they may lag.
 *
 * Failure behaviour: every function either succeeds, or returns a negative
 * errno and leaves shared memory and the caller's outputs as they were.
 */
#ifndef MULLION_CHANNEL_SIGNAL_QUEUE_H
#define MULLION_CHANNEL_SIGNAL_QUEUE_H

#include "../abi/channel.h"
#include "range.h"

#ifdef __KERNEL__

#include <linux/errno.h>
#include <linux/string.h>
#include <asm/barrier.h>

#define mullion_load_acquire(p)		smp_load_acquire(p)
#define mullion_store_release(p, v)	smp_store_release(p, v)
#define mullion_load_relaxed(p)		READ_ONCE(*(p))
#define mullion_store_relaxed(p, v)	WRITE_ONCE(*(p), v)
#define mullion_full_barrier()		smp_mb()

#else

#include <errno.h>
#include <string.h>

#define mullion_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define mullion_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define mullion_load_relaxed(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define mullion_store_relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
/*
 * A locked instruction rather than a fence where ThreadSanitizer watches: it
 * does not model fences.
 */
#ifdef __SANITIZE_THREAD__
#define MULLION_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MULLION_TSAN 1
#endif
#endif
#ifdef MULLION_TSAN
static inline void mullion_full_barrier(void)
{
	static __u32 word;

	__atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
}
#else
#define mullion_full_barrier()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#endif /* __KERNEL__ */

/* Most slots that a queue may have; bounds the work of one drain. */
#define MULLION_SQ_SLOTS_MAX	(1U << 16)

/**
 * struct mullion_sq - one side's private view of a queue
 * @shared: the queue's header in shared memory
 * @slots: its slots in shared memory
 * @max_slots: slots in the ring, checked, at least 2
 * @slot_bytes: bytes from one slot to the next, checked
 * @head: last slot written: own for a producer, last seen for a consumer
 * @tail: last slot read: own for a consumer, last seen for a producer
 * @published: producer: the @head that the peer can see
 * @released: consumer: the @tail that the peer can see
 * @count: signals sent or received since the last reset
 * @event_index: both sides agreed on doorbell suppression
 */
struct mullion_sq {
	struct signal_queue_header *shared;
	__u8 *slots;
	__u32 max_slots;
	__u32 slot_bytes;
	__u32 head;
	__u32 tail;
	__u32 published;
	__u32 released;
	__u64 count;
	int event_index;
};

static inline __u32 *mullion_sq_u32(const struct mullion_sq *q, __u32 offset)
{
	return (__u32 *)(void *)((__u8 *)q->shared + offset);
}

static inline __u64 *mullion_sq_u64(const struct mullion_sq *q, __u32 offset)
{
	return (__u64 *)(void *)((__u8 *)q->shared + offset);
}

#define MULLION_SQ_HEAD offsetof(struct signal_queue_header, head)
#define MULLION_SQ_TAIL offsetof(struct signal_queue_header, tail)

static inline __u32 mullion_sq_next(const struct mullion_sq *q, __u32 index)
{
	return index + 1 == q->max_slots ? 0 : index + 1;
}

/* Slots from @from, exclusive, to @to, inclusive, going round. */
static inline __u32 mullion_sq_distance(const struct mullion_sq *q,
					__u32 from, __u32 to)
{
	return to >= from ? to - from : to + q->max_slots - from;
}

/**
 * mullion_sq_format() - write a fresh, empty queue; the server's part
 * @header: where the header goes, in shared memory
 * @slots_offset: of slot 0, bytes from @header
 * @slot_bytes: bytes per slot
 * @max_slots: slots, 2 to MULLION_SQ_SLOTS_MAX
 *
 * Context: before the channel is announced, or with both sides quiesced.
 */
static inline void mullion_sq_format(struct signal_queue_header *header,
				     __u64 slots_offset, __u32 slot_bytes,
				     __u32 max_slots)
{
	struct signal_queue_header h;

	memset(&h, 0, sizeof(h));
	h.size = (__u64)slot_bytes * max_slots;
	h.sig_base_offset = slots_offset;
	h.signal_size = slot_bytes;
	h.max_slots = max_slots;
	h.max_signals = max_slots - 1;
	memcpy(header, &h, sizeof(h));
}

/**
 * mullion_sq_attach() - check a queue's geometry and take a private view
 * @q: filled on success
 * @channel: start of the channel in shared memory, at least 8-byte aligned
 * @channel_bytes: bytes of the channel that are mapped and trusted to be
 * @header_offset: of the queue's header in the channel
 * @slot_bytes: bytes per slot that the caller's messages need
 * @event_index: nonzero if both sides agreed on doorbell suppression
 *
 * The view starts at the indices found, which is right for a side that joins
 * a queue in use; after a reset call mullion_sq_reset().
 *
 * Return: 0; -EINVAL if the header or slots do not lie in the channel or are
 * not aligned; -EPROTO if slot size, number of slots or an index is invalid.
 */
static inline int mullion_sq_attach(struct mullion_sq *q, void *channel,
				    __u64 channel_bytes, __u64 header_offset,
				    __u32 slot_bytes, int event_index)
{
	struct mullion_sq view;
	struct signal_queue_header h;
	__u64 slots_offset;

	if (!mullion_range_ok(header_offset, sizeof(h), channel_bytes) ||
	    header_offset % 8)
		return -EINVAL;
	view.shared = (struct signal_queue_header *)
		      (void *)((__u8 *)channel + header_offset);
	memcpy(&h, view.shared, sizeof(h));
	/* What is checked is what is used: no second look at shared memory. */
	__asm__ volatile("" : "+m"(h));
	if (h.signal_size != slot_bytes || h.max_slots < 2 ||
	    h.max_slots > MULLION_SQ_SLOTS_MAX)
		return -EPROTO;
	if (h.head >= h.max_slots || h.tail >= h.max_slots)
		return -EPROTO;
	if (h.sig_base_offset > channel_bytes - header_offset)
		return -EINVAL;
	slots_offset = header_offset + h.sig_base_offset;
	if (!mullion_range_ok(slots_offset, (__u64)slot_bytes * h.max_slots,
			      channel_bytes))
		return -EINVAL;
	view.slots = (__u8 *)channel + slots_offset;
	view.max_slots = h.max_slots;
	view.slot_bytes = slot_bytes;
	view.head = h.head;
	view.tail = h.tail;
	view.published = h.head;
	view.released = h.tail;
	view.count = 0;
	view.event_index = event_index;
	*q = view;
	return 0;
}

/**
 * mullion_sq_reset_shared() - empty the ring; the server, and only it
 * @q: the queue
 *
 * Both sides must be quiesced; the other side then calls mullion_sq_reset().
 */
static inline void mullion_sq_reset_shared(struct mullion_sq *q)
{
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_PRODUCER_EVENT_OFFSET), 0);
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_CONSUMER_EVENT_OFFSET), 1);
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_HEAD), 0);
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_TAIL), 0);
}

/**
 * mullion_sq_reset() - start again at slot 0 after the server emptied the ring
 * @q: the queue
 * @event_index: as for mullion_sq_attach(), newly agreed
 */
static inline void mullion_sq_reset(struct mullion_sq *q, int event_index)
{
	q->head = 0;
	q->tail = 0;
	q->published = 0;
	q->released = 0;
	q->count = 0;
	q->event_index = event_index;
}

static inline void *mullion_sq_slot(const struct mullion_sq *q, __u32 index)
{
	return q->slots + (__u64)index * q->slot_bytes;
}

/* ---- producer ---------------------------------------------------------- */

/**
 * mullion_sq_space() - how many slots may be written now
 * @q: the queue, as producer
 *
 * Return: number of free slots, or -EPROTO if the peer's index is invalid.
 */
static inline int mullion_sq_space(struct mullion_sq *q)
{
	/* pairs with the release in mullion_sq_release() */
	__u32 tail = mullion_load_acquire(mullion_sq_u32(q, MULLION_SQ_TAIL));

	if (tail >= q->max_slots)
		return -EPROTO;
	/*
	 * The consumer can only have moved forward, and no further than what
	 * it was given: anything else would let it make slots reappear.
	 */
	if (mullion_sq_distance(q, q->tail, tail) >
	    mullion_sq_distance(q, q->tail, q->published))
		return -EPROTO;
	q->tail = tail;
	return (int)(q->max_slots - 1 - mullion_sq_distance(q, tail, q->head));
}

/**
 * mullion_sq_produce() - the next slot to write, if there is one
 * @q: the queue, as producer
 * @slot: on success the slot, in shared memory; write only
 *
 * The slot belongs to the caller until mullion_sq_publish().  Looks at the
 * peer's index only when the ring seems full.
 *
 * Return: 0; -EAGAIN if the ring is full; -EPROTO as mullion_sq_space().
 */
static inline int mullion_sq_produce(struct mullion_sq *q, void **slot)
{
	__u32 next = mullion_sq_next(q, q->head);
	int space;

	if (next == q->tail) {
		space = mullion_sq_space(q);
		if (space < 0)
			return space;
		if (!space) {
			__u64 *full = mullion_sq_u64(q,
				offsetof(struct signal_queue_header, num_overflows));

			mullion_store_relaxed(full, mullion_load_relaxed(full) + 1);
			return -EAGAIN;
		}
	}
	q->head = next;
	q->count++;
	*slot = mullion_sq_slot(q, next);
	return 0;
}

/* Does @event lie in (@from, @to], going round?  Hostile values say no. */
static inline int mullion_sq_event_hit(const struct mullion_sq *q, __u32 event,
				       __u32 from, __u32 to)
{
	__u32 d;

	if (event >= q->max_slots)
		return 0;
	d = mullion_sq_distance(q, from, event);
	return d && d <= mullion_sq_distance(q, from, to);
}

/**
 * mullion_sq_publish() - show the peer all slots produced so far
 * @q: the queue, as producer
 *
 * Return: nonzero if the peer wants a doorbell.
 */
static inline int mullion_sq_publish(struct mullion_sq *q)
{
	__u32 old = q->published;
	__u32 event;

	if (old == q->head)
		return 0;
	/* pairs with the acquire in mullion_sq_pending() */
	mullion_store_release(mullion_sq_u32(q, MULLION_SQ_HEAD), q->head);
	mullion_store_relaxed(mullion_sq_u64(q,
			offsetof(struct signal_queue_header, num_sent)), q->count);
	q->published = q->head;
	if (!q->event_index)
		return 1;
	/* pairs with the barrier in mullion_sq_consumer_arm() */
	mullion_full_barrier();
	event = mullion_load_relaxed(mullion_sq_u32(q,
				MULLION_SQ_CONSUMER_EVENT_OFFSET));
	return mullion_sq_event_hit(q, event, old, q->head);
}

/**
 * mullion_sq_producer_arm() - ask for a doorbell when a slot becomes free
 * @q: the queue, as producer
 *
 * Return: 1 if there is space already (do not sleep), 0 if it is right to
 * sleep, -EPROTO as mullion_sq_space().
 */
static inline int mullion_sq_producer_arm(struct mullion_sq *q)
{
	int space;

	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_PRODUCER_EVENT_OFFSET),
			      mullion_sq_next(q, q->tail));
	/* pairs with the barrier in mullion_sq_release() */
	mullion_full_barrier();
	space = mullion_sq_space(q);
	return space > 0 ? 1 : space;
}

/**
 * mullion_sq_producer_disarm() - no doorbells for space
 * @q: the queue, as producer
 *
 * To be called after a reset too, which leaves slot 0 there: a valid slot, and
 * so a doorbell in every round of the ring that nobody waits for.
 */
static inline void mullion_sq_producer_disarm(struct mullion_sq *q)
{
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_PRODUCER_EVENT_OFFSET),
			      MULLION_SQ_EVENT_NONE);
}

/* ---- consumer ---------------------------------------------------------- */

/**
 * mullion_sq_pending() - how many slots may be read now
 * @q: the queue, as consumer
 *
 * Return: number of filled slots, or -EPROTO if the peer's index is invalid.
 */
static inline int mullion_sq_pending(struct mullion_sq *q)
{
	/* pairs with the release in mullion_sq_publish() */
	__u32 head = mullion_load_acquire(mullion_sq_u32(q, MULLION_SQ_HEAD));

	if (head >= q->max_slots)
		return -EPROTO;
	/* What was seen filled stays filled: the producer only moves forward. */
	if (mullion_sq_distance(q, q->released, q->head) >
	    mullion_sq_distance(q, q->released, head))
		return -EPROTO;
	q->head = head;
	return (int)mullion_sq_distance(q, q->tail, head);
}

/**
 * mullion_sq_consume() - the next slot to read, if there is one
 * @q: the queue, as consumer
 * @slot: on success the slot, in shared memory; read each byte once
 *
 * The slot stays the caller's until mullion_sq_release().  Looks at the
 * peer's index only when everything seen so far was read.
 *
 * Return: 0; -EAGAIN if the ring is empty; -EPROTO as mullion_sq_pending().
 */
static inline int mullion_sq_consume(struct mullion_sq *q, const void **slot)
{
	int pending;

	if (q->tail == q->head) {
		pending = mullion_sq_pending(q);
		if (pending < 0)
			return pending;
		if (!pending)
			return -EAGAIN;
	}
	q->tail = mullion_sq_next(q, q->tail);
	q->count++;
	*slot = mullion_sq_slot(q, q->tail);
	return 0;
}

/**
 * mullion_sq_release() - give all slots read so far back to the producer
 * @q: the queue, as consumer
 *
 * Return: nonzero if the producer waits for space and wants a doorbell.
 */
static inline int mullion_sq_release(struct mullion_sq *q)
{
	__u32 old = q->released;
	__u32 event;

	if (old == q->tail)
		return 0;
	/* pairs with the acquire in mullion_sq_space() */
	mullion_store_release(mullion_sq_u32(q, MULLION_SQ_TAIL), q->tail);
	mullion_store_relaxed(mullion_sq_u64(q,
			offsetof(struct signal_queue_header, num_received)), q->count);
	q->released = q->tail;
	if (!q->event_index)
		return 0;
	/* pairs with the barrier in mullion_sq_producer_arm() */
	mullion_full_barrier();
	event = mullion_load_relaxed(mullion_sq_u32(q,
				MULLION_SQ_PRODUCER_EVENT_OFFSET));
	return mullion_sq_event_hit(q, event, old, q->tail);
}

/**
 * mullion_sq_consumer_arm() - ask for a doorbell at the next signal
 * @q: the queue, as consumer; everything consumed was released
 *
 * Return: 1 if there is work already (do not sleep), 0 if it is right to
 * sleep, -EPROTO as mullion_sq_pending().
 */
static inline int mullion_sq_consumer_arm(struct mullion_sq *q)
{
	int pending;

	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_CONSUMER_EVENT_OFFSET),
			      mullion_sq_next(q, q->tail));
	/* pairs with the barrier in mullion_sq_publish() */
	mullion_full_barrier();
	pending = mullion_sq_pending(q);
	return pending > 0 ? 1 : pending;
}

/**
 * mullion_sq_consumer_disarm() - no doorbells: the consumer is polling
 * @q: the queue, as consumer
 *
 * A doorbell already under way may still arrive.
 */
static inline void mullion_sq_consumer_disarm(struct mullion_sq *q)
{
	mullion_store_relaxed(mullion_sq_u32(q, MULLION_SQ_CONSUMER_EVENT_OFFSET),
			      MULLION_SQ_EVENT_NONE);
}

#endif /* MULLION_CHANNEL_SIGNAL_QUEUE_H */
