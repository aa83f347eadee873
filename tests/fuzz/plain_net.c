// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/plain_net.c - what a plain client of network cards sends */
#include "../../service/net/class.h"
#include "plain_class.h"

#define CONTEXT 0xffff888012345678ULL

static void plain_net_request(struct input *in, struct uiscmdrsp *message)
{
	static const uint8_t types[] = {
		NET_RCV_POST, NET_XMIT, NET_RCV_ENBDIS, NET_RCV_PROMISC, NET_MACADDR, NET_RCV,
		16, 18,
	};
	struct uiscmdrsp_net *net_message = &message->net;
	uint8_t which = (uint8_t)take(in, 1);
	uint64_t address;

	message->cmdtype = which & 0xc0 ? CMD_NET_TYPE : which % 7;
	net_message->type = types[which & 7];
	net_message->buf = take(in, 1);
	switch (net_message->type) {
	case NET_RCV_POST:
		address = plain_address(in);
		net_message->rcvpost.frag.pi_pfn = address >> 12;
		net_message->rcvpost.frag.pi_off = (uint16_t)(which & 8 ? take(in, 2) :
							      address & 4095);
		net_message->rcvpost.frag.pi_len = which & 16 ? (uint16_t)take(in, 2) :
						   RCVPOST_BUF_SIZE;
		break;
	case NET_XMIT:
		net_message->xmt.len = (uint32_t)take(in, which & 8 ? 4 : 2);
		net_message->xmt.num_frags = (uint32_t)take(in, 1) % (MAX_PHYS_INFO + 2);
		for (unsigned int i = 0; i < net_message->xmt.num_frags && i < MAX_PHYS_INFO &&
		     in->size; i++) {
			address = plain_address(in);
			net_message->xmt.frags[i].pi_pfn = address >> 12;
			net_message->xmt.frags[i].pi_off = (uint16_t)(address & 4095);
			net_message->xmt.frags[i].pi_len = (uint16_t)take(in, 2);
		}
		break;
	default:
		net_message->enbdis.context = take(in, 8);
		net_message->enbdis.enable = (uint16_t)take(in, 2);
		break;
	}
}

/* The next message, of @type; links are told when they like. */
static void plain_net_await(struct plain_client *client, uint32_t type,
			    struct uiscmdrsp *message)
{
	const void *answer = NULL;

	do {
		REQUIRE(!mullion_sq_consume(&client->rsp, &answer));
		memcpy(message, answer, sizeof(*message));
		mullion_sq_release(&client->rsp);
		REQUIRE(message->cmdtype == CMD_NET_TYPE);
	} while (message->net.type == NET_CONNECT_STATUS);
	REQUIRE(message->net.type == type);
}

/* An enable, a frame, and their answers. */
static void plain_net_served(struct plain_client *client)
{
	struct uiscmdrsp message;

	memset(&message, 0, sizeof(message));
	message.cmdtype = CMD_NET_TYPE;
	message.net.type = NET_RCV_ENBDIS;
	message.net.enbdis.context = CONTEXT;
	message.net.enbdis.enable = 1;
	REQUIRE(plain_send(client, &message));
	inproc_turn();
	plain_net_await(client, NET_RCV_ENBDIS_ACK, &message);
	REQUIRE(message.net.enbdis.context == CONTEXT && message.net.enbdis.enable == 1);
	memset(&message, 0, sizeof(message));
	message.cmdtype = CMD_NET_TYPE;
	message.net.type = NET_XMIT;
	message.net.buf = CONTEXT;
	message.net.xmt.len = 60;
	message.net.xmt.num_frags = 1;
	message.net.xmt.frags[0].pi_len = 60;
	REQUIRE(plain_send(client, &message));
	inproc_turn();
	plain_net_await(client, NET_XMIT_DONE, &message);
	REQUIRE(message.net.buf == CONTEXT && !message.net.xmtdone.xmt_done_result);
}

const struct plain_class plain_class = {
	.request = plain_net_request,
	.served = plain_net_served,
};
