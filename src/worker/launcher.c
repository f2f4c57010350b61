/*
 * launcher.c: the background worker "lepton gpu": starts the program lepton_gpu, watches it, starts it again when
 * it has ended.  It touches neither the device nor batches, and is the only process that writes worker_state_write.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/ps_status.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "../guc.h"
#include "internal.h"

#define CALL_MS		   2000	 /* of quiet, after which the program is called */
#define ANSWER_MS	   20000 /* without an answer it is taken for hung */
#define END_MS		   2000	 /* that it may take to end when it is asked to */
#define PAUSE_FIRST_MS 100	 /* before the second start in a row; then twice as long each time */
#define PAUSE_MAX_MS   10000
#define SERVED_MS	   500 /* of service that make up for one failure */
#define RESTART_S	   5   /* before the server starts this worker again */
#define CONTROL_FD	   3   /* of the program */

extern char **environ;

/* A running program. */
typedef struct Program
{
	pid_t pid;
	int control;		/* our end of its control socket */
	TimestampTz heard;	/* of it, last */
	TimestampTz called; /* when it was called and has not answered; 0: it was not */
	TimestampTz ready;	/* when it became so; 0: it has not */
	bool is_absent;		/* it has found no device */
	int memory_mb;		/* lepton.gpu_memory that it was started with */
} Program;

static WorkerSnapshot snapshot;	  /* what everybody sees */
static char why[WORKER_TEXT_MAX]; /* the program ends or has ended; "" when it has not said so */
static bool is_outage = false;	  /* which has been logged */
static Program program = {.control = -1};

/* Find the program: it lies beside this library */
static bool
find_program(char *path)
{
	Dl_info info;

	if (dladdr((void *) worker_launcher_main, &info) == 0 || info.dli_fname == NULL)
		return false;
	strlcpy(path, info.dli_fname, MAXPGPATH);
	get_parent_directory(path);
	join_path_components(path, path, WORKER_PROGRAM);
	return access(path, X_OK) == 0;
}

/* Say where the GPU stands */
static void
enter(WorkerState state, const char *reason)
{
	snapshot.state = state;
	snapshot.since = GetCurrentTimestamp();
	snapshot.pid = program.pid;
	strlcpy(snapshot.reason, reason, WORKER_TEXT_MAX);
	worker_state_write(&snapshot);
	set_ps_display(worker_state_name(state));
}

/* Milliseconds since a time */
static long
since(TimestampTz time)
{
	return TimestampDifferenceMilliseconds(time, GetCurrentTimestamp());
}

/* Start the program; false, and why, when the system does not let us */
static bool
start_program(const char *path)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	char parent[32], memory[32];
	char *arguments[] = {(char *) path, parent, memory, NULL};
	int ends[2];
	int failure;

	snprintf(parent, sizeof(parent), "%d", (int) getpid());
	snprintf(memory, sizeof(memory), UINT64_FORMAT, (uint64) lepton_gpu_memory * 1024 * 1024);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
	{
		snprintf(why, WORKER_TEXT_MAX, "could not make a socket: %s", strerror(errno));
		return false;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* Signals to the server's process groups are not for it; it closes by itself what it inherits but does not know. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], CONTROL_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
											  POSIX_SPAWN_SETPGROUP);
	memset(&program, 0, sizeof(program));
	failure = posix_spawn(&program.pid, path, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	program.control = ends[0];
	program.heard = GetCurrentTimestamp();
	program.memory_mb = lepton_gpu_memory;
	if (failure == 0)
		return true;
	close(ends[0]);
	program.control = -1;
	program.pid = 0;
	snprintf(why, WORKER_TEXT_MAX, "could not start \"%s\": %s", path, strerror(failure));
	return false;
}

/* Wait for the program's end, which is near or will be made; its wait status */
static int
reap_program(void)
{
	TimestampTz start = GetCurrentTimestamp();
	int status = 0;
	bool is_killed = false;

	while (waitpid(program.pid, &status, is_killed ? 0 : WNOHANG) == 0)
	{
		if (since(start) > END_MS)
		{
			kill(program.pid, SIGKILL);
			is_killed = true;
			continue;
		}
		pg_usleep(1000L);
	}
	close(program.control);
	program.control = -1;
	program.pid = 0;
	return status;
}

/* End the program, when this worker ends */
static void
end_program(int code, Datum arg)
{
	(void) code;
	(void) arg;
	if (program.pid == 0)
		return;
	kill(program.pid, SIGTERM);
	(void) reap_program();
}

/* Note what the program says; it may have become ready or have given up */
static void
take_report(const WorkerReport *report)
{
	program.heard = GetCurrentTimestamp();
	program.called = 0;
	switch (report->news)
	{
		case WORKER_NEWS_READY:
			program.ready = program.heard;
			snapshot.starts++;
			snapshot.memory = report->memory;
			strlcpy(snapshot.device, report->device, WORKER_TEXT_MAX);
			enter(WORKER_STATE_READY, "");
			ereport(snapshot.starts == 1 ? LOG : DEBUG1,
					(errmsg("lepton runs models on %s", snapshot.device)));
			is_outage = false;
			break;
		case WORKER_NEWS_ABSENT:
			program.is_absent = true;
			strlcpy(why, report->reason, WORKER_TEXT_MAX);
			break;
		case WORKER_NEWS_FAILED:
			/* Closing a lost device may take its time, and nobody needs it. */
			strlcpy(why, report->reason, WORKER_TEXT_MAX);
			enter(WORKER_STATE_DOWN, why);
			kill(program.pid, SIGKILL);
			break;
		default:
			break;
	}
}

