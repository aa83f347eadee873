/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/net_switch.h - the switch with forty clients in this very process
 *
 * Turn by turn (inproc.h), with clients that do what a driver does and what none
 * would do (net_peer.h).  Ports are named by their number; the names are short, for
 * a test consists of them.
 */
#ifndef MULLION_TESTS_NET_SWITCH_H
#define MULLION_TESTS_NET_SWITCH_H

#include "../../service/net/class.h"
#include "inproc.h"
#include "net_peer.h"

#define PORTS		40
#define TX		0		/* where in the pool frames are made */
#define RX		(1 << 20)	/* and buffers lie */
#define BUFFER		2048

extern struct inproc_bus bus[PORTS];
extern struct net_peer peer[PORTS];
extern struct mullion_net_port config[PORTS];	/* of a port; configure() makes it so */
extern const struct mullion_net_config network;	/* as it is after reset() */
extern const uint8_t broadcast[6];

/* For cmocka, once: the service, and its ports with nobody at them. */
int net_switch_setup(void **state);
/* As after that, at the beginning of each test. */
void reset(void);
/* So many turns of the loop. */
void turns(unsigned int n);

/* What the service has of a port. */
struct net_nic *nic(unsigned int p);
struct mullion_net_counters counters(unsigned int p);
void default_config(unsigned int p);
void configure(unsigned int p);

/* A new driver at the port. */
void attach(unsigned int p, uint64_t features);
/* The same, enabled, with buffers on queue pair 0. */
void up(unsigned int p, uint64_t features, unsigned int buffers);

uint8_t *frame_at(unsigned int p, uint64_t offset);
/* From the port's own address. */
void make_frame(unsigned int p, uint64_t offset, const uint8_t *to, uint32_t bytes);
/* Make one at TX and have it sent, in one turn. */
void send_to(unsigned int p, const uint8_t *to, uint64_t cookie, uint32_t bytes);
/* How many frames have come since what had come was forgotten. */
unsigned int received(unsigned int p);
/* The type of the message that a frame comes with. */
uint32_t rcv_type(unsigned int p);
/* Forget what has come to the first four ports. */
void forget(void);
/* The switch knows the address of each, and they of nothing. */
void introduce(unsigned int a, unsigned int b);

#endif /* MULLION_TESTS_NET_SWITCH_H */
