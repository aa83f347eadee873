// SPDX-License-Identifier: GPL-2.0-only
/*
 * net_bad.c - mockbus: what no network service should say
 *
 * Each bad message is put before a true one.  Where one needs a buffer that is
 * truly posted it takes another one, which returns to the driver with it.
 */
#include <linux/etherdevice.h>

#include "mocknet.h"

/* hostile: messages more, before the true one */
#define MOCK_BAD_COOKIE		(1U << 0)	/* of no buffer */
#define MOCK_BAD_OLD		(1U << 1)	/* of the buffer's last post */
#define MOCK_BAD_TWICE		(1U << 2)	/* one buffer twice */
#define MOCK_BAD_LENGTH		(1U << 3)	/* lengths that no buffer has */
#define MOCK_BAD_EPOCH		(1U << 4)	/* true, of an older epoch */
#define MOCK_BAD_TYPE		(1U << 5)	/* of no type, of the other dialect */
#define MOCK_BAD_DONE		(1U << 6)	/* frames that were not sent */
#define MOCK_BAD_COUNT		(1U << 7)	/* more than there can be */
#define MOCK_BAD_MORE		(1U << 8)	/* a frame without an end */
#define MOCK_BAD_OFFLOAD	(1U << 9)	/* offloads that cannot be */
#define MOCK_BAD_CONTROL	(1U << 10)	/* answers to no question */
#define MOCK_BAD_PAIR		(1U << 11)	/* buffer of another pair */

static struct mullion_io_slot bad;	/* one thread, and large */

static struct mullion_net_batch *bad_rcv(struct mock *m, u16 count)
{
	struct mullion_net_batch *batch = (void *)&bad;

	mock_net_begin(m, &bad, MULLION_NET_RCV);
	batch->count = count;
	return batch;
}

static void bad_entry(struct mock *m, unsigned int pair,
		      struct mullion_net_entry entry)
{
	struct mullion_net_batch *batch = bad_rcv(m, 1);

	batch->entries[0] = entry;
	mock_put(m, pair, &bad);
}

/* With a cookie that is true, if there is one. */
static void bad_buffer(struct mock *m, unsigned int pair,
		       struct mullion_net_entry entry)
{
	struct mock_buffer buffer;

	if (!mock_net_pop(m, pair, &buffer))
		return;
	entry.cookie = buffer.cookie;
	bad_entry(m, pair, entry);
}

static void bad_cookies(struct mock *m, unsigned int pair, u32 mask)
{
	struct mullion_net_batch *batch;
	struct mock_buffer buffer;

	if (mask & MOCK_BAD_COOKIE) {
		bad_entry(m, pair, (struct mullion_net_entry){ .cookie = ~0ULL, .length = 60 });
		bad_entry(m, pair, (struct mullion_net_entry){ .cookie = 0, .length = 60 });
		bad_entry(m, pair, (struct mullion_net_entry){ .cookie = 0x1ffff, .length = 60 });
	}
	if (mask & MOCK_BAD_OLD && m->net->q[pair].posted)
		bad_entry(m, pair, (struct mullion_net_entry){
			.cookie = m->net->q[pair].buffers[0].cookie - 0x10000,
			.length = 60,
		});
	if (mask & MOCK_BAD_PAIR && m->net->q[pair].posted)
		bad_entry(m, pair, (struct mullion_net_entry){
			.cookie = m->net->q[pair].buffers[0].cookie ^ 1ULL << 56,
			.length = 60,
		});
	if (mask & MOCK_BAD_TWICE && mock_net_pop(m, pair, &buffer)) {
		batch = bad_rcv(m, 2);
		batch->entries[0].cookie = buffer.cookie;
		batch->entries[0].length = buffer.length;
		batch->entries[0].flags = MULLION_NET_MORE;
		batch->entries[1].cookie = buffer.cookie;
		batch->entries[1].length = 60;
		mock_put(m, pair, &bad);
	}
}

static void bad_frames(struct mock *m, unsigned int pair, u32 mask)
{
	if (mask & MOCK_BAD_LENGTH) {
		bad_buffer(m, pair, (struct mullion_net_entry){ .length = 0 });
		bad_buffer(m, pair, (struct mullion_net_entry){ .length = 13 });
		bad_buffer(m, pair, (struct mullion_net_entry){ .length = 4097 });
		bad_buffer(m, pair, (struct mullion_net_entry){ .length = ~0U });
	}
	if (mask & MOCK_BAD_MORE)
		bad_buffer(m, pair, (struct mullion_net_entry){
			.length = 100, .flags = MULLION_NET_MORE,
		});
	if (!(mask & MOCK_BAD_OFFLOAD))
		return;
	bad_buffer(m, pair, (struct mullion_net_entry){
		.length = 1000, .flags = MULLION_NET_NEEDS_CSUM,
		.csum_start = 0xffff, .csum_offset = 0xffff,
	});
	bad_buffer(m, pair, (struct mullion_net_entry){
		.length = 1000, .flags = MULLION_NET_NEEDS_CSUM,
		.csum_start = 998, .csum_offset = 1,
	});
	bad_buffer(m, pair, (struct mullion_net_entry){
		.length = 1000, .gso_type = 0x42, .gso_size = 100,
	});
	bad_buffer(m, pair, (struct mullion_net_entry){
		.length = 4000, .gso_type = MULLION_NET_GSO_TCPV4,
		.flags = MULLION_NET_NEEDS_CSUM, .csum_start = 34,
		.csum_offset = 16, .gso_size = 0,
	});
	bad_buffer(m, pair, (struct mullion_net_entry){
		.length = 4000, .gso_type = MULLION_NET_GSO_TCPV6 | MULLION_NET_GSO_ECN,
		.flags = MULLION_NET_NEEDS_CSUM, .csum_start = 34,
		.csum_offset = 16, .gso_size = 1,
	});
}

