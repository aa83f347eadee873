// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/host.c - what this machine has for guests: QEMU and KVM
 *
 * A /dev/kvm that opens proves little: under some hypervisors it is there and
 * cannot enter a guest.  So the thing itself is tried, in a child, because a
 * hypervisor that is broken may as well hang.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "spawn.h"

#define HOST_HLT_ADDRESS	0x1000
#define HOST_KVM_SECONDS	2
#define HOST_QEMU_SECONDS	2

int mullion_host_qemu(char out[static PATH_MAX])
{
	static const char * const folders[] = { "/usr/bin", "/usr/local/bin", "/bin",
						"/usr/libexec" };
	const char *env = getenv("MULLION_QEMU");
	size_t i;

	if (env) {
		snprintf(out, PATH_MAX, "%s", env);
		return access(out, X_OK) == 0 ? 0 : -ENOENT;
	}
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(out, PATH_MAX, "%s/qemu-system-x86_64", folders[i]);
		if (access(out, X_OK) == 0)
			return 0;
	}
	strcpy(out, "qemu-system-x86_64");
	return -ENOENT;
}

/* The first line that a program prints, as much of it as fits. */
static int host_first_line(int fd, char *line, size_t bytes)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t length = 0;
	ssize_t r;

	while (length < bytes - 1) {
		if (poll(&wait, 1, HOST_QEMU_SECONDS * 1000) <= 0)
			return -ETIMEDOUT;
		r = read(fd, line + length, bytes - 1 - length);
		if (r <= 0)
			break;
		length += (size_t)r;
		if (memchr(line, '\n', length))
			break;
	}
	line[length] = '\0';
	return 0;
}

int mullion_host_qemu_version(const char *qemu, int *ret_major, int *ret_minor)
{
	char *const argv[] = { (char *)qemu, (char *)"--version", NULL };
	struct mullion_spawn spawn = { .path = qemu, .argv = argv, .socket = -1, .errors = -1 };
	int major, minor, output[2], pidfd, r;
	const char *number;
	char line[128];
	pid_t pid;

	if (pipe2(output, O_CLOEXEC))
		return -errno;
	spawn.output = output[1];
	pidfd = mullion_spawn(&spawn, &pid);
	close(output[1]);
	r = pidfd;
	if (pidfd < 0)
		goto out;
	r = host_first_line(output[0], line, sizeof(line));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pidfd);
	if (r)
		goto out;
	number = strstr(line, "version ");
	r = -EPROTO;
	if (number && sscanf(number, "version %d.%d", &major, &minor) == 2) {
		*ret_major = major;
		*ret_minor = minor;
		r = 0;
	}
out:
	close(output[0]);
	return r;
}

#if defined(__x86_64__)
static int host_run_hlt(int kvm)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = HOST_HLT_ADDRESS, .memory_size = 4096,
	};
	struct kvm_regs regs = { .rip = HOST_HLT_ADDRESS, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	int vm, vcpu, size;
	char *page;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return MULLION_KVM_NO_VM;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return MULLION_KVM_NO_MEMORY;
	page[0] = 0xf4;
	region.userspace_addr = (unsigned long)page;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return MULLION_KVM_NO_MEMORY;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || size < (int)sizeof(*run))
		return MULLION_KVM_NO_VCPU;
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return MULLION_KVM_NO_VCPU;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return MULLION_KVM_NO_VCPU;
	if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_HLT)
		return MULLION_KVM_NO_ENTRY;
	return MULLION_KVM_USABLE;
}

static bool host_cpu_can(void)
{
	FILE *in = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool can = false;

	while (in && !can && getline(&line, &size, in) > 0) {
		if (strncmp(line, "flags", 5))
			continue;
		/* Each flag has a blank on both sides, the last one a newline. */
		line[strcspn(line, "\n")] = ' ';
		can = strstr(line, " vmx ") || strstr(line, " svm ");
		break;
	}
	free(line);
	if (in)
		fclose(in);
	return can;
}
#else
/* Other architectures have no instruction in common; making the CPU must do. */
static int host_run_hlt(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return MULLION_KVM_NO_VM;
	return ioctl(vm, KVM_CREATE_VCPU, 0) < 0 ? MULLION_KVM_NO_VCPU : MULLION_KVM_USABLE;
}

static bool host_cpu_can(void)
{
	return true;
}
#endif

static enum mullion_kvm host_try(int kvm)
{
	siginfo_t info = { 0 };
	pid_t child;
	int r;

	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return MULLION_KVM_STRANGE;
	child = fork();
	if (child < 0)
		return MULLION_KVM_NO_MEMORY;
	if (!child) {
		sigset_t none;

		sigemptyset(&none);
		signal(SIGALRM, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		alarm(HOST_KVM_SECONDS);
		_exit((int)host_run_hlt(kvm));
	}
	do {
		r = waitid(P_PID, (id_t)child, &info, WEXITED);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return MULLION_KVM_STRANGE;
	if (info.si_code == CLD_EXITED)
		return (enum mullion_kvm)info.si_status;
	return info.si_status == SIGALRM ? MULLION_KVM_HANGS : MULLION_KVM_STRANGE;
}

enum mullion_kvm mullion_host_kvm(char why[static MULLION_HOST_WHY], int *ret_error)
{
	static const char * const texts[] = {
		[MULLION_KVM_USABLE] = "",
		[MULLION_KVM_NO_FLAG] = "the processor offers neither vmx nor svm",
		[MULLION_KVM_NO_DEVICE] = "/dev/kvm cannot be opened",
		[MULLION_KVM_STRANGE] = "/dev/kvm does not behave like KVM",
		[MULLION_KVM_NO_VM] = "/dev/kvm opens, but cannot make a virtual machine",
		[MULLION_KVM_NO_MEMORY] = "/dev/kvm opens, but cannot give memory to a virtual machine",
		[MULLION_KVM_NO_VCPU] = "/dev/kvm opens, but cannot make a virtual CPU",
		[MULLION_KVM_NO_ENTRY] = "/dev/kvm opens, but cannot run an instruction on a virtual CPU",
		[MULLION_KVM_HANGS] = "/dev/kvm opens, but a virtual CPU hangs at its first instruction",
	};
	enum mullion_kvm result = MULLION_KVM_NO_FLAG;
	int error = 0;
	int kvm;

	if (host_cpu_can()) {
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		error = kvm < 0 ? -errno : 0;
		result = kvm < 0 ? MULLION_KVM_NO_DEVICE : host_try(kvm);
		if (kvm >= 0)
			close(kvm);
	}
	snprintf(why, MULLION_HOST_WHY, "%s%s%s", texts[result], error ? ": " : "",
		 error ? strerror(-error) : "");
	if (ret_error)
		*ret_error = error;
	return result;
}
