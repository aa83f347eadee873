/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor_kvm.c - can KVM run a guest here?
 *
 * Without the CPU's flag the daemon does not try.  A /dev/kvm that opens proves
 * little besides: under some hypervisors it is there and cannot enter a guest,
 * or offers a CPU that QEMU cannot set up.  So a virtual
 * CPU is made to run one HLT instruction, in a child process with a deadline,
 * and then QEMU to make a whole machine that does not start.
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

#define KVM_OTHERWISE "guests are emulated (TCG), much slower"

#if defined(__x86_64__)
#define KVM_FLAGS "vmx or svm"

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
#define KVM_FLAGS "virtualisation"

/* Other architectures have no instruction in common; making the CPU must do. */
static int kvm_run_hlt(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return KVM_NO_VM;
	return ioctl(vm, KVM_CREATE_VCPU, 0) < 0 ? KVM_NO_VCPU : KVM_RUNS;
}

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

static const char kvm_advice[] = "`dmesg | grep kvm' may tell why; until then use --accel tcg";

/* The last line that says something; "quit" is echoed in between. */
static const char *kvm_last_line(char *text)
{
	char *last = "";

	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		if (strstr(line, "error") || strstr(line, "failed") || strstr(line, "not "))
			last = line;
	return last;
}

static void kvm_say_qemu(struct mullion_doctor *doctor)
{
	char *argv[] = {
		mullion_doctor_qemu_program(), "-accel", "kvm", "-cpu", "host", "-m", "64", "-nodefaults",
		"-display", "none", "-S", "-monitor", "stdio", NULL,
	};
	char *text;
	int ret = mullion_doctor_output(argv, "quit\n", &text);

	if (ret > 0)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm", kvm_advice,
				   "a virtual CPU runs, but QEMU cannot make a machine with it (%s)",
				   kvm_last_line(text));
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "kvm", NULL,
				   "usable: a virtual CPU ran an instruction%s",
				   ret ? "" : ", and QEMU can make a machine");
	if (ret >= 0)
		free(text);
}

static void kvm_say_missing(struct mullion_doctor *doctor, int error)
{
	if (!kvm_cpu_can())
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "turn virtualisation on in the firmware, or nested virtualisation in the hypervisor below",
				   "the CPU does not offer " KVM_FLAGS "; " KVM_OTHERWISE);
	else if (error == -EACCES || error == -EPERM)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "add yourself to the group kvm (`adduser $USER kvm') and log in again",
				   "/dev/kvm is there, but you may not open it; " KVM_OTHERWISE);
	else if (error == -ENOENT)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "`modprobe kvm_intel' or `modprobe kvm_amd'",
				   "the CPU could, but there is no /dev/kvm: the module is not loaded; " KVM_OTHERWISE);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm",
				   "`dmesg | grep kvm' may tell why",
				   "/dev/kvm cannot be opened: %s; " KVM_OTHERWISE,
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

	if (kvm < 0 || !kvm_cpu_can()) {
		kvm_say_missing(doctor, -errno);
		if (kvm >= 0)
			close(kvm);
		return;
	}
	ret = ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION ? kvm_try(kvm) : -ENOTTY;
	close(kvm);
	if (ret == KVM_RUNS)
		kvm_say_qemu(doctor);
	else if (ret > 0 && ret <= KVM_NO_ENTRY)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm", kvm_advice,
				   "/dev/kvm opens, but cannot %s", steps[ret]);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm", kvm_advice,
				   "/dev/kvm opens, but %s", ret == -ETIMEDOUT
				   ? "a virtual CPU hangs at its first instruction"
				   : "does not behave like KVM");
}
