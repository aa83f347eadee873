// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest.c - ethtool -t
 *
 * Disturbs nobody, online or offline: is there a link; does the service answer a
 * question (for the address that holds, or, one of s-Par, to be enabled as it
 * is); does it take what was produced in every pair.  Each is 0 if it is well.
 */
#include <linux/ethtool.h>
#include <linux/jiffies.h>

#include "visornic.h"

/* How long a service may leave a message where it is. */
#define SELFTEST_SECONDS	5

static const char selftest_names[][ETH_GSTRING_LEN] = {
	"link       (carrier)",
	"service    (question answered)",
	"queues     (messages taken)",
};

enum {
	SELFTEST_LINK,
	SELFTEST_SERVICE,
	SELFTEST_QUEUES,
	SELFTEST_COUNT,
};

/**
 * visornic_test_count() - how many tests there are
 */
int visornic_test_count(void)
{
	BUILD_BUG_ON(ARRAY_SIZE(selftest_names) != SELFTEST_COUNT);
	return SELFTEST_COUNT;
}

/**
 * visornic_test_names() - what they are called
 * @data: filled
 */
void visornic_test_names(u8 *data)
{
	memcpy(data, selftest_names, sizeof(selftest_names));
}

static int selftest_service(struct visornic *nic)
{
	if (!visornic_live(nic))
		return -ENODEV;
	if (nic->batch)
		return visornic_ask_mac(nic, nic->netdev->dev_addr);
	return READ_ONCE(nic->enabled) ? 0 : -ETIMEDOUT;
}

/* Has the service seen all that it was shown? */
static bool selftest_taken(struct visornic_queue *q)
{
	bool taken = false;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	if (visornic_live(q->nic))
		taken = visornic_slots(q, INT_MAX) ==
			(int)(q->cmd->max_slots - 1 -
			      mullion_sq_distance(q->cmd, q->cmd->published,
						  q->cmd->head));
	spin_unlock_irqrestore(&q->lock, flags);
	return taken;
}

static int selftest_queue(struct visornic_queue *q)
{
	unsigned long end = jiffies + SELFTEST_SECONDS * HZ;
	u64 before = READ_ONCE(q->cmd->count);

	while (!selftest_taken(q)) {
		/* Under load there is always something: it moves. */
		if (READ_ONCE(q->cmd->count) - before > q->cmd->max_slots)
			return 0;
		if (!visornic_live(q->nic))
			return -ENODEV;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

/**
 * visornic_self_test() - run them all
 * @netdev: the interface
 * @test: what is wanted; says whether one has failed
 * @data: a result for each
 */
void visornic_self_test(struct net_device *netdev, struct ethtool_test *test,
			u64 *data)
{
	struct visornic *nic = netdev_priv(netdev);
	unsigned int i;

	data[SELFTEST_LINK] = !netif_carrier_ok(netdev);
	data[SELFTEST_SERVICE] = -selftest_service(nic);
	data[SELFTEST_QUEUES] = 0;
	for (i = 0; i < nic->pairs && !data[SELFTEST_QUEUES]; i++)
		data[SELFTEST_QUEUES] = -selftest_queue(&nic->queues[i]);
	for (i = 0; i < SELFTEST_COUNT; i++)
		if (data[i])
			test->flags |= ETH_TEST_FL_FAILED;
}
