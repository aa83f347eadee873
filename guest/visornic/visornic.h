/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * visornic.h - what the files of the network driver share
 *
 * DOC: Theory of Operation
 *
 * One visorbus device is one network interface; a queue pair of the device is
 * one transmit and one receive queue of it.  The interface keeps a stretch of
 * the window's pool from probe to remove (area.c): frames are copied into it
 * and out of it, once, and nothing is mapped.
 *
 * Where the service has the guest's RAM (visorbus_device_physical()) there is no
 * such stretch, and nothing is copied: frames are sent where they lie, piece by
 * piece, and receive buffers are pages that become part of the skb.
 *
 * Transmit (tx.c).  A pair's transmit area is used as a ring of bytes: a frame
 * takes as many as it has, rounded up to a cache line.  A frame belongs to the
 * service until it says so (XMIT_DONE).  Frames have numbers, never used twice,
 * which are their cookies; they may be answered in any order, their room returns
 * in the order in which they were sent.  The skb is kept until the answer comes:
 * a socket knows by it what of its own is still on its way.
 *
 * Receive (rx.c).  A receive buffer is a page, of the pool or of the guest.  Its cookie names it
 * and says how often it was posted, so a frame in a buffer that is not the
 * service's is known as such.  A frame is copied out of the pool into pages of the
 * guest; its headers, and nothing else, go into the skb's head, as GRO likes it.
 *
 * Two dialects (slot.c).  With MULLION_EXTF_NET_BATCH a message carries many
 * buffers or frames.  Without it the messages are those of s-Par, one frame or
 * buffer each.  A channel without Mullion's extension is spoken to in s-Par's
 * dialect with guest-physical addresses.
 *
 * Polling (poll.c).  A doorbell schedules the pair's NAPI, and the next one is
 * asked for when NAPI has found nothing more.  It runs from probe to remove,
 * also while the interface is down, since the service talks then too.
 *
 * Who may touch what:
 *
 *   the queue to the service	visornic_queue.lock
 *   its open batch		the same
 *   sending ends of the area,	the lock of the netdev_queue
 *   and of the frames
 *   the queue to the guest,	NAPI, or whoever has disabled it: with
 *   receive buffers, the other	visornic.control held
 *   ends of area and frames
 *   state of control messages	the lock of queue pair 0
 *   visornic.state		every pair's lock, to change it
 *   visornic.opened, .pairs	visornic.control
 *
 * A pair's lock is taken with interrupts off, because netconsole sends from
 * interrupts.
 *
 * rtnl_lock() is outside visornic.control, which is outside all other locks.
 * Pause and resume do not take rtnl_lock(): who holds it may be waiting for the
 * service, and so for them.
 *
 * Memory of the guest that was given to the service is its until it comes back, or
 * the service has acknowledged a disable, or has confirmed the next epoch; what a
 * driver that is removed cannot wait for, it leaves to the bus.
 *
 * States.  The bus pauses the driver when the service has gone, or was told to
 * be silent, or broke the protocol (recover.c).  Then nothing is sent, transmit
 * queues are stopped and frames without an answer are counted as lost.  Resume
 * posts all buffers anew and asks for enable; transmit queues are woken when that
 * is acknowledged.  The carrier goes only if this takes VISORNIC_ABSENT_SECONDS.
 *
 * Everything that comes from the service is hostile.  Messages are copied before
 * they are looked at.  Cookies, lengths, offsets and types that cannot be true
 * are counted and dropped; indices that cannot be true fault the channel, which
 * is then attached anew, less and less often.
 */
#ifndef MULLION_VISORNIC_H
#define MULLION_VISORNIC_H

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#include "../../abi/net.h"
#include "../compat/net.h"
#include "../visorbus/copy.h"
#include "../visorbus/visorbus.h"

/* Receive buffers: pages; s-Par's are a little smaller. */
#define VISORNIC_BUFFER_BYTES	4096U

/* Frames of a pair that may be unanswered; a power of two. */
#define VISORNIC_FRAMES		1024U
#define VISORNIC_FRAMES_MIN	4U
/* Frames start at multiples of this in the transmit area. */
#define VISORNIC_FRAME_ALIGN	64U
#define VISORNIC_BUFFERS_MIN	8U

/* Slots of the queue to the service that transmit leaves to the others. */
#define VISORNIC_SLOTS_SPARE	8