static void bad_messages(struct mock *m, unsigned int pair, u32 mask)
{
	struct mullion_net_batch *batch = (void *)&bad;

	if (mask & MOCK_BAD_TYPE) {
		memset(&bad, 0xa5, sizeof(bad));
		mock_put(m, pair, &bad);
		mock_net_begin(m, &bad, 0xfeedU);
		mock_put(m, pair, &bad);
		mock_net_begin(m, &bad, mock_net_batch(m) ? (u32)NET_RCV :
			       (u32)MULLION_NET_RCV);
		mock_put(m, pair, &bad);
	}
	if (mask & MOCK_BAD_COUNT) {
		bad_rcv(m, MULLION_NET_BATCH_MAX + 1);
		mock_put(m, pair, &bad);
		bad_rcv(m, 0xffff);
		mock_put(m, pair, &bad);
		mock_net_begin(m, &bad, MULLION_NET_XMIT_DONE);
		batch->count = MULLION_NET_DONE_MAX + 1;
		mock_put(m, pair, &bad);
	}
	if (mask & MOCK_BAD_DONE) {
		mock_net_begin(m, &bad, MULLION_NET_XMIT_DONE);
		batch->count = 3;
		batch->cookies[0] = ~0ULL;
		batch->cookies[1] = 0;
		batch->cookies[2] = 1ULL << 40;
		mock_put(m, pair, &bad);
	}
}

static void bad_control(struct mock *m, unsigned int pair)
{
	mock_net_begin(m, &bad, NET_RCV_ENBDIS_ACK);
	bad.rsp.net.enbdis.enable = 1;
	bad.rsp.net.enbdis.context = 12345;
	mock_put(m, pair, &bad);
	mock_net_begin(m, &bad, NET_MACADDR_ACK);
	mock_put(m, pair, &bad);
	mock_net_begin(m, &bad, NET_MACADDR);
	eth_broadcast_addr(bad.rsp.net.macaddr.macaddr);
	mock_put(m, pair, &bad);
}

static void bad_spar(struct mock *m, u32 mask)
{
	static const u32 lengths[] = { 0, 13, RCVPOST_BUF_SIZE + 1, ~0U };
	struct mock_buffer buffer;
	unsigned int i;

	for (i = 0; i < 256 && mask & MOCK_BAD_COUNT; i += 85) {
		mock_net_begin(m, &bad, NET_RCV);
		bad.rsp.net.rcv.rcv_done_len = 60;
		bad.rsp.net.rcv.numrcvbufs = i;
		mock_put(m, 0, &bad);
	}
	for (i = 0; i < ARRAY_SIZE(lengths) && mask & MOCK_BAD_LENGTH; i++) {
		if (!mock_net_pop(m, 0, &buffer))
			break;
		mock_net_begin(m, &bad, NET_RCV);
		bad.rsp.net.rcv.rcv_done_len = lengths[i];
		bad.rsp.net.rcv.numrcvbufs = 1;
		bad.rsp.net.rcv.rcvbuf[0] = buffer.cookie;
		mock_put(m, 0, &bad);
	}
	if (mask & MOCK_BAD_TWICE && mock_net_pop(m, 0, &buffer)) {
		mock_net_begin(m, &bad, NET_RCV);
		bad.rsp.net.rcv.rcv_done_len = 5000;
		bad.rsp.net.rcv.numrcvbufs = 2;
		bad.rsp.net.rcv.rcvbuf[0] = buffer.cookie;
		bad.rsp.net.rcv.rcvbuf[1] = buffer.cookie;
		mock_put(m, 0, &bad);
	}
	if (mask & MOCK_BAD_COOKIE) {
		mock_net_begin(m, &bad, NET_RCV);
		bad.rsp.net.rcv.rcv_done_len = 60;
		bad.rsp.net.rcv.numrcvbufs = 1;
		bad.rsp.net.rcv.rcvbuf[0] = ~0ULL;
		mock_put(m, 0, &bad);
	}
	if (mask & MOCK_BAD_DONE) {
		mock_net_begin(m, &bad, NET_XMIT_DONE);
		bad.rsp.net.buf = ~0ULL;
		mock_put(m, 0, &bad);
	}
}

/* Everything wrong that can be said before the truth. */
void mock_net_bad(struct mock *m, unsigned int pair,
		  const struct mullion_io_slot *truth)
{
	u32 mask = READ_ONCE(mock_hostile);

	if (mask & MOCK_BAD_EPOCH && m->features & MULLION_EXTF_SLOT_EXT) {
		memcpy(&bad, truth, sizeof(bad));
		bad.ext.epoch--;
		mock_put(m, pair, &bad);
	}
	if (mask & MOCK_BAD_CONTROL) {
		bad_control(m, pair);
		if (pair)
			bad_control(m, 0);
	}
	bad_messages(m, pair, mask);
	if (mock_net_batch(m)) {
		bad_cookies(m, pair, mask);
		bad_frames(m, pair, mask);
	} else {
		bad_spar(m, mask);
	}
}
