// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/network.c - networks: a switch, its uplink, and who is plugged in
 *
 * DOC: Theory of Operation
 *
 * A network is a definition until something uses it.  It is opened by the first
 * interface that is placed on it, or by the administrator: the uplink first,
 * because that is what can be refused, then the service `net-NAME`, one switch
 * for all its guests.  The service ends with the last interface, unless the
 * administrator has started the network, and the uplink ends with the service.
 *
 * The switch is told of the network as a whole before its first bus, and again
 * whenever something changes: an uplink that was opened anew, a capture that
 * begins or ends.  A descriptor is sent once to each process of the switch; a
 * configuration without one leaves it what it has.
 *
 * Failure behaviour: an uplink that cannot be opened refuses the network, and
 * whoever wanted it.  A configuration that the switch refuses is an event.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../abi/service.h"
#include "../channel/fdmsg.h"
#include "bus.h"
#include "capture.h"
#include "control.h"
#include "device_class.h"
#include "log.h"
#include "network.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "uplink.h"

#define NETWORK_ADDRESSES_MAX	1024	/* learned, per port */

struct mullion_network_wait {
	struct mullion_network_wait *next, **previous;
	bool stopped;
	mullion_network_done *fn;
	void *arg;
};

/* ---- who waits ----------------------------------------------------------- */

static int network_ready(void *arg, struct mullion_error *err);

static bool network_runs(struct mullion_network *n)
{
	return n->service && n->service->state == MULLION_SV_SERVING &&
	       network_ready(n, NULL) > 0;
}

int mullion_network_wait(struct mullion_network *n, bool stopped, mullion_network_done *fn,
			 void *arg, struct mullion_network_wait **ret)
{
	struct mullion_network_wait *wait;

	if (stopped ? !n->service : network_runs(n))
		return 1;
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	wait->stopped = stopped;
	wait->fn = fn;
	wait->arg = arg;
	wait->next = n->waits;
	if (wait->next)
		wait->next->previous = &wait->next;
	wait->previous = &n->waits;
	n->waits = wait;
	*ret = wait;
	return 0;
}

void mullion_network_wait_end(struct mullion_network_wait *wait)
{
	*wait->previous = wait->next;
	if (wait->next)
		wait->next->previous = wait->previous;
	free(wait);
}

static void network_tell(struct mullion_network *n, bool stopped, struct mullion_network *arg,
			 const struct mullion_error *err)
{
	struct mullion_network_wait *wait = n->waits;

	while (wait) {
		mullion_network_done *fn = wait->fn;
		void *fn_arg = wait->arg;

		if (wait->stopped != stopped) {
			wait = wait->next;
			continue;
		}
		mullion_network_wait_end(wait);
		fn(fn_arg, arg, err);
		/* the list may be another one now */
		wait = n->waits;
	}
}

/* ---- configuration of the switch ------------------------------------------ */

static void network_fill(const struct mullion_network *n, struct mullion_net_config *config)
{
	const struct mullion_cp_uplink *u = n->uplink;

	memset(config, 0, sizeof(*config));
	config->version = MULLION_NET_CONFIG_VERSION;
	config->uplink_mtu = n->def->mtu;
	config->ageing = n->def->ageing;
	config->addresses_max = NETWORK_ADDRESSES_MAX;
	config->flood_rate = n->def->flood_rate;
	config->uplink_vlan = (uint16_t)n->def->vlan;
	config->mirror_port_bus = MULLION_SERVICE_WIDE;
	if (u && u->fd >= 0) {
		config->uplink = u->kind->abi;
		config->flags |= u->kind->flags;
	}
	if (n->capture) {
		config->flags |= MULLION_NET_MIRROR;
		config->mirror_port_bus = mullion_capture_port(n->capture);
		config->mirror_snap = mullion_capture_snap(n->capture);
	}
}

static int network_send_mirror(struct mullion_network *n, uint64_t handle)
{
	int fd, r;

	if (!n->capture || n->capture_sent)
		return 0;
	r = mullion_capture_pipe(n->capture, &fd);
	if (r < 0) {
		mullion_event_emit(n->core->events, LOG_ERR, n->label, "capture-broken",
				   "cannot make its pipe: %s", strerror(-r));
		mullion_capture_end(n->capture);
		return 0;
	}
	r = mullion_fd_send(n->service->process->sock, MULLION_FD_STORE, handle, 1, &fd, 1);
	close(fd);
	n->capture_sent = !r;
	return r;
}

static int network_send_uplink(struct mullion_network *n, uint64_t handle)
{
	int r;

	if (!n->uplink || n->uplink->fd < 0 || n->uplink->serial == n->uplink_serial)
		return 0;
	r = mullion_fd_send(n->service->process->sock, MULLION_FD_STORE, handle, 0,
			    &n->uplink->fd, 1);
	if (!r)
		n->uplink_serial = n->uplink->serial;
	return r;
}