/* How long the service may take to answer a control message.  Tests are shorter. */
#ifndef VISORNIC_ANSWER_SECONDS
#define VISORNIC_ANSWER_SECONDS	10
#endif
/*
 * How long somebody waits for the answer with rtnl_lock() held, which is the
 * whole system's.  A service that can be attached anew is, after that.
 */
#define VISORNIC_PATIENCE_SECONDS	3
/* After this long without a service there is no carrier. */
#define VISORNIC_ABSENT_SECONDS	4
/* What lies unanswered, or not even taken, for so long is stuck. */
#ifndef VISORNIC_STUCK_SECONDS
#define VISORNIC_STUCK_SECONDS	15
#endif
/* A service that has to be attached anew again and again has so long in between. */
#ifndef VISORNIC_BACKOFF_MAX
#define VISORNIC_BACKOFF_MAX	60
#endif

enum visornic_state {
	VISORNIC_PAUSED,
	VISORNIC_RUNNING,
	VISORNIC_GONE,
};

/**
 * struct visornic_frame - a frame that the service may be sending
 * @skb: where it came from, NULL if not from the stack or answered
 * @page: where it lies, if an XDP program sends it from memory of the guest
 * @address: its data address there
 * @end: place in the area behind it
 * @bytes: of the frame; what the byte queue limit was told
 * @done: answered, out of order
 */
struct visornic_frame {
	struct sk_buff *skb;
	struct page *page;
	u64 address;
	u32 end;
	u32 bytes;
	bool done;
};

/**
 * struct visornic_piece - a piece of a frame to send
 * @address: its data address
 * @length: bytes
 */
struct visornic_piece {
	u64 address;
	u32 length;
};

/* A frame's head and its fragments, of which each is in one piece. */
#define VISORNIC_PIECES		(1 + MAX_SKB_FRAGS)

/**
 * struct visornic_buffer - a receive buffer
 * @page: memory of the guest, or NULL; kept until it is a part of an skb
 * @address: its data address
 * @posts: how often it was posted
 * @posted: it is the service's
 */
struct visornic_buffer {
	struct page *page;
	u64 address;
	u32 posts;
	bool posted;
};

/**
 * struct visornic_tx_stats - what a pair has sent
 * @sync: of the following
 * @packets: frames that the service says were sent
 * @bytes: of them
 * @errors: frames that the service could not send
 * @lost: frames without an answer when the service went
 * @drop_sync: of the following, which is the sender's; the others are NAPI's
 * @dropped: frames that were never given to it
 *
 * The rest are only shown by ethtool.
 */
struct visornic_tx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t errors;
	u64_stats_t lost;
	struct u64_stats_sync drop_sync;
	u64_stats_t dropped;
	u64 messages;
	u64 rings;
	u64 stops;
	u64 wakes;
	u64 ring_full;
	u64 xdp;
};

/**
 * struct visornic_rx_stats - what a pair has received
 * @sync: of the following
 * @packets: frames given to the stack
 * @bytes: of them
 * @multicast: of them
 * @errors: frames that made no sense
 * @dropped: frames for which there was no memory, or nobody
 * @missed: frames that the service had no buffer for
 *
 * The rest are only shown by ethtool.
 */
struct visornic_rx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t multicast;
	u64_stats_t errors;
	u64_stats_t dropped;
	u64_stats_t missed;
	u64 messages;
	u64 interrupts;
	u64 posts;
	u64 large;
	u64 bad_cookies;
	u64 bad_lengths;
	u64 bad_offloads;
	u64 invalid;
	u64 stale;
	u64 xdp_drops;
	u64 xdp_sends;
	u64 xdp_redirects;
};

/**
 * struct visornic_watch - something that the service is to move on
 * @at: where it was
 * @since: since when, in jiffies
 */
struct visornic_watch {
	u64 at;
	unsigned long since;
};

