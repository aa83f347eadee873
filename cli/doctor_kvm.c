/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor_kvm.c - can KVM run a guest here?
 *
 * Whether a virtual CPU runs is asked as the daemon asks.  A CPU that runs may
 * still be one that QEMU cannot set up, so QEMU is made to make a whole machine
 * that does not start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../command/host.h"
#include "doctor.h"

#define KVM_OTHERWISE "guests are emulated (TCG), much slower"

static const char kvm_advice[] = "`dmesg | grep kvm' may tell why";

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
	char qemu[PATH_MAX];
	char *argv[] = {
		qemu, "-accel", "kvm", "-cpu", "host", "-m", "64", "-nodefaults",
		"-display", "none", "-S", "-monitor", "stdio", NULL,
	};
	char *text;
	int ret;

	mullion_host_qemu(qemu);
	ret = mullion_doctor_output(argv, "quit\n", &text);

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

void mullion_doctor_kvm(struct mullion_doctor *doctor)
{
	char why[MULLION_HOST_WHY];
	const char *advice = kvm_advice;
	int error;

	switch (mullion_host_kvm(why, &error)) {
	case MULLION_KVM_USABLE:
		kvm_say_qemu(doctor);
		return;
	case MULLION_KVM_NO_FLAG:
		advice = "turn virtualisation on in the firmware, or nested virtualisation in the hypervisor below";
		break;
	case MULLION_KVM_NO_DEVICE:
		if (error == -EACCES || error == -EPERM)
			advice = "add yourself to the group kvm (`adduser $USER kvm') and log in again";
		else if (error == -ENOENT)
			advice = "`modprobe kvm_intel' or `modprobe kvm_amd'";
		break;
	default:
		break;
	}
	mullion_doctor_say(doctor, MULLION_FINDING_WARN, "kvm", advice, "%s; " KVM_OTHERWISE, why);
}
