// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_sandbox.c - what a service in its sandbox cannot do, by
 * system call and through its io_uring
 *
 * Each attempt runs in a process of its own that enters the real sandbox and
 * must die of it (system calls), or be refused (the ring).
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../service/common/loop.h"
#include "../../service/common/sandbox.h"
#include "../../service/common/uring.h"

#define SKIP 77

static int failures;

/* That of a program that uses the network and may read one folder. */
static int enter_network(void)
{
	static const int syscalls[] = { -1 };
	static const char *const readable[] = { "/etc", "/no such folder", NULL };
	const struct mullion_sandbox sandbox = {
		.keep_all = true,
		.syscalls = syscalls,
		.network = true,
		.readable = readable,
	};

	return mullion_sandbox_enter(&sandbox);
}

static int enter(void)
{
	static const int syscalls[] = { SCMP_SYS(pread64), -1 };
	const int keep[] = { mullion_loop_fd(), mullion_uring_fd() };
	const struct mullion_sandbox sandbox = {
		.keep = keep,
		.keep_count = 2,
		.syscalls = syscalls,
	};

	return mullion_sandbox_enter(&sandbox);
}

static void try_nothing(void)
{
	char *memory = malloc(1 << 20);

	memset(memory, 1, 1 << 20);
	free(memory);
}