/**
 * struct visornic_queue - a queue pair
 * @nic: its interface
 * @index: its number
 * @napi: polls it
 * @timer: polls it again, if doorbells are to be rare
 * @lock: of @cmd to @batch_bytes
 * @cmd: queue to the service
 * @batch: slot of the XMIT message that is being filled, in shared memory
 * @batch_count: entries in it
 * @batch_bytes: bytes of frames that were produced and not yet published
 * @tx_area: transmit area
 * @tx_address: its data address
 * @tx_bytes: its size, a power of two
 * @frames: ring of VISORNIC_FRAMES
 * @tx_head: number of the next frame
 * @area_head: where it goes
 * @tx_stats: counters
 * @tx_tail: number of the oldest unanswered frame
 * @area_tail: where it lies
 * @tx_watch: does the service answer frames?
 * @cmd_watch: does it take messages?
 * @watch_next: when to look again, in jiffies
 * @rsp: queue to the guest
 * @armed: a doorbell was asked for
 * @message: private copy of the last message
 * @next: first entry of a RCV in @message that was not seen yet
 * @rx_area: receive buffers
 * @rx_address: their data address
 * @buffers: their states
 * @free: stack of those that are ours
 * @free_count: how many
 * @frag: pages that received frames are copied to
 * @xdp_rxq: what XDP programs are told of the queue
 * @xdp_sent: this poll has frames of XDP programs to flush
 * @rx_stats: counters
 */
struct visornic_queue {
	struct visornic *nic;
	unsigned int index;
	struct napi_struct napi;
	struct hrtimer timer;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct mullion_sq *cmd;
	struct mullion_io_slot *batch;
	u16 batch_count;
	u32 batch_bytes;

	u8 *tx_area ____cacheline_aligned_in_smp;
	u64 tx_address;
	u32 tx_bytes;
	struct visornic_frame *frames;
	u64 tx_head;
	u32 area_head;
	struct visornic_tx_stats tx_stats;

	u64 tx_tail ____cacheline_aligned_in_smp;
	u32 area_tail;
	struct visornic_watch tx_watch;
	struct visornic_watch cmd_watch;
	unsigned long watch_next;
	struct mullion_sq *rsp;
	bool armed;
	struct mullion_net_batch *message;
	u16 next;
	u8 *rx_area;
	u64 rx_address;
	struct visornic_buffer *buffers;
	u16 *free;
	u32 free_count;
	struct page_frag frag;
	struct xdp_rxq_info xdp_rxq;
	bool xdp_sent;
	struct visornic_rx_stats rx_stats;
};

/* visornic_talk.pending: control messages to send, in this order */
#define VISORNIC_SEND_OFFLOADS	(1U << 0)
#define VISORNIC_SEND_PROMISC	(1U << 1)
#define VISORNIC_SEND_MAC	(1U << 2)
#define VISORNIC_SEND_ENABLE	(1U << 3)

/**
 * struct visornic_talk - control messages; under the lock of queue pair 0
 * @pending: VISORNIC_SEND_*
 * @context: of the last question
 * @enable: what is asked for
 * @enable_context: of the question that has no answer, or 0
 * @enable_asked: when that was, in jiffies
 * @promisc: take all frames
 * @offloads: MULLION_NET_RX_*
 * @mac: address that is asked for
 * @mac_context: of the question that has no answer, or 0
 * @mac_answered: of the last question that somebody waited for, and was answered
 * @mac_asked: somebody waits for the answer
 * @mac_told: address that the service has told of
 * @mac_news: it has not been taken over yet
 * @link_up: last connect status
 * @invalid: answers to no question, addresses that are none
 */
struct visornic_talk {
	u32 pending;
	u64 context;
	bool enable;
	u64 enable_context;
	unsigned long enable_asked;
	bool promisc;
	u32 offloads;
	u8 mac[ETH_ALEN];
	u64 mac_context;
	u64 mac_answered;
	bool mac_asked;
	u8 mac_told[ETH_ALEN];
	bool mac_news;
	bool link_up;
	u64 invalid;
};

