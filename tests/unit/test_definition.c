// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_definition.c - definitions: what is accepted, what is refused
 * and with which words, and the files that they are kept in
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

#include "../../command/definition.h"

static struct mullion_definition *ini(const char *text)
{
	struct mullion_definition *def = NULL;
	struct mullion_error err = { 0 };

	if (mullion_definition_from_ini(text, strlen(text), "f.ini", NULL, &def, &err))
		fail_msg("refused: %s: %s", err.object, err.why);
	return def;
}

/* The text must be refused at @line with words that hold @why. */
static void ini_refused(const char *text, int line, const char *why)
{
	struct mullion_definition *def = NULL;
	struct mullion_error err = { 0 };
	char where[32];

	assert_int_equal(mullion_definition_from_ini(text, strlen(text), "f.ini", NULL, &def, &err),
			 -EINVAL);
	assert_null(def);
	snprintf(where, sizeof(where), "f.ini:%d", line);
	assert_string_equal(err.object, where);
	if (!strstr(err.why, why))
		fail_msg("\"%s\" does not hold \"%s\"", err.why, why);
}

static void test_ini_full(void **state)
{
	struct mullion_definition *def;

	(void)state;
	def = ini("# a comment\n"
		  "[Guest]\n"
		  "Name=web\nMemory=1G\nCPUs=2\nAccel=tcg\nMachine=q35\n"
		  "Kernel=/boot/k\n  Initrd = /boot/i\nAppend=a=b c ; not this\n"
		  "Root=/d/root.img,serial=r\n"
		  "disk=/d/one.img,ro\nDisk=null:1G\nTimeout=1.5\n"
		  "Net=nat\nNet=lab,vlan=7,rate=1M\n"
		  "Addressing=guest-physical\nWindow=ram\nHugepages=2M\nNUMA=2\n"
		  "Command=/bin/sh\nCommand=-c\nCommand=exit 3\n");
	assert_string_equal(def->name, "web");
	assert_int_equal(def->memory, 1ULL << 30);
	assert_int_equal(def->cpus, 2);
	assert_int_equal(def->accel, MULLION_ACCEL_TCG);
	assert_true(def->q35);
	assert_true(def->guest_physical && def->window_ram);
	assert_int_equal(def->hugepages, 2 << 20);
	assert_int_equal(def->numa, 2);
	assert_string_equal(def->kernel, "/boot/k");
	assert_string_equal(def->initrd, "/boot/i");
	assert_string_equal(def->append, "a=b c");
	assert_string_equal(def->root, "/d/root.img,serial=r");
	assert_string_equal(def->disks[0], "/d/one.img,ro");
	assert_string_equal(def->disks[1], "null:1G");
	assert_null(def->disks[2]);
	assert_string_equal(def->nets[1], "lab,vlan=7,rate=1M");
	assert_null(def->nets[2]);
	assert_string_equal(def->command[2], "exit 3");
	assert_true(def->timeout > 1.4 && def->timeout < 1.6);
	mullion_definition_unref(def);
}

static void test_ini_defaults(void **state)
{
	struct mullion_definition *def;

	(void)state;
	def = ini("[Guest]\r\nName=a\r\n");
	assert_string_equal(def->name, "a");
	assert_int_equal(def->memory, 512ULL << 20);
	assert_int_equal(def->cpus, 1);
	assert_false(def->process);
	assert_false(def->guest_physical || def->window_ram);
	assert_int_equal(def->hugepages, 0);
	assert_int_equal(def->numa, 1);
	assert_null(def->disks[0]);
	mullion_definition_unref(def);
}

/* inih itself takes 200 bytes a line. */
static void test_ini_long_line(void **state)
{
	struct mullion_definition *def;
	char path[3000], text[3200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(path) - 1; i++)
		path[i] = "/abc d;e#f "[i % 11];
	path[sizeof(path) - 1] = '\0';
	path[sizeof(path) - 2] = 'x';
	snprintf(text, sizeof(text), "[Guest]\nName=a\nDisk=%s\nCPUs=3\n", path);
	def = ini(text);
	assert_string_equal(def->disks[0], path);
	assert_int_equal(def->cpus, 3);
	mullion_definition_unref(def);
}

