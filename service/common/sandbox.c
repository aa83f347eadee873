// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/sandbox.c - give everything away
 *
 * DOC: Theory of Operation
 *
 * In this order, because each step needs what the next ones take away:
 *
 * 1. Every descriptor but the ones named is closed.
 * 2. Namespaces: network (nothing in it, not even a configured loopback), IPC,
 *    UTS, mount; for an ordinary user inside a user namespace of its own.  The
 *    root directory becomes an empty read-only tmpfs.
 * 3. Resource limits.  Not RLIMIT_NPROC: the kernel counts io_uring's own
 *    worker threads against it; seccomp is what forbids new processes.
 * 4. Landlock with an empty rule set: no file can be opened and no TCP port
 *    used, not even through io_uring.
 * 5. Root becomes the service's user; all capabilities go, in all sets.
 * 6. no_new_privs and the seccomp allow-list: the common list below, which is
 *    what this layer calls, and the class's.  What is not on it kills.
 *
 * A program that is there to use the network keeps the network's namespace and
 * the root directory; Landlock lets it read what it names and no more, and a
 * socket is IPv4, IPv6, or refused.
 *
 * Dumpable: a service of an ordinary user stays dumpable, so that its daemon,
 * which has the same user, can read /proc/PID for the access report; it gains
 * no one anything, as that user can see the same images.  One started by root
 * is not: root needs no permission.
 *
 * Failure behaviour: steps 2 and 4 depend on the kernel's build and policy;
 * what is missing is logged and the rest stands.  Every other failure ends the
 * service.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANDBOX_INSTRUMENTED 1
#endif
#endif

#define SANDBOX_NOBODY		65534
#define SANDBOX_KEEP_MAX	16
#define SANDBOX_FILES		4096
#define SANDBOX_LAST_CAP	63

/* Landlock's interface; the header of Debian 12 knows only its first part. */
#define LANDLOCK_VERSION_FLAG	1U
struct sandbox_landlock {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

static int sandbox_compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int sandbox_close_files(const struct mullion_sandbox *sandbox)
{
	int keep[SANDBOX_KEEP_MAX];
	unsigned int from = STDERR_FILENO + 1;
	size_t n = 0;

	for (size_t i = 0; i < sandbox->keep_count; i++) {
		if (sandbox->keep[i] <= STDERR_FILENO)
			continue;
		if (n == SANDBOX_KEEP_MAX)
			return -E2BIG;
		keep[n++] = sandbox->keep[i];
	}
	qsort(keep, n, sizeof(*keep), sandbox_compare);
	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];

		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return -errno;
		from = fd + 1;
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static int sandbox_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Map ourselves to ourselves: nobody else exists in the new namespace. */
static int sandbox_map_user(uid_t uid, gid_t gid)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	ret = sandbox_write_file("/proc/self/uid_map", text);
	if (ret < 0)
		return ret;
	ret = sandbox_write_file("/proc/self/setgroups", "deny");
	if (ret < 0)
		return ret;
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return sandbox_write_file("/proc/self/gid_map", text);
}

static int sandbox_empty_root(void)
{
	if (mount("", "/", "", MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("", "/tmp", "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RDONLY,
		  "nr_inodes=2,nr_blocks=0") < 0 ||
	    chdir("/tmp") < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return -errno;
	return 0;
}

static void sandbox_namespaces(bool network)
{
	int flags = CLONE_NEWIPC | CLONE_NEWUTS;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int ret;

	if (!network)
		flags |= CLONE_NEWNET | CLONE_NEWNS;
	if (uid)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) < 0) {
		mullion_log(LOG_NOTICE, NULL, "no namespaces of its own: %s; the "
			    "other layers of the sandbox remain", strerror(errno));
		return;
	}
	if (uid) {
		ret = sandbox_map_user(uid, gid);
		if (ret < 0)
			mullion_log(LOG_NOTICE, NULL, "user namespace without a "
				    "map: %s", strerror(-ret));
	}
	ret = network ? 0 : sandbox_empty_root();
	if (ret < 0)
		mullion_log(LOG_NOTICE, NULL, "no empty root directory: %s; the "
			    "other layers of the sandbox remain", strerror(-ret));
}