/**
 * struct visornic - an interface
 * @netdev: to the network stack
 * @dev: to the bus
 * @state: enum visornic_state
 * @batch: MULLION_EXTF_NET_BATCH was agreed
 * @offload: MULLION_EXTF_NET_OFFLOAD was agreed
 * @slot_ext: MULLION_EXTF_SLOT_EXT was agreed
 * @has_ext: the channel has Mullion's extension: it can be attached anew
 * @epoch: of messages; changes between pause and resume
 * @queue_count: queue pairs that there are
 * @pairs: queue pairs in use
 * @pairs_wanted: from the next attach on
 * @queues: the queue pairs
 * @area: memory of the pool
 * @area_address: its data address
 * @area_bytes: its size
 * @physical: data are named by guest-physical addresses: there is no @area
 * @buffer_bytes: bytes of a receive buffer that the service fills
 * @rx_limit: receive buffers of a pair that the service takes
 * @rx_max: receive buffers of a pair that there are
 * @rx_wanted: as the administrator wants it
 * @rx_count: receive buffers of a pair that are posted
 * @tx_max: most unanswered frames of a pair
 * @tx_count: unanswered frames of a pair that are allowed
 * @frame_max: bytes of the largest frame that is sent
 * @coalesce_usecs: time between polls in place of doorbells, or 0
 * @xdp_prog: XDP program
 * @control: serialises open, stop, pause, resume
 * @opened: the interface is up
 * @napi_on: NAPI is enabled
 * @receiving: buffers are posted, frames taken
 * @enabled: the service has acknowledged
 * @channel_mac: the address in the channel, if it is one
 * @mac_changed: the guest has chosen another
 * @removing: remove has begun
 * @faulted: the channel was called faulted
 * @stuck: a transmit queue did not move
 * @unsettled: the service was asked to enable and has not acknowledged a disable
 *	since, nor another attach: it may use the area
 * @wait: woken by answers and changes of @state
 * @talk: control messages
 * @begin_work: begins when the service has answered a disable
 * @mac_work: takes over an address of the service
 * @absent_work: the service is away for long
 * @recover_work: attaches anew
 * @backoff: seconds until @recover_work tries again
 * @resumed: when resume was last called, in jiffies
 * @speed: for people and bonding, the administrator's choice
 * @duplex: the same
 *
 * The rest are counters.
 */
struct visornic {
	struct net_device *netdev;
	struct visor_device *dev;
	enum visornic_state state;
	bool batch;
	bool offload;
	bool slot_ext;
	bool has_ext;
	u32 epoch;
	unsigned int queue_count;
	unsigned int pairs;
	unsigned int pairs_wanted;
	struct visornic_queue *queues;

	u8 *area;
	u64 area_address;
	size_t area_bytes;
	bool physical;
	u32 buffer_bytes;
	u32 rx_limit;
	u32 rx_max;
	u32 rx_wanted;
	u32 rx_count;
	u32 tx_max;
	u32 tx_count;
	u32 frame_max;
	u32 coalesce_usecs;
	struct bpf_prog __rcu *xdp_prog;

	struct mutex control;
	bool opened;
	bool napi_on;
	bool receiving;
	bool enabled;
	u8 channel_mac[ETH_ALEN] __aligned(2);
	bool mac_changed;
	bool removing;
	bool faulted;
	bool stuck;
	bool unsettled;
	wait_queue_head_t wait;
	struct visornic_talk talk;
	struct work_struct begin_work;
	struct delayed_work mac_work;
	struct delayed_work absent_work;
	struct delayed_work recover_work;
	unsigned int backoff;
	unsigned long resumed;
	u32 speed;
	u8 duplex;

	u64 resumes;
	u64 resets;
	u64 faults;
	u64 tx_timeouts;
	u64 answer_timeouts;
	u64 link_changes;
};

/* May the rings be used? */
static inline bool visornic_running(const struct visornic *nic)
{
	return READ_ONCE(nic->state) == VISORNIC_RUNNING &&
	       !READ_ONCE(nic->faulted);
}

/* Is there a service that will answer? */
static inline bool visornic_live(const struct visornic *nic)
{
	return visornic_running(nic) && !visorbus_device_gone(nic->dev);
}

/* A cookie: its top bit is 0, for there are at most 16 pairs. */
static inline u64 visornic_cookie(const struct visornic_queue *q, u64 value)
{
	return (u64)q->index << 56 | (value & GENMASK_ULL(55, 0));
}

static inline u64 visornic_cookie_value(u64 cookie)
{
	return cookie & GENMASK_ULL(55, 0);
}

/* area.c */
int visornic_area_init(struct visornic *nic);
int visornic_area_divide(struct visornic *nic, unsigned int pairs);
void visornic_area_exit(struct visornic *nic);

/* slot.c */
int visornic_slots(struct visornic_queue *q, int wanted);
int visornic_slot(struct visornic_queue *q, struct mullion_io_slot **slot);
int visornic_slot_wait(struct visornic_queue *q);
bool visornic_publish(struct visornic_queue *q);
void visornic_fill(const struct visornic *nic, struct mullion_io_slot *slot,
		   u32 type);
int visornic_slot_xmit(struct visornic_queue *q, u64 cookie,
		       const struct visornic_piece *pieces, unsigned int count,
		       const struct mullion_net_entry *entry, const void *header);
