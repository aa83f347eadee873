/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor_host.c - what the running kernel offers and this user may use
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "report.h"

void mullion_doctor_signing(struct mullion_doctor *doctor)
{
	static const char secure_boot[] =
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	char lockdown[128] = "", enforce[8] = "";
	unsigned char variable[5] = { 0 };
	const char *mode = "none", *open_bracket;
	int fd = open(secure_boot, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, variable, sizeof(variable)) != sizeof(variable))
			variable[4] = 0;
		close(fd);
	}
	/* "none [integrity] confidentiality" */
	if (!mullion_doctor_read("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown))) {
		open_bracket = strchr(lockdown, '[');
		if (open_bracket) {
			mode = open_bracket + 1;
			lockdown[strcspn(lockdown, "]")] = '\0';
		}
	}
	mullion_doctor_read("/sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce));
	if (variable[4] == 1 || strcmp(mode, "none") || enforce[0] == 'Y')
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "signing",
				   "sign them with an enrolled key (MOK) only if this machine is to be a guest itself",
				   "this machine loads signed modules only (Secure Boot %s, lockdown %s, sig_enforce %s); guests started here load ours unsigned",
				   variable[4] == 1 ? "on" : "off", mode,
				   enforce[0] ? enforce : "N");
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "signing", NULL,
				   "modules need no signature, neither in guests started here nor on this machine (Secure Boot off, lockdown none)");
}

/* A ring as services make it.  Return: 0 or negative errno; *step says what failed. */
static int host_ring(const char **step)
{
	struct io_uring_restriction restriction = {
		.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ,
	};
	struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED };
	int ring = syscall(SYS_io_uring_setup, 4, &params), ret = 0;

	*step = "make a ring";
	if (ring < 0)
		return -errno;
	*step = "restrict a ring";
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_RESTRICTIONS, &restriction, 1))
		ret = -errno;
	*step = "enable a ring";
	if (!ret && syscall(SYS_io_uring_register, ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		ret = -errno;
	close(ring);
	return ret;
}

void mullion_doctor_io_uring(struct mullion_doctor *doctor)
{
	char disabled[8] = "0";
	const char *step;
	int ret = host_ring(&step);

	mullion_doctor_read("/proc/sys/kernel/io_uring_disabled", disabled, sizeof(disabled));
	if (!ret)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "io_uring", NULL,
				   "usable, and rings can be restricted");
	else if (ret == -ENOSYS)
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "io_uring",
				   "use a kernel with CONFIG_IO_URING, 5.10 or later",
				   "the kernel does not have it");
	else if (ret == -EPERM && disabled[0] != '0')
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "io_uring",
				   "`sysctl kernel.io_uring_disabled=0', or run the daemon as root or in the group kernel.io_uring_group",
				   "turned off by kernel.io_uring_disabled=%s", disabled);
	else if (ret == -EPERM)
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "io_uring",
				   "allow it in the container's seccomp profile",
				   "cannot %s: not permitted here", step);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "io_uring",
				   ret == -ENOMEM ? "raise the limit of locked memory (ulimit -l)"
						  : "use kernel 5.10 or later",
				   "cannot %s: %s", step, strerror(-ret));
}

void mullion_doctor_seccomp(struct mullion_doctor *doctor)
{
	unsigned int action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "seccomp",
				   "use a kernel with CONFIG_SECCOMP_FILTER, 4.14 or later",
				   "filters are not available: %s", strerror(errno));
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "seccomp", NULL,
				   "filters available; service processes have an allow-list");
}

void mullion_doctor_landlock(struct mullion_doctor *doctor)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "landlock", NULL, "ABI %ld", abi);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "landlock",
				   errno == EOPNOTSUPP ? "add landlock to the kernel parameter lsm="
						       : "use a kernel with CONFIG_SECURITY_LANDLOCK",
				   "%s; service processes are held by seccomp and their missing privileges alone",
				   errno == EOPNOTSUPP ? "built into the kernel, but turned off"
						       : "not in this kernel");
}

