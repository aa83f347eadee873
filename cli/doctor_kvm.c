/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor_kvm.c - can KVM run a guest here?
 *
 * A /dev/kvm that opens proves little: under some hypervisors it is there and
 * cannot enter a guest.  So a virtual CPU is made to run one HLT instruction,
 * in a child process with a deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

#define KVM_ADDRESS 0x1000
#define KVM_DEADLINE 5	/* seconds; the instruction takes microseconds */

/* How far it got, as the child's exit status. */
enum { KVM_RUNS, KVM_NO_VM, KVM_NO_MEMORY, KVM_NO_VCPU, KVM_NO_ENTRY };

#if defined(__x86_64__)
static int kvm_run_hlt(int kvm)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = KVM_ADDRESS, .memory_size = 4096,
	};
	struct kvm_regs regs = { .rip = KVM_ADDRESS, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	int vm, vcpu, size;
	char *page;

	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return KVM_NO_VM;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return KVM_NO_MEMORY;
	page[0] = 0xf4;
	region.userspace_addr = (unsigned long)page;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return KVM_NO_MEMORY;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || size < (int)sizeof(*run))
		return KVM_NO_VCPU;
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return KVM_NO_VCPU;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return KVM_NO_VCPU;
	if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_HLT)
		return KVM_NO_ENTRY;
	return KVM_RUNS;
}

static const char kvm_cpu_flags[] = "vmx or svm";

static bool kvm_cpu_can(void)
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
static int kvm_run_hlt(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return KVM_NO_VM;
	return ioctl(vm, KVM_CREATE_VCPU, 0) < 0 ? KVM_NO_VCPU : KVM_RUNS;
}

static const char kvm_cpu_flags[] = "the virtualisation extension";

static bool kvm_cpu_can(void)
{
	return true;
}
#endif

/* Return: how far it got, -ETIMEDOUT, or negative errno. */
static int kvm_try(int kvm)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child) {
		alarm(KVM_DEADLINE);
		_exit(kvm_run_hlt(kvm));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? -ETIMEDOUT : -EFAULT;
	return WEXITSTATUS(status);
}

static void kvm_say_missing(struct mullion_doctor *doctor, int error)
{
	if (error == -EACCES || error == -EPERM)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "add yourself to the group kvm (`adduser $USER kvm') and log in again",
				   "/dev/kvm is there, but you may not open it; guests are emulated (TCG), much slower");
	else if (!kvm_cpu_can())
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "turn virtualisation on in the firmware, or nested virtualisation in the hypervisor below",
				   "the CPU does not offer %s; guests are emulated (TCG), much slower",
				   kvm_cpu_flags);
	else if (error == -ENOENT)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "`modprobe kvm_intel' or `modprobe kvm_amd'",
				   "the CPU could, but there is no /dev/kvm: the module is not loaded; guests are emulated (TCG), much slower");
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "`dmesg | grep kvm' may tell why",
				   "/dev/kvm cannot be opened: %s; guests are emulated (TCG), much slower",
				   strerror(-error));
}

void mullion_doctor_kvm(struct mullion_doctor *doctor)
{
	static const char *const steps[] = {
		[KVM_NO_VM] = "make a virtual machine",
		[KVM_NO_MEMORY] = "give memory to a virtual machine",
		[KVM_NO_VCPU] = "make a virtual CPU",
		[KVM_NO_ENTRY] = "run an instruction on a virtual CPU",
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret;

	if (kvm < 0) {
		kvm_say_missing(doctor, -errno);
		return;
	}
	ret = ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION ? kvm_try(kvm) : -ENOTTY;
	close(kvm);
	if (ret == KVM_RUNS)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "kvm", NULL,
				   "usable: a virtual CPU ran an instruction");
	else if (ret > 0 && ret <= KVM_NO_ENTRY)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   kvm_cpu_can() ? "`dmesg | grep kvm' may tell why"
				   : "use a machine with virtualisation in the CPU, or nested virtualisation in the hypervisor below",
				   "/dev/kvm opens, but cannot %s%s; guests are emulated (TCG), much slower",
				   steps[ret], kvm_cpu_can() ? "" : " (the CPU has neither vmx nor svm)");
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "use --accel tcg",
				   "/dev/kvm opens, but %s", ret == -ETIMEDOUT
				   ? "a virtual CPU hangs at its first instruction"
				   : "does not behave like KVM");
}