int visornic_slot_post(struct visornic_queue *q, u32 count);
u32 visornic_slot_take(struct visornic_queue *q,
		       const struct mullion_io_slot *slot, u32 type);

/* tx.c */
netdev_tx_t visornic_start_xmit(struct sk_buff *skb, struct net_device *netdev);
bool visornic_tx_xdp(struct visornic_queue *q, struct page *page, void *data,
		     u32 bytes);
void visornic_tx_flush(struct visornic_queue *q);
void visornic_tx_done(struct visornic_queue *q, const u64 *cookies,
		      unsigned int count, int budget);
void visornic_tx_wake(struct visornic_queue *q);
void visornic_tx_forget(struct visornic_queue *q, bool confirmed);

/* rx.c */
void visornic_rx_reset(struct visornic_queue *q);
void visornic_rx_post(struct visornic_queue *q, u32 at_least);
bool visornic_rx_return(struct visornic_queue *q, u64 cookie);
int visornic_rx_frames(struct visornic_queue *q, int budget, bool last);
void visornic_rx_copy(const struct visornic_queue *q,
		      const struct mullion_net_entry *entries, u32 from,
		      void *dst, u32 bytes);

/* offload.c */
bool visornic_rx_offload(struct visornic_queue *q, struct sk_buff *skb,
			 const struct mullion_net_entry *entry);
bool visornic_tx_offload(const struct visornic *nic, struct sk_buff *skb,
			 struct mullion_net_entry *entry);
u32 visornic_rx_offloads(const struct visornic *nic,
			 netdev_features_t features);

/* xdp.c */
enum visornic_xdp_verdict {
	VISORNIC_XDP_SKB,	/* *skb is what the stack gets */
	VISORNIC_XDP_TAKEN,	/* nothing of the frame is left */
	VISORNIC_XDP_ERROR,	/* drop and count it */
};

int visornic_xdp(struct net_device *netdev, struct netdev_bpf *bpf);
enum visornic_xdp_verdict visornic_xdp_run(struct visornic_queue *q,
					   struct bpf_prog *prog,
					   const struct mullion_net_entry *entries,
					   u32 bytes, struct sk_buff **skb);
u32 visornic_xdp_mtu(void);

/* poll.c */
void visornic_queue_interrupt(struct visor_device *dev, unsigned int pair);
enum hrtimer_restart visornic_poll_timer(struct hrtimer *timer);
int visornic_poll(struct napi_struct *napi, int budget);
void visornic_drain(struct visornic_queue *q);
void visornic_kick(struct visornic *nic);

/* control.c */
int visornic_start(struct visornic *nic);
void visornic_stop(struct visornic *nic);
void visornic_begin(struct visornic *nic);
void visornic_begin_work(struct work_struct *work);
void visornic_talk_send(struct visornic *nic, u32 what);
void visornic_talk_flush(struct visornic *nic);
void visornic_talk_forget(struct visornic *nic);
void visornic_control(struct visornic_queue *q, u32 type,
		      const struct mullion_io_slot *slot);
int visornic_ask_mac(struct visornic *nic, const u8 *mac);
void visornic_mac_news(struct visornic *nic, const u8 *mac);
void visornic_mac_work(struct work_struct *work);
void visornic_napi_off(struct visornic *nic);
void visornic_napi_on(struct visornic *nic);

/* recover.c */
void visornic_set_state(struct visornic *nic, enum visornic_state state);
int visornic_take_features(struct visornic *nic);
int visornic_pause(struct visor_device *dev,
		   visorbus_state_complete_func complete_func);
int visornic_resume(struct visor_device *dev,
		    visorbus_state_complete_func complete_func);
void visornic_fault(struct visornic *nic, const char *why);
void visornic_recover(struct visornic *nic);
void visornic_watch(struct visornic_queue *q);
void visornic_tx_timeout(struct net_device *netdev, unsigned int queue);
void visornic_absent_work(struct work_struct *work);
void visornic_recover_work(struct work_struct *work);

/* ethtool.c */
extern const struct ethtool_ops visornic_ethtool_ops;

/* selftest.c */
int visornic_test_count(void);
void visornic_test_names(u8 *data);
void visornic_self_test(struct net_device *netdev, struct ethtool_test *test,
			u64 *data);

/* main.c */
int visornic_set_pairs(struct visornic *nic, unsigned int pairs);

#endif /* MULLION_VISORNIC_H */