static void test_ini_refused(void **state)
{
	(void)state;
	ini_refused("", 1, "no section");
	ini_refused("[Guest]\n", 1, "name is missing");
	ini_refused("Name=a\n", 1, "before [Guest]");
	ini_refused("[Guest]\nName=a\n\nColour=red\n", 4, "unknown key Colour=");
	ini_refused("[Guest]\nName=a\n[Disk]\n", 3, "unknown section [Disk]");
	ini_refused("[Guest]\nName=a\n[Guest]\n", 3, "second section");
	ini_refused("[Guest]\nName=a\nName=b\n", 3, "Name= is given twice");
	ini_refused("[Guest]\nName=../a\n", 2, "Name= is \"../a\"");
	ini_refused("[Guest]\nName=a\nMemory=lots\n", 3, "not a number such as 512M");
	ini_refused("[Guest]\nName=a\nMemory=1M\n", 3, "not within 64M");
	ini_refused("[Guest]\nName=a\nMemory=67108865\n", 3, "multiple of 1 MiB");
	ini_refused("[Guest]\nName=a\nMemory=99999999T\n", 3, "too large");
	ini_refused("[Guest]\nName=a\nMemory=\n", 3, "not a number");
	ini_refused("[Guest]\nName=a\nCPUs=0\n", 3, "not within");
	ini_refused("[Guest]\nName=a\nCPUs=2K\n", 3, "not a number");
	ini_refused("[Guest]\nName=a\nAccel=xen\n", 3, "not auto, kvm or tcg");
	ini_refused("[Guest]\nName=a\nDisk=rel.img\n", 3, "Disk=");
	ini_refused("[Guest]\nName=a\nDisk=/x,colour=red\n", 3, "Disk=");
	ini_refused("[Guest]\nName=a\nKernel=rel\n", 3, "not an absolute path");
	ini_refused("[Guest]\nName=a\nInitrd=/i\n", 3, "without kernel");
	ini_refused("[Guest]\nName=a\nType=process\nRoot=/x\n", 4, "type process");
	ini_refused("[Guest]\nName=a\nAddressing=physical\n", 3, "not window or guest-physical");
	ini_refused("[Guest]\nName=a\nType=process\nAddressing=guest-physical\n", 4, "no RAM");
	ini_refused("[Guest]\nName=a\nWindow=ram\n", 3, "needs addressing guest-physical");
	ini_refused("[Guest]\nName=a\nHugepages=2M\n", 3, "need addressing guest-physical");
	ini_refused("[Guest]\nName=a\nHugepages=4M\n", 3, "not off, 2M or 1G");
	ini_refused("[Guest]\nName=a\nNUMA=2\n", 3, "needs addressing guest-physical");
	ini_refused("[Guest]\nName=a\nNUMA=9\n", 3, "not within 1 and 8");
	ini_refused("[Guest]\nName=a\nAddressing=guest-physical\nHugepages=1G\n", 4,
		    "not a multiple of 1024M");
	ini_refused("[Guest]\nName=a\nAddressing=guest-physical\nMemory=513M\nNUMA=2\n", 5,
		    "not a multiple of 2M, the same for each");
	ini_refused("[Guest]\nName=a\nAddressing=guest-physical\nMemory=1T\n", 4,
		    "more than 512 GiB");
	ini_refused("[Guest]\nName=a\nnonsense\n", 3, "neither KEY=VALUE");
	ini_refused("[Guest]\nName=a\nFolder=rel\n", 3, "Folder= is \"rel\"");
	ini_refused("[Guest]\nFolder=/a\nName=a\nFolder=/b\n", 4, "Folder= is given twice");
	ini_refused("[Guest]\nName=a\nDisk=/d\nFolder=/b\n", 4, "behind a path");
	ini_refused("[Guest]\nName=a\nTimeout=nan\n", 3, "not a number of seconds");
}

