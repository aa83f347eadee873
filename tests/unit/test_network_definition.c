// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_network_definition.c - definitions of networks: what is accepted,
 * what is refused and with which words, the one that is built in, and files
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../command/network_definition.h"

static struct mullion_network_definition *ini(const char *text)
{
	struct mullion_network_definition *def = NULL;
	struct mullion_error err = { 0 };

	if (mullion_network_definition_from_ini(text, strlen(text), "f.ini", NULL, &def, &err))
		fail_msg("refused: %s: %s", err.object, err.why);
	return def;
}

/* One line behind the name must be refused with words that hold @why. */
static void refused(const char *lines, const char *why)
{
	struct mullion_network_definition *def = NULL;
	struct mullion_error err = { 0 };
	char text[1024];

	snprintf(text, sizeof(text), "[Network]\nName=n\n%s\n", lines);
	assert_int_equal(mullion_network_definition_from_ini(text, strlen(text), "f.ini", NULL,
							     &def, &err), -EINVAL);
	assert_null(def);
	if (!strstr(err.why, why))
		fail_msg("%s: \"%s\" does not hold \"%s\"", lines, err.why, why);
}

static void test_defaults(void **state)
{
	struct mullion_network_definition *def = ini("[Network]\nName=n\n");

	(void)state;
	assert_int_equal(def->uplink, MULLION_NETWORK_UPLINK_NONE);
	assert_int_equal(def->mtu, 1500);
	assert_int_equal(def->ageing, 300);
	assert_int_equal(def->flood_rate, 10000);
	assert_false(def->isolated);
	assert_false(def->host_loopback);
	mullion_network_definition_unref(def);
}

static void test_full(void **state)
{
	struct mullion_network_definition *def;
	json_t *one, *two;

	(void)state;
	def = ini("# c\n[Network]\nName=web\nUplink=nat\nIPv4=192.168.0.0/16\nIPv6=fd00:1::/64\n"
		  "Forward=tcp:8080:80\nForward=udp:127.0.0.1:53:10.0.2.15:53\n"
		  "Forward=tcp:[::1]:1:[fd00::15]:65535\nForward=tcp:1:10.0.2.9:2\n"
		  "HostLoopback=yes\nMTU=1400\n"
		  "Vlan=7\nAgeing=1\nFloodRate=0\nIsolated=yes\n");
	assert_int_equal(def->uplink, MULLION_NETWORK_UPLINK_NAT);
	assert_string_equal(def->forwards[2], "tcp:[::1]:1:[fd00::15]:65535");
	assert_null(def->forwards[4]);
	assert_int_equal(def->vlan, 7);
	assert_int_equal(def->flood_rate, 0);
	assert_true(def->isolated);
	assert_true(def->host_loopback);
	one = mullion_network_definition_describe(def);
	mullion_network_definition_unref(def);
	assert_int_equal(mullion_network_definition_from_json(one, NULL, &def, NULL), 0);
	two = mullion_network_definition_describe(def);
	assert_true(json_equal(one, two));
	json_decref(one);
	json_decref(two);
	mullion_network_definition_unref(def);

	def = ini("[Network]\nName=t\nUplink=tap\nBridge=br-0.x\n");
	assert_null(def->tap);
	assert_string_equal(def->bridge, "br-0.x");
	mullion_network_definition_unref(def);
	def = ini("[Network]\nFolder=/run\nName=p\nUplink=passt\nSocket=p.sock\n");
	assert_string_equal(def->socket, "/run/p.sock");
	mullion_network_definition_unref(def);
}