static void network_on_configured(void *arg, int error, uint32_t status,
				  const struct controlvm_message *answer)
{
	struct mullion_network *n = arg;
	char buffer[64];

	(void)answer;
	if (error == -ECONNRESET)
		return;
	if (error)
		mullion_event_emit(n->core->events, LOG_ERR, n->label, "network-refused",
				   "its switch does not take its configuration: %s",
				   mullion_cp_status_text(status, buffer));
	if (n->service->configuring)
		n->service->configuring--;
	mullion_service_changed(n->service);
}

/* The process has attached. */
static int network_send(struct mullion_network *n)
{
	struct mullion_service *s = n->service;
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_RECONFIGURE,
		.flags = CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER,
		.answer = network_on_configured,
		.arg = n,
		.packet.reconfigure_device = {
			.bus_no = MULLION_SERVICE_WIDE,
			.dev_no = MULLION_SERVICE_WIDE,
		},
	};
	struct mullion_net_config config;
	void *payload;
	int r;

	command.handle = mullion_cp_control_handle(s->control);
	r = network_send_uplink(n, command.handle);
	if (!r)
		r = network_send_mirror(n, command.handle);
	if (r < 0)
		return r;
	network_fill(n, &config);
	payload = mullion_cp_payload(s, 0, &config, sizeof(config), &command.payload_bytes);
	if (!payload)
		return -ENOMEM;
	command.payload = payload;
	r = mullion_cp_control_send(s->control, &command);
	free(payload);
	if (!r)
		s->configuring++;
	return r;
}

void mullion_network_configure(struct mullion_network *n)
{
	struct mullion_service *s = n->service;

	if (!s || !s->process || !mullion_cp_control_attached(s->control) ||
	    (s->state != MULLION_SV_PREPARING && s->state != MULLION_SV_SERVING))
		return;
	if (network_send(n) < 0)
		mullion_service_kill(s, "it does not read its socket");
}

/* ---- the switch, and the uplink ---------------------------------------------- */

static int network_on_attached(void *arg)
{
	struct mullion_network *n = arg;

	if (n->uplink && n->uplink_serial)
		mullion_cp_uplink_successor(n->uplink);
	n->uplink_serial = 0;
	n->capture_sent = false;
	return network_send(n);
}

static int network_ready(void *arg, struct mullion_error *err)
{
	struct mullion_network *n = arg;
	const struct mullion_cp_uplink *u = n->uplink;

	if (u && u->state == MULLION_CP_UPLINK_FAILED)
		return mullion_error_set(err, -EIO, "cannot start network", n->def->name,
					 "see the daemon's log", "mullion-nat %s", u->why);
	return !u || u->state != MULLION_CP_UPLINK_STARTING || u->restarts;
}

static int network_refuse_service(const struct mullion_network *n, struct mullion_error *err)
{
	return mullion_error_set(err, -EIO, "cannot start network", n->def->name,
				 "see the daemon's log", "%s: %s", n->service->label,
				 n->service->why);
}

static void network_changed(void *arg)
{
	struct mullion_network *n = arg;
	struct mullion_error err = { 0 };
	int r;

	if (!n->waits || !n->service)
		return;
	r = network_ready(n, &err);
	if (r >= 0 && n->service->state == MULLION_SV_FAILED)
		r = network_refuse_service(n, &err);
	if (r < 0)
		network_tell(n, false, n, &err);
	else if (network_runs(n))
		network_tell(n, false, n, NULL);
}

static void network_gone(void *arg)
{
	struct mullion_network *n = arg;
	struct mullion_error err;

	n->service = NULL;
	n->uplink = mullion_cp_uplink_free(n->uplink);
	n->uplink_serial = 0;
	mullion_capture_end(n->capture);
	n->pinned = false;
	n->closing = false;
	mullion_error_set(&err, -ESRCH, "cannot start network", n->def->name, NULL,
			  "it was stopped");
	network_tell(n, false, NULL, &err);
	network_tell(n, true, NULL, NULL);
	mullion_network_put(n);
}

static const struct mullion_service_ops network_service_ops = {
	.configure = network_on_attached,
	.ready = network_ready,
	.changed = network_changed,
	.gone = network_gone,
};

static void network_unpin(struct mullion_network *n)
{
	n->pinned = false;
	n->service->held = false;
}

static void network_on_uplink(void *arg)
{
	struct mullion_network *n = arg;

	mullion_network_configure(n);
	/* those that wait for it are told first; guests that need it will leave */
	mullion_service_tell(n->service);
	if (n->uplink->state == MULLION_CP_UPLINK_FAILED && n->pinned) {
		network_unpin(n);
		mullion_service_settle(n->service);
	}
}

/* ---- life ---------------------------------------------------------------------- */

struct mullion_network *mullion_network_find(struct mullion_core *core, const char *name)
{
	struct mullion_network *n = core->networks;

	while (n && strcmp(n->def->name, name))
		n = n->next;
	return n;
}

