// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/unit/test_spec.c - what a user calls a disk, right and wrong */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../command/spec.h"

static struct mullion_spec spec;
static struct mullion_error err;

static int parse(const char *text)
{
	memset(&err, 0, sizeof(err));
	return mullion_spec_parse(&spec, text, "/work dir", &err);
}

static void refused(const char *text, const char *why)
{
	struct mullion_spec before = { .lun = 77 };

	spec = before;
	assert_true(parse(text) < 0);
	if (!strstr(err.why, why))
		fail_msg("'%s' was refused because of '%s', not '%s'", text, err.why, why);
	assert_memory_equal(&spec, &before, sizeof(spec));
}

static void test_paths(void **state)
{
	(void)state;
	assert_int_equal(parse("/images/a.img"), 0);
	assert_string_equal(spec.path, "/images/a.img");
	assert_int_equal(spec.store, MULLION_STORE_FILE);
	assert_int_equal(spec.cache, MULLION_CACHE_WRITEBACK);
	assert_int_equal(spec.lun, MULLION_SPEC_LUN_ANY);
	assert_false(spec.read_only);
	assert_false(spec.shared);
	assert_int_equal(parse("a.img"), 0);
	assert_string_equal(spec.path, "/work dir/a.img");
	assert_int_equal(parse("a,,b=1.img,ro"), 0);
	assert_string_equal(spec.path, "/work dir/a,b=1.img");
	assert_string_equal(spec.text, "a,,b=1.img,ro");
	assert_true(spec.read_only);
	assert_int_equal(mullion_spec_parse(&spec, "a.img", NULL, &err), -EINVAL);
	refused("", "names no image");
	refused(",ro", "names no image");
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(parse("/a,ro,serial=X-1,lun=255,cache=none,share=on"), 0);
	assert_true(spec.read_only);
	assert_true(spec.shared);
	assert_string_equal(spec.serial, "X-1");
	assert_int_equal(spec.lun, 255);
	assert_int_equal(spec.cache, MULLION_CACHE_NONE);
	assert_int_equal(parse("/a,cache=writethrough,share=off,lun=0"), 0);
	assert_int_equal(spec.cache, MULLION_CACHE_WRITETHROUGH);
	assert_false(spec.shared);
	assert_int_equal(spec.lun, 0);
	refused("/a,rw", "unknown option 'rw'");
	refused("/a,", "unknown option ''");
	refused("/a,ro,ro", "twice");
	refused("/a,ro=1", "option 'ro'");
	refused("/a,lun=256", "option 'lun'");
	refused("/a,lun=-1", "option 'lun'");
	refused("/a,lun=1x", "option 'lun'");
	refused("/a,lun", "option 'lun'");
	refused("/a,cache=fast", "option 'cache'");
	refused("/a,share=yes", "option 'share'");
	refused("/a,serial=", "option 'serial'");
	refused("/a,serial=a b", "option 'serial'");
	refused("/a,serial=12345678901234567890123456789012", "option 'serial'");
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(parse("null:1G"), 0);
	assert_int_equal(spec.store, MULLION_STORE_NULL);
	assert_int_equal(spec.bytes, 1ULL << 30);
	assert_int_equal(parse("null:4096"), 0);
	assert_int_equal(spec.bytes, 4096);
	refused("null:", "not a multiple");
	refused("null:0", "not a multiple");
	refused("null:100", "not a multiple");
	refused("null:1X", "not a multiple");
	refused("null:1GB", "not a multiple");
	refused("null:99999999999T", "not a multiple");
	refused("null:-512", "not a multiple");
	refused("null:1G,share=on", "nothing to share");
}

static void test_nbd(void **state)
{
	(void)state;
	assert_int_equal(parse("nbd://host/disk%20one"), 0);
	assert_int_equal(spec.store, MULLION_STORE_NBD);
	assert_string_equal(spec.host, "host");
	assert_string_equal(spec.port, "10809");
	assert_string_equal(spec.export, "disk one");
	assert_string_equal(spec.path, "");
	assert_int_equal(parse("nbd://[::1]:99,ro"), 0);
	assert_string_equal(spec.host, "::1");
	assert_string_equal(spec.port, "99");
	assert_string_equal(spec.export, "");
	assert_int_equal(parse("nbd+unix:///x?socket=/run/nbd.sock"), 0);
	assert_string_equal(spec.path, "/run/nbd.sock");
	assert_string_equal(spec.export, "x");
	assert_int_equal(parse("nbd+unix://?socket=nbd.sock"), -EINVAL);
	assert_int_equal(parse("nbd+unix:///?socket=nbd.sock"), 0);
	assert_string_equal(spec.path, "/work dir/nbd.sock");
	refused("nbd://", "host or port");
	refused("nbd://h:0/x", "host or port");
	refused("nbd://h:70000/x", "host or port");
	refused("nbd://u@h/x", "host or port");
	refused("nbd://[::1/x", "host or port");
	refused("nbd://h/x?socket=/a", "unknown parameter");
	refused("nbd+unix:///x", "names no socket");
	refused("nbd+unix:///x?socket=", "names no socket");
	refused("nbd+unix:///x?tls=1", "unknown parameter");
	refused("nbd://h/%0", "export name");
	refused("nbd://h/%00", "export name");
	refused("nbd://h/%zz", "export name");
	refused("nbds://h/x", "TLS");
}

static void test_long(void **state)
{
	size_t bytes = MULLION_SPEC_TEXT_MAX + 10;
	char *text = malloc(bytes);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', bytes);
	text[0] = '/';
	text[bytes - 1] = '\0';
	refused(text, "too long");
	text[PATH_MAX] = '\0';
	refused(text, "too long");
	text[PATH_MAX - 1] = '\0';
	assert_int_equal(parse(text), 0);
	memcpy(text, "nbd://h/", 8);
	text[8 + 256] = '\0';
	refused(text, "export name");
	text[8 + 255] = '\0';
	assert_int_equal(parse(text), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_nbd),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