static void test_ini_nul(void **state)
{
	static const char text[] = "[Guest]\nName=a\0b\n";
	struct mullion_definition *def = NULL;
	struct mullion_error err;

	(void)state;
	assert_int_equal(mullion_definition_from_ini(text, sizeof(text) - 1, "f", NULL, &def, &err),
			 -EINVAL);
	assert_non_null(strstr(err.why, "NUL"));
}

static void test_ini_not_utf8(void **state)
{
	static const char text[] = "[Guest]\nName=a\nDisk=/\xff.img\n";
	struct mullion_definition *def = NULL;
	struct mullion_error err;

	(void)state;
	assert_int_equal(mullion_definition_from_ini(text, sizeof(text) - 1, "f", NULL, &def, &err),
			 -EINVAL);
	assert_non_null(strstr(err.why, "UTF-8"));
}

/* What a file means does not depend on where its text is kept. */
static void test_anchor(void **state)
{
	static const char text[] = "# x\n[Guest]\nName=a\nKernel=k\nDisk=d,,1.img,ro\n"
				   "Disk=nbd+unix:///e?socket=s,lun=3\nDisk=/abs\n";
	static const char bare[] = "[Guest]\nName=a\nDisk=null:1M";
	struct mullion_definition *def;
	struct mullion_error err;
	char *out;

	(void)state;
	assert_int_equal(mullion_definition_anchor(text, strlen(text), "/srv/w,b/a.guest", &def,
						   &out, &err), 0);
	assert_string_equal(out, "# x\n[Guest]\nFolder=/srv/w,b\nName=a\nKernel=k\nDisk=d,,1.img,ro\n"
			    "Disk=nbd+unix:///e?socket=s,lun=3\nDisk=/abs\n");
	assert_string_equal(def->kernel, "/srv/w,b/k");
	assert_string_equal(def->disks[0], "/srv/w,,b/d,,1.img,ro");
	assert_string_equal(def->disks[1], "nbd+unix:///e?socket=/srv/w%2Cb/s,lun=3");
	assert_string_equal(def->disks[2], "/abs");
	mullion_definition_unref(def);
	free(out);
	assert_int_equal(mullion_definition_anchor(bare, strlen(bare), "/srv/a", &def, &out, &err), 0);
	assert_string_equal(out, bare);
	mullion_definition_unref(def);
	free(out);
	/* Neither a name that is no path nor a folder that an INI file cannot hold. */
	assert_int_equal(mullion_definition_anchor(text, strlen(text), "a.guest", &def, &out, &err),
			 -EINVAL);
	assert_string_equal(err.object, "a.guest:4");
	assert_int_equal(mullion_definition_anchor(text, strlen(text), "/srv ;x/a", &def, &out, &err),
			 -EINVAL);
	assert_non_null(strstr(err.action, "absolute"));
}

static int json(const char *text, const char *cwd, struct mullion_definition **def,
		struct mullion_error *err)
{
	json_t *value = json_loads(text, 0, NULL);
	int r;

	assert_non_null(value);
	memset(err, 0, sizeof(*err));
	r = mullion_definition_from_json(value, cwd, def, err);
	json_decref(value);
	return r;
}

static void test_json_round(void **state)
{
	struct mullion_definition *def, *again;
	struct mullion_error err;
	json_t *one, *two;

	(void)state;
	assert_int_equal(json("{\"name\":\"w\",\"memory\":134217728,\"cpus\":3,\"timeout\":7,"
			      "\"root\":\"r.img,ro\",\"disks\":[\"sub/d.img\",\"null:1M\",\"/a,,b\"],"
			      "\"kernel\":\"k\",\"command\":[\"a\",\"\"]}", "/x,y", &def, &err), 0);
	assert_string_equal(def->root, "/x,,y/r.img,ro");
	assert_string_equal(def->disks[0], "/x,,y/sub/d.img");
	assert_string_equal(def->disks[1], "null:1M");
	assert_string_equal(def->disks[2], "/a,,b");
	assert_string_equal(def->kernel, "/x,y/k");
	assert_string_equal(def->command[1], "");
	one = mullion_definition_describe(def);
	assert_int_equal(mullion_definition_from_json(one, NULL, &again, &err), 0);
	two = mullion_definition_describe(again);
	assert_true(json_equal(one, two));
	json_decref(one);
	json_decref(two);
	mullion_definition_unref(def);
	mullion_definition_unref(again);
}

