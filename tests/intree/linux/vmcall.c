// SPDX-License-Identifier: GPL-2.0-only
/*
 * tests/intree/linux/vmcall.c - the hypervisor's part of s-Par discovery
 *
 * visorbus of Linux 5.10 asks the hypervisor where its control channel is, by a
 * VMCALL.  A processor without a hypervisor below it raises an invalid opcode
 * exception instead; this module, loaded first, answers there.  Everything else
 * that raises the exception is left to the kernel.
 *
 * The call: function in EAX, the physical address of the parameter block in EBX
 * (low half) and ECX (high half); the result in EAX.  The block is not aligned.
 */
#include <linux/io.h>
#include <linux/kdebug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <linux/string.h>

#include <asm/traps.h>
#include <asm/unaligned.h>

#define VMCALL_CONTROL_ADDRESS	0x0501
#define VMCALL_INVALID		1

static ulong address;
module_param(address, ulong, 0444);
MODULE_PARM_DESC(address, "physical address of the control channel");

static uint bytes;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "size of the control channel");

static int vmcall_die(struct notifier_block *block, unsigned long event, void *data)
{
	static const u8 opcode[] = { 0x0f, 0x01, 0xc1 };
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	u64 parameters;
	u8 *answer;

	if (event != DIE_TRAP || ((struct die_args *)data)->trapnr != X86_TRAP_UD ||
	    user_mode(regs) || memcmp((void *)regs->ip, opcode, sizeof(opcode)))
		return NOTIFY_DONE;

	regs->ip += sizeof(opcode);
	if ((u32)regs->ax != VMCALL_CONTROL_ADDRESS) {
		pr_err("vmcall: function %#lx is not known\n", regs->ax);
		regs->ax = VMCALL_INVALID;
		return NOTIFY_STOP;
	}
	parameters = (u32)regs->bx | (u64)(u32)regs->cx << 32;
	answer = phys_to_virt(parameters);
	put_unaligned_le64(address, answer);
	put_unaligned_le32(bytes, answer + 8);
	regs->ax = 0;
	return NOTIFY_STOP;
}

static struct notifier_block vmcall_block = {
	.notifier_call = vmcall_die,
};

static int __init vmcall_init(void)
{
	return register_die_notifier(&vmcall_block);
}

static void __exit vmcall_exit(void)
{
	unregister_die_notifier(&vmcall_block);
}

module_init(vmcall_init);
module_exit(vmcall_exit);
MODULE_DESCRIPTION("VMCALL for s-Par guests under emulation");
MODULE_LICENSE("GPL v2");
