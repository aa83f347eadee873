// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench/fio/mullion.c - fio engine: the disks of a process guest
 *
 *	fio --ioengine=external:build/fio-mullion.so --guest=NAME --filename=0 ...
 *
 * A file's name is the number of a logical unit of the guest's first vHBA
 * device; several files of one job use several units.  fio's buffers lie in
 * the window's pool, so that nothing is copied.  A guest can be attached once:
 * use one job per guest (numjobs=1) and iodepth for parallelism.
 *
 * Built against the headers of the fio that will load it (bench/fio/build).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fio.h"
#include "optgroup.h"

#include "abi/guid.h"
#include "channel/disk.h"
#include "channel/guest.h"

#define CONNECT_MS 10000

struct mullion_options {
	void *pad;		/* fio does not allow an option at offset 0 */
	char *guest;
	char *socket;
	unsigned int wake;
};

static struct fio_option mullion_option_table[] = {
	{
		.name = "guest",
		.lname = "Guest's name",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct mullion_options, guest),
		.help = "Name of a running guest of type process",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "socket",
		.lname = "API socket",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct mullion_options, socket),
		.help = "API socket of mulliond; default: the usual place",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "wake",
		.lname = "Wake-up mode",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct mullion_options, wake),
		.def = "adaptive",
		.posval = {
			{ .ival = "adaptive", .oval = MULLION_WAKE_ADAPTIVE },
			{ .ival = "poll", .oval = MULLION_WAKE_POLL },
			{ .ival = "sleep", .oval = MULLION_WAKE_SLEEP },
		},
		.help = "How to wait for completions",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{ .name = NULL },
};

struct mullion_request {
	struct mullion_disk_io io;
	struct io_u *io_u;
	struct mullion_data *owner;
	uint64_t list_offset;	/* UNMAP parameter list */
	void *list;
};

struct mullion_unit {
	uint32_t lun;
	uint32_t block_bytes;
};

struct mullion_data {
	struct mullion_guest *guest;
	struct mullion_disk *disk;
	void *memory;
	uint64_t memory_offset;
	struct io_u **events;
	unsigned int done;	/* entries of events */
};

static int mullion_attach(struct thread_data *td, struct mullion_data *data)
{
	struct mullion_options *options = td->eo;
	guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct mullion_guest_device *device;
	int r;

	if (!options->guest) {
		log_err("mullion: no guest named; give --guest=NAME\n");
		return -EINVAL;
	}
	r = mullion_guest_connect(&data->guest, options->socket, options->guest);
	if (r < 0)
		goto fail;
	r = mullion_guest_wait_ready(data->guest, CONNECT_MS);
	if (r < 0)
		goto fail;
	device = mullion_guest_device_find(data->guest, &type, 0);
	r = -ENODEV;
	if (!device)
		goto fail;
	r = mullion_disk_open(&data->disk, device, CONNECT_MS);
	if (r < 0)
		goto fail;
	mullion_disk_set_wake(data->disk, (enum mullion_wake)options->wake);
	return 0;
fail:
	log_err("mullion: guest %s: %s\n", options->guest, strerror(-r));
	mullion_guest_close(data->guest);
	data->guest = NULL;
	return r;
}

static void mullion_detach(struct mullion_data *data)
{
	mullion_disk_close(data->disk);
	mullion_guest_close(data->guest);
	data->disk = NULL;
	data->guest = NULL;
}

/* Sizes are asked in the parent, so the guest is attached for a moment. */
static int mullion_setup(struct thread_data *td)
{
	struct mullion_data data = { 0 };
	struct fio_file *f;
	unsigned int i;
	int r;

	r = mullion_attach(td, &data);
	if (r < 0)
		return 1;
	for_each_file(td, f, i) {
		struct mullion_unit *unit = calloc(1, sizeof(*unit));
		uint64_t blocks;

		if (!unit) {
			r = -ENOMEM;
			break;
		}
		unit->lun = (uint32_t)strtoul(f->file_name, NULL, 10);
		r = mullion_disk_capacity(data.disk, 0, unit->lun, &blocks,
					  &unit->block_bytes);
		if (r < 0) {
			log_err("mullion: LUN %s: %s\n", f->file_name, strerror(-r));
			free(unit);
			break;
		}
		f->real_file_size = blocks * unit->block_bytes;
		f->filetype = FIO_TYPE_BLOCK;
		fio_file_set_size_known(f);
		FILE_SET_ENG_DATA(f, unit);
	}
	mullion_detach(&data);
	td->o.open_files = td->o.nr_files;
	return r < 0 ? 1 : 0;
}

static int mullion_init(struct thread_data *td)
{
	struct mullion_data *data = calloc(1, sizeof(*data));

	if (!data)
		return 1;
	data->events = calloc(td->o.iodepth, sizeof(data->events[0]));
	if (!data->events || mullion_attach(td, data) < 0) {
		free(data->events);
		free(data);
		return 1;
	}
	td->io_ops_data = data;
	return 0;
}

static void mullion_cleanup(struct thread_data *td)
{
	struct mullion_data *data = td->io_ops_data;

	if (!data)
		return;
	mullion_detach(data);
	free(data->events);
	free(data);
	td->io_ops_data = NULL;
}