static int sandbox_limits(void)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NOFILE, SANDBOX_FILES },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i].resource, &limit) < 0)
			return -errno;
		if (limit.rlim_max == RLIM_INFINITY ||
		    limit.rlim_max > limits[i].value)
			limit.rlim_max = limits[i].value;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(limits[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

/* Reading files, whatever else they are beneath. */
static int sandbox_readable(int ruleset, const char *const *readable)
{
	int ret = 0;

	for (; !ret && readable && *readable; readable++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
			.parent_fd = open(*readable, O_PATH | O_CLOEXEC),
		};

		if (rule.parent_fd < 0 && (errno == ENOENT || errno == EACCES))
			continue;
		if (rule.parent_fd < 0 ||
		    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
			    &rule, 0) < 0)
			ret = -errno;
		if (rule.parent_fd >= 0)
			close(rule.parent_fd);
	}
	return ret;
}

static int sandbox_landlock(const struct mullion_sandbox *sandbox)
{
	struct sandbox_landlock rules = { 0 };
	size_t bytes = sizeof(rules.fs);
	long version;
	int fd, ret;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	if (version < 0) {
		mullion_log(LOG_NOTICE, NULL, "no Landlock: %s; the other layers of "
			    "the sandbox remain", strerror(errno));
		return 0;
	}
	/* Everything that this version can forbid, but for what is named. */
	rules.fs = version >= 5 ? 0xffff : version >= 3 ? 0x7fff :
		   version == 2 ? 0x3fff : 0x1fff;
	if (version >= 4) {
		rules.net = sandbox->network ? 0 : 3;
		bytes = offsetof(struct sandbox_landlock, scoped);
	}
	if (version >= 6) {
		rules.scoped = 3;
		bytes = sizeof(rules);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
	if (fd < 0)
		return -errno;
	ret = sandbox->network ? sandbox_readable(fd, sandbox->readable) : 0;
	if (!ret && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int sandbox_drop_user(uid_t uid)
{
	if (geteuid())
		return 0;
	if (!uid)
		uid = SANDBOX_NOBODY;
	/* In a user namespace there may be nobody else to become. */
	if (setresgid(uid, uid, uid) < 0)
		return errno == EINVAL ? 0 : -errno;
	if (setgroups(0, NULL) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static int sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Needs CAP_SETPCAP, so before the user changes; without it there is nothing. */
static void sandbox_drop_bounding(void)
{
	for (int cap = 0; cap <= SANDBOX_LAST_CAP; cap++) {
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			prctl(PR_CAPBSET_DROP, cap);
	}
}

#ifndef SANDBOX_INSTRUMENTED

/* What the common layer itself calls. */
static const int sandbox_syscalls[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_yield),
	SCMP_SYS(write),
};

/* What a program with a network calls besides. */
static const int sandbox_network[] = {
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(listen),
	SCMP_SYS(newfstatat),
	SCMP_SYS(read),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(writev),
};

static const int sandbox_fcntl[] = {
	F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GET_SEALS, F_OFD_GETLK, F_OFD_SETLK,
};

/* With MULLION_DEBUG=1: say which call it was.  The call itself never runs. */
static void sandbox_trapped(int signal, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
						      info->si_syscall);

	(void)signal;
	(void)context;
	mullion_log(LOG_CRIT, NULL, "system call %d (%s) is not on the allow-list "
		    "of this service", info->si_syscall, name ? name : "?");
	_exit(128 + SIGSYS);
}

static uint32_t sandbox_action(void)
{
	struct sigaction action = {
		.sa_sigaction = sandbox_trapped,
		.sa_flags = SA_SIGINFO,
	};
	const char *debug = getenv("MULLION_DEBUG");

	if (!debug || strcmp(debug, "1") || sigaction(SIGSYS, &action, NULL) < 0)
		return SCMP_ACT_KILL_PROCESS;
	return SCMP_ACT_TRAP;
}

static int sandbox_allow(scmp_filter_ctx filter, int syscall)
{
	int ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, syscall, 0);

	/* Already there with all arguments. */
	return ret == -EEXIST ? 0 : ret;
}

static int sandbox_network_rules(scmp_filter_ctx filter)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(sandbox_network) / sizeof(int); i++)
		ret = sandbox_allow(filter, sandbox_network[i]);
	/* Files to be read, whatever Landlock says of them. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ,
					       O_ACCMODE | O_CREAT | O_TRUNC,
					       O_RDONLY));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
	/*
	 * The C library asks for a local socket when it wants the number of an
	 * interface.  No: it could be connected to the services of this machine.
	 */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
				       SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	return ret;
}