/* Read what the program says; false when it has closed its end */
static bool
hear_program(void)
{
	for (;;)
	{
		WorkerReport report;
		ssize_t n = recv(program.control, &report, sizeof(report), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n != sizeof(report))
			return false;
		report.device[WORKER_TEXT_MAX - 1] = report.reason[WORKER_TEXT_MAX - 1] = '\0';
		take_report(&report);
	}
}

/* Call a program that has been quiet; kill one that does not answer */
static void
call_program(void)
{
	char call = 0;

	if (program.memory_mb != lepton_gpu_memory && why[0] == '\0')
	{
		strlcpy(why, "lepton.gpu_memory has been changed", WORKER_TEXT_MAX);
		kill(program.pid, SIGTERM);
	}
	if (program.called != 0 && since(program.called) > ANSWER_MS)
	{
		snprintf(why, WORKER_TEXT_MAX, "lepton_gpu did not answer for %d s", ANSWER_MS / 1000);
		kill(program.pid, SIGKILL);
		program.called = GetCurrentTimestamp();
	}
	else if (program.called == 0 && since(program.heard) >= CALL_MS)
	{
		(void) send(program.control, &call, WORKER_CALL_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL);
		program.called = GetCurrentTimestamp();
	}
}

/* Sleep until the socket (or none: -1) has something, a signal comes or the time is over */
static void
doze(int fd, long timeout_ms)
{
	(void) WaitLatchOrSocket(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH |
								 (fd >= 0 ? WL_SOCKET_READABLE : 0),
							 fd >= 0 ? fd : PGINVALID_SOCKET, timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (ShutdownRequestPending)
		proc_exit(1);
}

/* Watch the program to its end */
static void
watch_program(void)
{
	while (hear_program())
	{
		call_program();
		doze(program.control, CALL_MS);
	}
}

/* Say how the program ended, unless it said so itself */
static void
explain_end(int status)
{
	if (why[0] != '\0')
		return;
	if (WIFSIGNALED(status))
		snprintf(why, WORKER_TEXT_MAX, "lepton_gpu was terminated by signal %d: %s",
				 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(why, WORKER_TEXT_MAX, "lepton_gpu ended with status %d",
				 WIFEXITED(status) ? WEXITSTATUS(status) : status);
}

/* Note that nothing runs on the device: logged once, until something does again */
static void
begin_outage(long pause_ms)
{
	enter(WORKER_STATE_DOWN, why);
	ereport(is_outage ? DEBUG1 : LOG,
			(errmsg("lepton lost the GPU: %s", why),
			 errdetail("Models run on the CPU until lepton_gpu is back; it is started in %ld ms.",
					   pause_ms)));
	is_outage = true;
}

/* Give up for good: there is nothing to run models on */
static void
give_up(const char *reason, int level)
{
	enter(WORKER_STATE_ABSENT, reason);
	ereport(level, (errmsg("lepton runs models on the CPU: %s", reason)));
	proc_exit(0);
}

/* Pause before the next start: short after long service, longer with each failure */
static long
next_pause(int *failures, long served_ms)
{
	long pause = PAUSE_FIRST_MS;

	*failures = (int) Max(0, *failures - served_ms / SERVED_MS);
	if ((*failures)++ == 0)
		return 0;
	for (int i = 2; i < *failures && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	return Min(pause, PAUSE_MAX_MS);
}

/* Be the background worker */
void
worker_launcher_main(Datum arg)
{
	char path[MAXPGPATH];
	int failures = 0;

	(void) arg;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(end_program, (Datum) 0);
	worker_state_read(&snapshot);
	if (lepton_device == WORKER_DEVICE_CPU)
		give_up("lepton.device was cpu when the server started", DEBUG1);
	if (!find_program(path))
		give_up("this build has no program lepton_gpu", LOG);
	for (;;)
	{
		long pause, slept, served = 0;
		TimestampTz begun;

		enter(WORKER_STATE_STARTING, "lepton_gpu is opening the device");
		why[0] = '\0';
		if (start_program(path))
		{
			int status;

			snapshot.pid = program.pid;
			worker_state_write(&snapshot);
			watch_program();
			served = program.ready != 0 ? since(program.ready) : 0;
			status = reap_program();
			if (program.is_absent)
				give_up(why, LOG);
			explain_end(status);
		}
		pause = next_pause(&failures, served);
		begin_outage(pause);
		begun = GetCurrentTimestamp();
		while ((slept = since(begun)) < pause)
			doze(-1, pause - slept);
	}
}

/* Register the background worker */
void
worker_launcher_init(void)
{
	BackgroundWorker worker = {0};
	Dl_info info;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = RESTART_S;
	snprintf(worker.bgw_name, BGW_MAXLEN, "lepton gpu");
	snprintf(worker.bgw_type, BGW_MAXLEN, "lepton gpu");
	/* The file that is running, whatever dynamic_library_path says; its name when the path is too long. */
	if (dladdr((void *) worker_launcher_main, &info) != 0 && info.dli_fname != NULL &&
		strlen(info.dli_fname) < sizeof(worker.bgw_library_name))
		strlcpy(worker.bgw_library_name, info.dli_fname, sizeof(worker.bgw_library_name));
	else
		strlcpy(worker.bgw_library_name, "lepton", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "worker_launcher_main", sizeof(worker.bgw_function_name));
	RegisterBackgroundWorker(&worker);
}
