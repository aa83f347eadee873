// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xdp-attach.c - attach an XDP program of two instructions until killed
 *
 * Usage: xdp-attach INTERFACE VERDICT [generic]
 *
 * The program says VERDICT (XDP_DROP is 1, XDP_PASS 2, XDP_TX 3) of every frame.
 * "attached" is printed when it is in place.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(int argc, char **argv)
{
	struct bpf_insn code[2];
	union bpf_attr attr;
	int program;

	if (argc < 3) {
		fprintf(stderr, "usage: xdp-attach INTERFACE VERDICT [generic]\n");
		return 2;
	}
	memset(code, 0, sizeof(code));
	code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
	code[0].imm = atoi(argv[2]);
	code[1].code = BPF_JMP | BPF_EXIT;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.expected_attach_type = BPF_XDP;
	attr.insns = (unsigned long)code;
	attr.insn_cnt = 2;
	attr.license = (unsigned long)"GPL";
	program = bpf(BPF_PROG_LOAD, &attr);
	if (program < 0) {
		fprintf(stderr, "xdp-attach: load: %s\n", strerror(errno));
		return 1;
	}
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (unsigned int)program;
	attr.link_create.target_ifindex = if_nametoindex(argv[1]);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = argc > 3 ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	if (bpf(BPF_LINK_CREATE, &attr) < 0) {
		fprintf(stderr, "xdp-attach: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	printf("attached\n");
	fflush(stdout);
	pause();
	return 0;
}