static int mullion_iomem_alloc(struct thread_data *td, size_t bytes)
{
	struct mullion_data *data = td->io_ops_data;
	int r = mullion_disk_alloc(data->disk, bytes, &data->memory_offset,
				   &data->memory);

	if (r < 0) {
		log_err("mullion: %zu bytes of pool: %s\n", bytes, strerror(-r));
		return 1;
	}
	td->orig_buffer = data->memory;
	return 0;
}

static void mullion_iomem_free(struct thread_data *td)
{
	struct mullion_data *data = td->io_ops_data;

	if (data && data->memory)
		mullion_disk_free(data->disk, data->memory_offset);
}

static void mullion_done(struct mullion_disk_io *io)
{
	struct mullion_request *request = io->arg;
	struct io_u *io_u = request->io_u;

	io_u->error = io->error ? -io->error : io->status || io->host ? EIO : 0;
	io_u->resid = io->residual;
	request->owner->events[request->owner->done++] = io_u;
}

static int mullion_io_u_init(struct thread_data *td, struct io_u *io_u)
{
	struct mullion_data *data = td->io_ops_data;
	struct mullion_request *request = calloc(1, sizeof(*request));

	if (!request)
		return 1;
	request->io_u = io_u;
	request->owner = data;
	if (td_trim(td) && mullion_disk_alloc(data->disk, 4096,
					      &request->list_offset,
					      &request->list) < 0) {
		free(request);
		return 1;
	}
	io_u->engine_data = request;
	return 0;
}

static void mullion_io_u_free(struct thread_data *td, struct io_u *io_u)
{
	struct mullion_data *data = td->io_ops_data;
	struct mullion_request *request = io_u->engine_data;

	if (request && request->list && data)
		mullion_disk_free(data->disk, request->list_offset);
	free(request);
	io_u->engine_data = NULL;
}

static enum fio_q_status mullion_queue(struct thread_data *td, struct io_u *io_u)
{
	struct mullion_data *data = td->io_ops_data;
	struct mullion_request *request = io_u->engine_data;
	struct mullion_unit *unit = FILE_ENG_DATA(io_u->file);
	uint64_t lba = io_u->offset / unit->block_bytes;
	uint32_t blocks = (uint32_t)(io_u->xfer_buflen / unit->block_bytes);
	uint64_t offset;
	int r;

	fio_ro_check(td, io_u);
	offset = data->memory_offset +
		 (uint64_t)((char *)io_u->xfer_buf - (char *)data->memory);
	switch (io_u->ddir) {
	case DDIR_READ:
		mullion_disk_prep_read(&request->io, lba, blocks,
				       unit->block_bytes, offset);
		break;
	case DDIR_WRITE:
		mullion_disk_prep_write(&request->io, lba, blocks,
					unit->block_bytes, offset, false);
		break;
	case DDIR_TRIM:
		mullion_disk_prep_unmap(&request->io, lba, blocks,
					request->list_offset, request->list);
		break;
	case DDIR_SYNC:
	case DDIR_DATASYNC:
		mullion_disk_prep_flush(&request->io);
		break;
	default:
		io_u->error = EOPNOTSUPP;
		return FIO_Q_COMPLETED;
	}
	request->io.lun = unit->lun;
	request->io.done = mullion_done;
	request->io.arg = request;
	r = mullion_disk_submit(data->disk, &request->io);
	if (r == -EAGAIN)
		return FIO_Q_BUSY;
	if (r < 0) {
		io_u->error = -r;
		return FIO_Q_COMPLETED;
	}
	return FIO_Q_QUEUED;
}

static int mullion_commit(struct thread_data *td)
{
	struct mullion_data *data = td->io_ops_data;

	mullion_disk_kick(data->disk);
	return 0;
}

static int mullion_getevents(struct thread_data *td, unsigned int min,
			     unsigned int max, const struct timespec *t)
{
	struct mullion_options *options = td->eo;
	struct mullion_data *data = td->io_ops_data;
	int r;

	(void)max;		/* never more than iodepth are under way */
	(void)t;
	data->done = 0;
	do {
		r = !min || options->wake == MULLION_WAKE_POLL ?
		    mullion_disk_poll(data->disk) :
		    mullion_disk_wait(data->disk, -1);
		if (r < 0)
			return r;
	} while (data->done < min);
	return (int)data->done;
}

static struct io_u *mullion_event(struct thread_data *td, int event)
{
	struct mullion_data *data = td->io_ops_data;

	return data->events[event];
}

static int mullion_open_file(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

static int mullion_close_file(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

static int mullion_get_file_size(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;		/* known since setup */
}

struct ioengine_ops ioengine = {
	.name = "mullion",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_DISKLESSIO | FIO_NOEXTEND | FIO_NODISKUTIL,
	.setup = mullion_setup,
	.init = mullion_init,
	.cleanup = mullion_cleanup,
	.iomem_alloc = mullion_iomem_alloc,
	.iomem_free = mullion_iomem_free,
	.io_u_init = mullion_io_u_init,
	.io_u_free = mullion_io_u_free,
	.queue = mullion_queue,
	.commit = mullion_commit,
	.getevents = mullion_getevents,
	.event = mullion_event,
	.open_file = mullion_open_file,
	.close_file = mullion_close_file,
	.get_file_size = mullion_get_file_size,
	.option_struct_size = sizeof(struct mullion_options),
	.options = mullion_option_table,
};