static void try_open(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void try_socket(void)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void try_fork(void)
{
	syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void try_exec(void)
{
	syscall(SYS_execve, "/bin/sh", NULL, NULL);
}

static void try_kill(void)
{
	syscall(SYS_kill, 1, 0);
}

static void try_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void try_ring(void)
{
	syscall(SYS_io_uring_setup, 8, NULL);
}

static void try_code(void)
{
	syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Memory that was data first. */
static void try_code_later(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	syscall(SYS_mprotect, memory, 4096, PROT_READ | PROT_EXEC);
}

static void try_memfd(void)
{
	syscall(SYS_memfd_create, "x", 0);
}

static void try_other_memory(void)
{
	syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0);
}

static void try_send_descriptor(void)
{
	syscall(SYS_sendmsg, 2, NULL, 0);
}

#ifdef __x86_64__
/* The same kernel by another door: x32's numbers. */
static void try_other_abi(void)
{
	syscall(0x40000000 | SYS_getpid);
}
#endif

static void try_stat(void)
{
	char buffer[256];

	syscall(SYS_newfstatat, AT_FDCWD, "/etc", buffer, 0);
}

static void try_owner(void)
{
	syscall(SYS_fcntl, 0, F_SETOWN, 1);
}

static void try_prctl(void)
{
	syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void try_write_file(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/hosts", O_WRONLY);
}

static void try_create_file(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/mullion-test", O_CREAT | O_RDONLY, 0600);
}

static void try_netlink(void)
{
	syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static void try_type_ahead(void)
{
	syscall(SYS_ioctl, 0, TIOCSTI, "x");
}

/* What it is there for works; what would lead elsewhere is refused. */
static void use_network(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;

	if (enter_network() < 0)
		_exit(3);
	if (fcntl(fd, F_GETFL) < 0)
		_exit(4);
	if (socket(AF_INET, SOCK_DGRAM, 0) < 0 || socket(AF_INET6, SOCK_DGRAM, 0) < 0)
		_exit(5);
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
		_exit(6);
	if (open("/etc/passwd", O_RDONLY) < 0)
		_exit(7);
	if (landlock && (open("/proc/self/status", O_RDONLY) >= 0 || errno != EACCES))
		_exit(8);
	if (landlock && (open("/etc", O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES))
		_exit(9);
}

static void expect_killed_in(int (*inside)(void), const char *name, void (*attempt)(void),
			     int want)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (inside && (mullion_loop_init() < 0 || inside() < 0))
			_exit(3);
		attempt();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (want ? WIFSIGNALED(status) && WTERMSIG(status) == want :
		   WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	printf("%s: status %#x\n", name, status);
	failures++;
}

/* Opcodes and registrations that the ring must refuse. */
static int ring_result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_submit(ring) != 1 || io_uring_wait_cqe(ring, &cqe) < 0)
		return 0;
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static int ring_refused(struct io_uring *ring, const char *name, int want)
{
	int res = ring_result(ring);

	if (res == want)
		return 0;
	printf("ring: %s: %d\n", name, res);
	return 1;
}

static int ring_attempts(void)
{
	static const int opcodes[] = { IORING_OP_READ, IORING_OP_FSYNC, -1 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/tmp/x" };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct io_uring *ring;
	struct io_uring_sqe *sqe;
	char byte;
	int bad = 0, slot, ret;

	if (mullion_loop_init() < 0)
		return 1;
	ret = mullion_uring_init(8, opcodes);
	if (ret < 0) {
		printf("no io_uring here: %s\n", strerror(-ret));
		return SKIP;
	}
	slot = mullion_uring_file_add(null);
	if (slot < 0 || enter() < 0)
		return 1;
	ring = mullion_uring_ring();

	sqe = mullion_uring_sqe();
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	bad |= ring_refused(ring, "openat", -EACCES);
	sqe = mullion_uring_sqe();
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	bad |= ring_refused(ring, "openat, fixed", -EACCES);
	sqe = mullion_uring_sqe();
	io_uring_prep_socket(sqe, AF_UNIX, SOCK_STREAM, 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	bad |= ring_refused(ring, "socket", -EACCES);
	sqe = mullion_uring_sqe();
	io_uring_prep_connect(sqe, slot, (struct sockaddr *)&addr, sizeof(addr));
	sqe->flags |= IOSQE_FIXED_FILE;
	bad |= ring_refused(ring, "connect", -EACCES);
	sqe = mullion_uring_sqe();
	io_uring_prep_read(sqe, 0, &byte, 1, 0);
	bad |= ring_refused(ring, "read of a plain descriptor", -EACCES);
	sqe = mullion_uring_sqe();
	io_uring_prep_read(sqe, slot, &byte, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	bad |= ring_refused(ring, "read of a registered file", 0);
	if (io_uring_register_eventfd(ring, 0) != -EACCES) {
		printf("ring: register eventfd\n");
		bad = 1;
	}
	return bad;
}

static void expect_ring_refuses(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		int ret = ring_attempts();

		fflush(stdout);
		_exit(ret);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == SKIP))
		return;
	printf("ring: status %#x\n", status);
	failures++;
}

static void expect_killed(const char *name, void (*attempt)(void), int want)
{
	expect_killed_in(enter, name, attempt, want);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*attempt)(void);
	} network_attempts[] = {
		{ "network: fork", try_fork },
		{ "network: exec", try_exec },
		{ "network: kill", try_kill },
		{ "network: mapping code", try_code },
		{ "network: writing a file", try_write_file },
		{ "network: making a file", try_create_file },
		{ "network: netlink", try_netlink },
		{ "network: typing for the user", try_type_ahead },
	}, attempts[] = {
		{ "open", try_open },
		{ "socket", try_socket },
		{ "fork", try_fork },
		{ "exec", try_exec },
		{ "kill", try_kill },
		{ "ptrace", try_ptrace },
		{ "io_uring_setup", try_ring },
		{ "mapping code", try_code },
		{ "making data code", try_code_later },
		{ "memfd_create", try_memfd },
		{ "writing to another process", try_other_memory },
		{ "sending descriptors", try_send_descriptor },
#ifdef __x86_64__
		{ "calls of another ABI", try_other_abi },
#endif
		{ "stat by name", try_stat },
		{ "fcntl F_SETOWN", try_owner },
		{ "prctl", try_prctl },
	};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	printf("built with a sanitizer: services have no seccomp then\n");
	return SKIP;
#endif
	expect_killed("nothing", try_nothing, 0);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		expect_killed(attempts[i].name, attempts[i].attempt, SIGSYS);
	expect_killed_in(NULL, "network", use_network, 0);
	for (size_t i = 0; i < sizeof(network_attempts) / sizeof(network_attempts[0]); i++)
		expect_killed_in(enter_network, network_attempts[i].name,
				 network_attempts[i].attempt, SIGSYS);
	expect_ring_refuses();
	if (!failures)
		printf("all attempts failed as they must\n");
	return failures ? 1 : 0;
}