static void json_refused(const char *text, const char *why)
{
	struct mullion_definition *def = NULL;
	struct mullion_error err;

	assert_int_equal(json(text, NULL, &def, &err), -EINVAL);
	assert_null(def);
	if (!strstr(err.why, why))
		fail_msg("\"%s\" does not hold \"%s\"", err.why, why);
}

static void test_json_refused(void **state)
{
	(void)state;
	json_refused("[]", "not a JSON object");
	json_refused("{}", "name is missing");
	json_refused("{\"name\":\"a\",\"start\":true}", "\"start\" is not known");
	json_refused("{\"name\":\"a\",\"memory\":\"512M\"}", "memory is a string");
	json_refused("{\"name\":7}", "name is a number");
	json_refused("{\"name\":\"a\",\"cpus\":1.5}", "cpus is a fraction");
	json_refused("{\"name\":\"a\",\"memory\":-1}", "memory is \"-1\"");
	json_refused("{\"name\":\"a\",\"disks\":\"d\"}", "not an array");
	json_refused("{\"name\":\"a\",\"disks\":[7]}", "not a string");
	json_refused("{\"name\":\"a\",\"root\":null}", "wrong type");
	json_refused("{\"name\":\"a\",\"disks\":[\"d.img\"]}", "d.img");
	json_refused("{\"name\":\"a\",\"timeout\":-1}", "timeout");
	json_refused("{\"name\":\"a\",\"append\":\"a\\nb\"}", "control character");
}

static void test_files(void **state)
{
	static const char text[] = "[Guest]\nName=kept\nDisk=null:1M\n";
	struct mullion_definition *def, *loaded;
	struct mullion_paths paths = { 0 };
	struct mullion_error err;
	char path[PATH_MAX], command[PATH_MAX + 16];
	char **names;
	char *got;
	FILE *file;

	(void)state;
	strcpy(paths.state, "/tmp/mullion-test-XXXXXX");
	assert_non_null(mkdtemp(paths.state));
	assert_int_equal(mullion_definition_names(&paths, &names), 0);
	free(names);
	def = ini(text);
	assert_int_equal(mullion_definition_save(&paths, def, text, strlen(text), path, &err), 0);
	mullion_definition_unref(def);
	assert_int_equal(mullion_definition_names(&paths, &names), 1);
	assert_string_equal(names[0], "kept");
	free(names[0]);
	free(names);
	assert_int_equal(mullion_definition_load(&paths, "kept", &loaded, &got, path, &err), 0);
	assert_string_equal(got, text);
	assert_string_equal(loaded->disks[0], "null:1M");
	mullion_definition_unref(loaded);
	free(got);
	assert_int_equal(mullion_definition_load(&paths, "../kept", &loaded, NULL, path, &err),
			 -ENOENT);
	/* Edited by hand into another guest. */
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("[Guest]\nName=other\n", file);
	fclose(file);
	assert_int_equal(mullion_definition_load(&paths, "kept", &loaded, NULL, path, &err),
			 -EINVAL);
	assert_non_null(strstr(err.why, "other"));
	assert_int_equal(mullion_definition_remove(&paths, "kept", &err), 0);
	assert_int_equal(mullion_definition_remove(&paths, "kept", &err), -ENOENT);
	snprintf(command, sizeof(command), "%s/definitions", paths.state);
	assert_int_equal(rmdir(command), 0);
	assert_int_equal(rmdir(paths.state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ini_full),
		cmocka_unit_test(test_ini_defaults),
		cmocka_unit_test(test_ini_long_line),
		cmocka_unit_test(test_ini_refused),
		cmocka_unit_test(test_ini_nul),
		cmocka_unit_test(test_ini_not_utf8),
		cmocka_unit_test(test_anchor),
		cmocka_unit_test(test_json_round),
		cmocka_unit_test(test_json_refused),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