int mullion_network_get(struct mullion_core *core, const char *name,
			struct mullion_network **ret, struct mullion_error *err)
{
	struct mullion_network *n = mullion_network_find(core, name);
	struct mullion_network_definition *def;
	char path[PATH_MAX];
	int r;

	if (n) {
		*ret = n;
		return 0;
	}
	r = mullion_network_definition_load(core->paths, name, &def, NULL, path, err);
	if (r < 0)
		return r;
	n = calloc(1, sizeof(*n));
	if (!n) {
		mullion_network_definition_unref(def);
		return mullion_error_set(err, -ENOMEM, "cannot use network", name, NULL,
					 "out of memory");
	}
	n->core = core;
	n->def = def;
	snprintf(n->label, sizeof(n->label), "network %s", def->name);
	n->next = core->networks;
	core->networks = n;
	*ret = n;
	return 0;
}

void mullion_network_put(struct mullion_network *n)
{
	struct mullion_network **link;

	if (!n || n->nics || n->service || n->pinned)
		return;
	for (link = &n->core->networks; *link != n; link = &(*link)->next)
		;
	*link = n->next;
	while (n->waits)
		mullion_network_wait_end(n->waits);
	mullion_network_definition_unref(n->def);
	free(n);
}

/* Who comes later tries anew what has failed. */
static int network_reopen(struct mullion_network *n, struct mullion_error *err)
{
	struct mullion_cp_uplink *uplink;
	int r;

	if (!n->uplink || n->uplink->state != MULLION_CP_UPLINK_FAILED)
		return 0;
	r = mullion_cp_uplink_new(n->core, n->def, n->label, network_on_uplink, n, &uplink, err);
	if (r < 0)
		return r;
	mullion_cp_uplink_free(n->uplink);
	n->uplink = uplink;
	n->uplink_serial = 0;
	mullion_network_configure(n);
	return 0;
}

int mullion_network_open(struct mullion_network *n, struct mullion_error *err)
{
	char name[96];
	int r;

	if (n->service)
		return network_reopen(n, err);
	r = mullion_cp_uplink_new(n->core, n->def, n->label, network_on_uplink, n, &n->uplink,
				  err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "net-%s", n->def->name);
	r = mullion_service_new(n->core, &mullion_net_class, name, &n->service, err);
	if (r < 0) {
		n->uplink = mullion_cp_uplink_free(n->uplink);
		return r;
	}
	n->service->shared = true;
	n->service->wanted = true;
	n->service->ops = &network_service_ops;
	n->service->ops_arg = n;
	return 0;
}

int mullion_network_start(struct mullion_network *n, struct mullion_error *err)
{
	int r;

	if (n->pinned)
		return mullion_error_set(err, -EALREADY, "cannot start network", n->def->name,
					 NULL, "it is started already");
	r = mullion_network_open(n, err);
	if (r < 0)
		return r;
	n->pinned = true;
	n->closing = false;
	n->service->held = true;
	if (n->service->state == MULLION_SV_FAILED)
		r = mullion_service_restart(n->service, err);
	else
		r = mullion_service_start(n->service, err);
	/* nobody would be told of what has happened already */
	if (!r && n->service->state == MULLION_SV_FAILED)
		r = network_refuse_service(n, err);
	if (r < 0) {
		network_unpin(n);
		mullion_service_settle(n->service);
		return r;
	}
	return 0;
}

int mullion_network_stop(struct mullion_network *n, bool force, struct mullion_error *err)
{
	static const char what[] = "cannot stop network";
	const struct mullion_nic *user = NULL;
	const char *guest = "";
	unsigned int users = 0, placed = 0;
	struct mullion_nic *next;

	if (!n->service)
		return mullion_error_set(err, -ESRCH, what, n->def->name, NULL,
					 "it does not run");
	while ((user = mullion_nic_next(n, user))) {
		guest = user->guest;
		users++;
		placed += user->device != NULL;
	}
	if (users && !force)
		return mullion_error_set(err, -EBUSY, what, n->def->name,
					 "stop those guests, or use --force to unplug them",
					 "%u interface%s of guests use%s it, the first one is of %s",
					 users, users > 1 ? "s" : "", users > 1 ? "" : "s",
					 guest);
	n->closing = placed;
	network_unpin(n);
	for (struct mullion_nic *nic = n->nics; nic; nic = next) {
		next = nic->next;
		if (nic->device && nic->device->bus->partition)
			mullion_cp_bus_remove(nic->device->bus, false);
	}
	/* with the last one it has ended already if it had no process */
	if (!placed)
		mullion_service_settle(n->service);
	return 0;
}

void mullion_networks_free(struct mullion_core *core)
{
	struct mullion_network *n, *next;

	for (n = core->networks; n; n = next) {
		next = n->next;
		n->pinned = false;
		mullion_network_put(n);
	}
}

unsigned int mullion_networks_pinned(const struct mullion_core *core)
{
	unsigned int count = 0;

	for (const struct mullion_network *n = core->networks; n; n = n->next)
		count += n->pinned;
	return count;
}