static void test_refused(void **state)
{
	char text[300];

	(void)state;
	refused("Uplink=wifi", "not none, nat, tap or passt");
	refused("Uplink=tap", "needs a tap");
	refused("Uplink=tap\nTap=abcdefghijklmnop", "1 to 15 characters");
	refused("Uplink=tap\nTap=a b", "name of an interface");
	refused("Uplink=tap\nTap=a%d", "name of an interface");
	refused("Uplink=tap\nTap=..", "name of an interface");
	refused("Uplink=tap\nTap=a\nSocket=/x", "uplink passt only");
	refused("Tap=a", "uplink tap only");
	refused("Uplink=passt", "needs socket");
	refused("Uplink=passt\nSocket=x", "absolute path");
	snprintf(text, sizeof(text), "Uplink=passt\nSocket=/%0120d", 0);
	refused(text, "too long");
	refused("Uplink=nat\nIPv4=10.0.2.0", "10.0.2.0/24");
	refused("Uplink=nat\nIPv4=10.0.2.0/28", "8 and 27");
	refused("Uplink=nat\nIPv4=10.0.2.0/024x", "10.0.2.0/24");
	refused("Uplink=nat\nIPv4=10.0.2.1/24", "bits behind");
	refused("Uplink=nat\nIPv4=fd00::/64", "10.0.2.0/24");
	refused("Uplink=nat\nIPv6=fd00::/48", "64");
	refused("Uplink=nat\nIPv6=fd00::1/64", "bits behind");
	refused("IPv4=10.0.2.0/24", "uplink nat only");
	refused("Forward=tcp:1:2", "uplink nat only");
	refused("HostLoopback=yes", "uplink nat only");
	refused("Uplink=nat\nHostLoopback=1", "not no or yes");
	refused("Uplink=nat\nForward=sctp:1:2", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:1", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:0:2", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:1:65536", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:host:1:2", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:1:2:3", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:127.0.0.1:1:2:", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:[::1:1:2", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:[::1]x:1:2", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:1.2.3.4:1:1.2.3.4:2:3", "HOSTPORT");
	refused("Uplink=nat\nForward=tcp:127.0.0.1:1:[fd00::1]:2", "two kinds");
	refused("Uplink=nat\nForward=tcp:1:2\nForward=tcp:1:2", "given twice");
	refused("MTU=67", "within 68 and 16384");
	refused("Vlan=4095", "within 0 and 4094");
	refused("Vlan=4", "there is none");
	refused("Ageing=0", "within 1");
	refused("FloodRate=x", "not a number");
	refused("Isolated=on", "not no or yes");
	refused("Name=m", "given twice");
	refused("Memory=1G", "unknown key");
	refused("[Guest]", "only [Network] is known");
}

static void test_kinds(void **state)
{
	static const char network[] = "\n; c\n  [Network] \nName=n\n", guest[] = "[Guest]\nName=n\n";
	struct mullion_network_definition *def;
	struct mullion_error err;

	(void)state;
	assert_true(mullion_network_definition_is(network, strlen(network)));
	assert_false(mullion_network_definition_is(guest, strlen(guest)));
	assert_false(mullion_network_definition_is("", 0));
	assert_false(mullion_network_definition_is("[Network", 8));
	assert_int_equal(mullion_network_definition_from_ini(guest, strlen(guest), "f", NULL, &def,
							     &err), -EINVAL);
	assert_non_null(strstr(err.why, "only [Network] is known"));
	assert_int_equal(mullion_network_definition_from_ini("Name=n\n", 7, "f", NULL, &def, &err),
			 -EINVAL);
	assert_non_null(strstr(err.why, "before [Network]"));
}

static void test_files(void **state)
{
	static const char text[] = "[Network]\nName=nat\nUplink=none\n";
	struct mullion_network_definition *def;
	struct mullion_paths paths = { 0 };
	struct mullion_error err;
	char path[PATH_MAX], command[PATH_MAX + 16];
	char **names;
	char *kept;

	(void)state;
	strcpy(paths.state, "/tmp/mullion-networks.XXXXXX");
	assert_non_null(mkdtemp(paths.state));
	/* built in, without a file, also where there are no files at all */
	assert_int_equal(mullion_network_definition_load(NULL, "nat", &def, NULL, path, &err), 0);
	mullion_network_definition_unref(def);
	assert_int_equal(mullion_network_definition_load(&paths, "nat", &def, &kept, path, &err), 0);
	assert_int_equal(def->uplink, MULLION_NETWORK_UPLINK_NAT);
	assert_string_equal(path, "");
	assert_string_equal(kept, "");
	free(kept);
	mullion_network_definition_unref(def);
	assert_int_equal(mullion_network_definition_remove(&paths, "nat", &err), -EBUSY);
	assert_int_equal(mullion_network_definition_load(&paths, "x", &def, NULL, path, &err),
			 -ENOENT);
	assert_non_null(strstr(err.action, "network define"));
	/* a file of its name replaces it */
	def = ini(text);
	assert_int_equal(mullion_network_definition_save(&paths, def, text, strlen(text), path,
							 &err), 0);
	mullion_network_definition_unref(def);
	assert_int_equal(mullion_network_definition_names(&paths, &names), 1);
	assert_string_equal(names[0], "nat");
	free(names[0]);
	free(names);
	assert_int_equal(mullion_network_definition_load(&paths, "nat", &def, &kept, path, &err), 0);
	assert_int_equal(def->uplink, MULLION_NETWORK_UPLINK_NONE);
	assert_string_equal(kept, text);
	assert_non_null(strstr(path, "/networks/nat.ini"));
	free(kept);
	mullion_network_definition_unref(def);
	assert_int_equal(mullion_network_definition_remove(&paths, "nat", &err), 0);
	assert_int_equal(mullion_network_definition_remove(&paths, "nat", &err), -EBUSY);
	snprintf(command, sizeof(command), "rm -r %s", paths.state);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
