// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/qemu_args.c - the command line of a QEMU
 *
 * Everything is named: no defaults, no configuration files, no display, no
 * listener.  Each socket is one end of a pair that was made before.
 *
 * Windows are plain functions of bus 0 on `pc`, where ACPI plugs and unplugs
 * them.  On q35 each sits behind a root port of its own that reserves address
 * space for BAR 2, because nothing else would leave room for it; a few spare
 * ports wait for windows that come later.  A guest whose channels lie in its RAM
 * has no windows at all.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "qemu_args.h"

#define ARGS_MAX		192
#define ARGS_SPARE_RESERVE	(256ULL << 20)
#define ARGS_BALLAST		(4ULL << 30)
#define ARGS_HOLE64		(32ULL << 30)

struct args {
	char **list;
	size_t count;
	bool failed;
};

static void args_add(struct args *args, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void args_add(struct args *args, const char *format, ...)
{
	char *text;
	va_list ap;

	if (args->failed || args->count == ARGS_MAX) {
		args->failed = true;
		return;
	}
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		args->failed = true;
	else
		args->list[args->count++] = text;
	va_end(ap);
}

static void args_root_port(struct args *args, unsigned int index, uint64_t reserve)
{
	args_add(args, "-device");
	/* Slot 0 would collide with the ports that QEMU makes by itself. */
	args_add(args, "pcie-root-port,id=port%u,bus=pcie.0,chassis=%u,slot=%u,pref64-reserve=%llu",
		 index, index + 1, index + 1, (unsigned long long)reserve);
}

static void args_windows(struct args *args, const struct mullion_qemu_options *options)
{
	bool q35 = options->definition->q35;
	unsigned int i;

	if (options->definition->window_ram)
		return;
	/*
	 * A BAR that fits nowhere below 4 GiB makes the firmware put all 64-bit
	 * BARs above, out of the range that its MTRRs make uncached.  The kernel
	 * finds room there for windows that are plugged later.
	 */
	if (!q35) {
		args_add(args, "-device");
		args_add(args, "pci-testdev,membar=%llu", ARGS_BALLAST);
		args_add(args, "-global");
		args_add(args, "i440FX-pcihost.pci-hole64-size=%llu", ARGS_HOLE64);
	}
	for (i = 0; i < options->window_count; i++) {
		const struct mullion_qemu_window *window = &options->windows[i];

		if (q35)
			args_root_port(args, i, window->size);
		args_add(args, "-chardev");
		args_add(args, "socket,id=window%u,fd=%d", i, window->fd);
		args_add(args, "-device");
		if (q35)
			args_add(args, "ivshmem-doorbell,id=w%u,chardev=window%u,vectors=%u,bus=port%u",
				 i, i, window->vectors, i);
		else
			args_add(args, "ivshmem-doorbell,id=w%u,chardev=window%u,vectors=%u",
				 i, i, window->vectors);
	}
	for (; q35 && i < options->window_count + QEMU_SPARE_PORTS; i++)
		args_root_port(args, i, ARGS_SPARE_RESERVE);
}

/*
 * RAM in files that the daemon has made: QEMU maps them shared, and opens each
 * anew, with the rights that the file gives.
 */
static void args_ram(struct args *args, const struct mullion_cp_ram *ram)
{
	for (unsigned int i = 0; i < ram->file_count; i++) {
		args_add(args, "-object");
		args_add(args, "memory-backend-file,id=ram%u,mem-path=/proc/self/fd/%d,size=%llu,share=on",
			 i, ram->fds[i], (unsigned long long)(ram->bytes / ram->file_count));
		if (ram->file_count == 1)
			return;
		args_add(args, "-numa");
		args_add(args, "node,nodeid=%u,memdev=ram%u", i, i);
	}
}

static void args_machine(struct args *args, const struct mullion_qemu_options *options)
{
	const struct mullion_definition *def = options->definition;

	args_add(args, "-name");
	args_add(args, "guest=%s,debug-threads=on", def->name);
	args_add(args, "-uuid");
	args_add(args, "%s", options->uuid);
	args_add(args, "-machine");
	args_add(args, "%s%s", def->q35 ? "q35" : "pc",
		 options->ram && options->ram->file_count == 1 ? ",memory-backend=ram0" : "");
	if (options->ram)
		args_ram(args, options->ram);
	args_add(args, "-accel");
	args_add(args, "%s", options->kvm ? "kvm" :
		 options->one_thread ? "tcg,thread=single" : "tcg,thread=multi");
	args_add(args, "-cpu");
	/*
	 * Five-level page tables only make an emulated guest slower, and so does
	 * "rep movsb", which a kernel uses for every copy when it sees erms: it
	 * is emulated byte by byte.
	 */
	args_add(args, "%s", options->kvm ? "host" : "max,la57=off,erms=off");
	args_add(args, "-smp");
	args_add(args, "%u", def->cpus);
	args_add(args, "-m");
	args_add(args, "%llu", (unsigned long long)(def->memory >> 20));
}

static void args_boot(struct args *args, const struct mullion_qemu_options *options)
{
	const struct mullion_boot *boot = options->boot;

	args_add(args, "-kernel");
	args_add(args, "%s", boot->kernel);
	if (boot->initrd[0]) {
		args_add(args, "-initrd");
		args_add(args, "%s", boot->initrd);
	}
	args_add(args, "-append");
	args_add(args, "%s", boot->append);
	/* A guest that resets itself instead of ending its command has failed. */
	if (options->definition->command[0])
		args_add(args, "-no-reboot");
}

char **mullion_qemu_args(const char *path, const struct mullion_qemu_options *options,
			 int monitor_fd, const int serial_fds[static MULLION_QEMU_SERIALS])
{
	struct args args = { .list = calloc(ARGS_MAX + 1, sizeof(char *)) };
	int i;

	if (!args.list)
		return NULL;
	args_add(&args, "%s", path);
	args_add(&args, "-nodefaults");
	args_add(&args, "-no-user-config");
	args_add(&args, "-display");
	args_add(&args, "none");
	args_add(&args, "-sandbox");
	args_add(&args, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	args_machine(&args, options);
	args_add(&args, "-chardev");
	args_add(&args, "socket,id=monitor,fd=%d", monitor_fd);
	args_add(&args, "-mon");
	args_add(&args, "chardev=monitor,mode=control");
	for (i = 0; i < MULLION_QEMU_SERIALS; i++) {
		args_add(&args, "-chardev");
		args_add(&args, "socket,id=serial%d,fd=%d", i, serial_fds[i]);
		args_add(&args, "-serial");
		args_add(&args, "chardev:serial%d", i);
	}
	args_windows(&args, options);
	args_boot(&args, options);
	if (args.failed) {
		mullion_qemu_args_free(args.list);
		return NULL;
	}
	return args.list;
}

void mullion_qemu_args_free(char **args)
{
	size_t i;

	for (i = 0; args && args[i]; i++)
		free(args[i]);
	free(args);
}
