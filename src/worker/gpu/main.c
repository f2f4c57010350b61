/*
 * main.c: the program lepton_gpu: owns the GPU for a PostgreSQL server, whose background worker starts it.  It is attached to
 * nothing of the server's: its end, however it comes, is a closed socket for everybody else.
 *
 *		lepton_gpu PARENT MEMORY	-- process id of the worker, bytes that it may take of the device (0: all)
 *
 * Descriptor 3 is the control socket; the working directory is the data directory.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

#define CONTROL_FD 3

/* Read the clock. */
uint64_t
program_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* Tell the background worker. */
void
program_report(const Program *p, WorkerNews news)
{
	WorkerReport report;

	memset(&report, 0, sizeof(report));
	report.news = news;
	report.memory = p->info.memory;
	snprintf(report.device, sizeof(report.device), "%.255s", p->info.name);
	snprintf(report.reason, sizeof(report.reason), "%.255s", p->reason);
	(void) send(p->control, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Keep a reason. */
static void
set_reason(Program *p, const char *message, const char *detail)
{
	int n = snprintf(p->reason, sizeof(p->reason), "%.160s", message);

	if (detail[0] != '\0')
		snprintf(p->reason + n, sizeof(p->reason) - (size_t) n, ": %.80s", detail);
}

/* End with a reason. */
void
program_fail(Program *p, const char *message, const char *detail)
{
	if (p->is_over)
		return;
	p->is_over = true;
	set_reason(p, message, detail);
	program_report(p, WORKER_NEWS_FAILED);
}

/* Close what was inherited from the server, but for the first descriptors. */
static void
close_inherited(void)
{
	if (close_range(CONTROL_FD + 1, ~0u, 0) == 0)
		return;
	for (int fd = CONTROL_FD + 1; fd < 65536; fd++)
		close(fd);
}

/* Open the device and say what came of it; false: the program ends. */
static bool
open_device(Program *p, uint64_t memory)
{
	LepError err = {0};
	LepStatus status = lep_gpu_probe(&p->info, &err);
	bool is_absent = status == LEP_MISSING || status == LEP_UNSUPPORTED;

	if (status == LEP_OK)
		status = lep_gpu_open(0, memory, &lep_malloc_allocator, &p->gpu, &err);
	if (status != LEP_OK)
		set_reason(p, err.message, err.detail);
	else if (server_listen(p))
	{
		program_report(p, WORKER_NEWS_READY);
		return true;
	}
	program_report(p, is_absent ? WORKER_NEWS_ABSENT : WORKER_NEWS_FAILED);
	return false;
}

/* Begin, serve, end. */
int
main(int argc, char **argv)
{
	static Program program;
	pid_t parent = argc == 3 ? (pid_t) strtol(argv[1], NULL, 10) : 0;

	if (parent <= 0)
	{
		fprintf(stderr, "lepton_gpu is started by PostgreSQL when lepton is in "
						"shared_preload_libraries\n");
		return 2;
	}
	/* Whoever started us may have gone before this call. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		return 1;
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	close_inherited();
	program.control = CONTROL_FD;
	program.listener = program.events = -1;
	if (open_device(&program, strtoull(argv[2], NULL, 10)))
		server_run(&program);
	while (program.connections != NULL)
		connection_close(&program, program.connections);
	flight_free(&program);
	models_free(&program);
	lep_gpu_close(program.gpu);
	return program.reason[0] != '\0';
}