static int sandbox_rules(scmp_filter_ctx filter, const struct mullion_sandbox *sandbox)
{
	const unsigned long *ioctls = sandbox->ioctls;
	const int *syscalls = sandbox->syscalls;
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(sandbox_syscalls) / sizeof(int); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sandbox_syscalls[i], 0);
	for (size_t i = 0; !ret && i < sizeof(sandbox_fcntl) / sizeof(int); i++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1(SCMP_CMP_EQ,
					       (scmp_datum_t)sandbox_fcntl[i], 0));
	/* Memory, but no code. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* fstat() of this libc; doorbells without blocking. */
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH,
					       AT_EMPTY_PATH));
	if (!ret)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(preadv2), 0);
	for (; !ret && ioctls && *ioctls; ioctls++)
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, *ioctls, 0));
	if (!ret && sandbox->network)
		ret = sandbox_network_rules(filter);
	for (; !ret && *syscalls >= 0; syscalls++)
		ret = sandbox_allow(filter, *syscalls);
	return ret;
}

static int sandbox_seccomp(const struct mullion_sandbox *sandbox)
{
	scmp_filter_ctx filter = seccomp_init(sandbox_action());
	int ret;

	if (!filter)
		return -ENOMEM;
	ret = sandbox_rules(filter, sandbox);
	if (!ret)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

#else

static int sandbox_seccomp(const struct mullion_sandbox *sandbox)
{
	(void)sandbox;
	mullion_log(LOG_WARNING, NULL, "no seccomp: built with a sanitizer, which "
		    "calls what it likes");
	return 0;
}

#endif /* SANDBOX_INSTRUMENTED */

int mullion_sandbox_enter(const struct mullion_sandbox *sandbox)
{
	bool root = !geteuid();
	const char *step;
	int death = 0;
	int ret;

	step = "death with the parent";
	if (prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) < 0) {
		ret = -errno;
		goto fail;
	}
	step = "closing descriptors";
	ret = sandbox->keep_all ? 0 : sandbox_close_files(sandbox);
	if (ret < 0)
		goto fail;
	sandbox_namespaces(sandbox->network);
	step = "resource limits";
	ret = sandbox_limits();
	if (ret < 0)
		goto fail;
	step = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		ret = -errno;
		goto fail;
	}
	step = "Landlock";
	ret = sandbox_landlock(sandbox);
	if (ret < 0)
		goto fail;
	sandbox_drop_bounding();
	step = "changing the user";
	ret = sandbox_drop_user(sandbox->uid);
	if (ret < 0)
		goto fail;
	step = "dropping capabilities";
	ret = sandbox_drop_capabilities();
	if (ret < 0)
		goto fail;
	step = "dumpable";
	if (prctl(PR_SET_DUMPABLE, root ? 0 : 1, 0, 0, 0) < 0) {
		ret = -errno;
		goto fail;
	}
	/* becoming another user took back what our parent had asked for */
	step = "death with the parent";
	if (prctl(PR_SET_PDEATHSIG, death, 0, 0, 0) < 0) {
		ret = -errno;
		goto fail;
	}
	step = "seccomp";
	ret = sandbox_seccomp(sandbox);
	if (ret < 0)
		goto fail;
	return 0;

fail:
	mullion_log(LOG_ERR, NULL, "sandbox: %s: %s; not going on without it",
		    step, strerror(-ret));
	return ret;
}
