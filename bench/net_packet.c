// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/net_packet.c - interfaces of the kernel (a veth pair), by packet sockets
 *
 * The targets are NAMESPACE/INTERFACE.  Sent by sendmmsg() past the queueing
 * discipline, received from a ring that the kernel shares with us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netbench.h"

#define RING_BYTES (8u << 20)
#define BLOCK_BYTES (256u << 10)

struct netbench_end {
	int fd;
	bool poll, together;
	uint32_t bytes;
	uint8_t *memory;	/* of what is sent */
	uint8_t *ring;
	uint32_t slot_bytes, slots;
	uint32_t next;		/* slot to look at */
	uint8_t mac[6];
};

static struct netbench_end ends[2];

static int packet_ring(struct netbench_end *end)
{
	int version = TPACKET_V2;
	struct tpacket_req req = { .tp_block_size = BLOCK_BYTES };

	end->slot_bytes = end->bytes > 1900 ? 128u << 10 : 2048;
	end->slots = RING_BYTES / end->slot_bytes;
	req.tp_block_nr = RING_BYTES / BLOCK_BYTES;
	req.tp_frame_size = end->slot_bytes;
	req.tp_frame_nr = end->slots;
	if (setsockopt(end->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(end->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return -errno;
	end->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 end->fd, 0);
	return end->ring == MAP_FAILED ? -errno : 0;
}

static int packet_enter(const char *target, const char **interface)
{
	const char *slash = strchr(target, '/');
	char path[256];
	int fd, r;

	if (!slash)
		return -EINVAL;
	*interface = slash + 1;
	snprintf(path, sizeof(path), "/run/netns/%.*s", (int)(slash - target), target);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int packet_open(struct netbench_end **ret, const struct netbench_job *job, int side)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL) };
	struct netbench_end *end = &ends[side];
	int one = 1, size = 4 << 20, r;
	const char *interface;
	struct ifreq req = { 0 };

	r = packet_enter(job->target[side], &interface);
	if (r < 0)
		return r;
	end->poll = job->wake == NETBENCH_POLL;
	end->together = job->together;
	end->bytes = job->bytes;
	end->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (end->fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", interface);
	if (ioctl(end->fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	memcpy(end->mac, req.ifr_hwaddr.sa_data, 6);
	address.sll_ifindex = (int)if_nametoindex(interface);
	setsockopt(end->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(end->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0 ||
	    setsockopt(end->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		return -errno;
	r = packet_ring(end);
	if (r < 0)
		return r;
	if (bind(end->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	end->memory = malloc((size_t)NETBENCH_BURST * job->bytes);
	if (!end->memory)
		return -ENOMEM;
	memset(end->memory, 0x5a, (size_t)NETBENCH_BURST * job->bytes);
	*ret = end;
	return 0;
}

static void packet_mac(struct netbench_end *end, uint8_t mac[6])
{
	memcpy(mac, end->mac, 6);
}

static int packet_alloc(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	for (i = 0; i < count; i++)
		frames[i].data = end->memory + (size_t)i * end->bytes;
	return count;
}

static int packet_send(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct mmsghdr messages[NETBENCH_BURST] = { 0 };
	struct iovec iov[NETBENCH_BURST];
	int i, r;

	for (i = 0; i < count; i++) {
		iov[i] = (struct iovec){ frames[i].data, frames[i].bytes };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	r = sendmmsg(end->fd, messages, (unsigned int)count, end->poll || end->together ? MSG_DONTWAIT : 0);
	if (r < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
		return 0;
	return r < 0 ? -errno : r;
}

static int packet_flush(struct netbench_end *end)
{
	(void)end;
	return 0;
}

static struct tpacket2_hdr *packet_slot(struct netbench_end *end, uint64_t slot)
{
	return (struct tpacket2_hdr *)(void *)(end->ring + slot * end->slot_bytes);
}

static int packet_recv(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct tpacket2_hdr *h = packet_slot(end, end->next);

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		frames[i].data = (uint8_t *)h + h->tp_mac;
		frames[i].bytes = h->tp_snaplen;
		frames[i].buffer = end->next;
		end->next = (end->next + 1) % end->slots;
	}
	return i;
}

static void packet_give_back(struct netbench_end *end, struct netbench_frame *frames,
			     int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (frames[i].data < end->memory ||
		    frames[i].data >= end->memory + (size_t)NETBENCH_BURST * end->bytes)
			__atomic_store_n(&packet_slot(end, frames[i].buffer)->tp_status,
					 TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

static int packet_wait(struct netbench_end *end, int milliseconds)
{
	struct pollfd p = { .fd = end->fd, .events = POLLIN };

	if (end->poll)
		return 0;
	return poll(&p, 1, milliseconds) < 0 && errno != EINTR ? -errno : 0;
}

static void packet_close(struct netbench_end *end)
{
	munmap(end->ring, RING_BYTES);
	close(end->fd);
	free(end->memory);
}

const struct netbench_driver netbench_packet = {
	.name = "packet", .open = packet_open, .mac = packet_mac, .alloc = packet_alloc,
	.send = packet_send, .flush = packet_flush, .recv = packet_recv,
	.give_back = packet_give_back, .wait = packet_wait, .close = packet_close,
};