void mullion_doctor_memfd(struct mullion_doctor *doctor)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("mullion-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret = 0;

	if (fd < 0 || ftruncate(fd, 1 << 20) || fallocate(fd, 0, 0, 1 << 20) ||
	    fcntl(fd, F_ADD_SEALS, seals) || fcntl(fd, F_GET_SEALS) != seals)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	if (ret)
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "memfd",
				   ret == -ENOSPC || ret == -ENOMEM
				   ? "free memory, or raise the memory limit of this session"
				   : "use a kernel with CONFIG_MEMFD_CREATE",
				   "no sealed shared memory: %s", strerror(-ret));
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "memfd", NULL,
				   "shared memory can be sealed");
}

void mullion_doctor_pidfd(struct mullion_doctor *doctor)
{
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0) {
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "pidfd", "use kernel 5.3 or later",
				   "processes cannot be watched: %s", strerror(errno));
		return;
	}
	close(fd);
	mullion_doctor_say(doctor, MULLION_FINDING_OK, "pidfd", NULL, "processes can be watched");
}

/* A device without a name is none yet: nothing is made by opening it. */
void mullion_doctor_tun(struct mullion_doctor *doctor)
{
	static const char device[] = "/dev/net/tun";
	int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "tun",
				   errno == EACCES || errno == EPERM
				   ? "change its permissions"
				   : "load the module tun (modprobe tun)",
				   "%s: %s; networks with uplink tap do not work", device,
				   strerror(errno));
		return;
	}
	close(fd);
	/* as root in a container without it, this is found out by the network's start */
	if (geteuid())
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "tun", NULL,
				   "usable with TAP interfaces that were made for this user (ip tuntap add ... user)");
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "tun", NULL,
				   "usable; TAP interfaces are made as they are needed");
}

/* unshare() in a child: this process must stay what it is. */
static int host_userns(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (!child)
		_exit(unshare(CLONE_NEWUSER) ? errno : 0);
	if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

void mullion_doctor_userns(struct mullion_doctor *doctor)
{
	char value[16] = "";
	const char *advice = "raise user.max_user_namespaces (sysctl)";
	int ret = host_userns();

	if (!ret) {
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "userns", NULL,
				   "user namespaces usable");
		return;
	}
	if (!mullion_doctor_read("/proc/sys/kernel/unprivileged_userns_clone", value,
				 sizeof(value)) && value[0] == '0')
		advice = "`sysctl kernel.unprivileged_userns_clone=1'";
	else if (!mullion_doctor_read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
				      value, sizeof(value)) && value[0] == '1')
		advice = "`sysctl kernel.apparmor_restrict_unprivileged_userns=0'";
	mullion_doctor_say(doctor, MULLION_FINDING_WARN, "userns", advice,
			   "no user namespaces (%s); an ordinary user cannot build the Debian image",
			   strerror(-ret));
}

void mullion_doctor_memory(struct mullion_doctor *doctor)
{
	FILE *in = fopen("/proc/meminfo", "re");
	char line[128], text[MULLION_SIZE_TEXT];
	uint64_t kib = 0;

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (in)
		fclose(in);
	mullion_report_size(kib << 10, text);
	if (kib < 1 << 20)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "memory",
				   "free memory, or give guests less (--memory)",
				   "%s available; a guest takes 512M and its windows", text);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "memory", NULL, "%s available",
				   text);
}

void mullion_doctor_limits(struct mullion_doctor *doctor)
{
	struct rlimit files, locked;
	char text[MULLION_SIZE_TEXT];

	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_MEMLOCK, &locked);
	if (locked.rlim_max == RLIM_INFINITY)
		strcpy(text, "no limit");
	else
		mullion_report_size(locked.rlim_max, text);
	if (files.rlim_max < 4096)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "limits",
				   "raise the limit of open files (ulimit -Hn) to 4096 or more",
				   "%" PRIu64 " open files; a guest takes about 100",
				   (uint64_t)files.rlim_max);
	else if (geteuid() && locked.rlim_max < 1 << 20)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "limits",
				   "raise the limit of locked memory (ulimit -Hl) to 8M or more",
				   "%s of locked memory; older kernels count io_uring rings in it",
				   text);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "limits", NULL,
				   "%" PRIu64 " open files, locked memory: %s",
				   (uint64_t)files.rlim_max, text);
}
