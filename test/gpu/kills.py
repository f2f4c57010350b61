"""Sessions that embed on the GPU while others die beside them: every answer must be right, and none may hang.

    python3 test/gpu/kills.py --terminate 200 --program 50 --errors 0 --psql path/to/psql --model folder

Speaks to a running server (PGHOST, PGPORT, PGUSER, PGDATABASE) that preloads lepton and has a GPU, or a program built with
WITH_CUDA=emulated; runs as root or as the server's user, to be allowed to kill. --terminate: backends ended by pg_terminate_backend in the middle
of a statement; --program: SIGKILL to lepton_gpu; --errors: how often the program must have ended by itself, where the server
runs under LEPTON_EMULATED_FAIL (test/emulated/emulated.h); --crash: SIGKILL to backends, each of which restarts the server.

Witnesses go on all the time: single texts and scans under lepton.device = auto, one session under gpu, which may only fail in the ways
that a lost GPU is told. Prints "N passed, N failed".
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

TOLD = ("lost the GPU while it ran a batch", "the GPU is not available", "cannot run on the GPU")
GONE = ("terminating connection", "server closed the connection", "connection to server was lost", "could not connect", "connection to server",
        "the database system is", "no connection to the server", "SSL")


class Session:
    """A psql that stays open; ask() gives what a statement prints."""

    def __init__(self, psql, settings=()):
        self.psql, self.settings = psql, settings
        self.process = None

    def open(self):
        """Connect; waits for a server that restarts."""
        for _ in range(200):
            self.process = subprocess.Popen([self.psql, "-X", "-q", "-A", "-t", "-v", "VERBOSITY=terse"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
            try:
                self.pid = int(self.send("SELECT pg_backend_pid()"))
                for setting in self.settings:
                    self.send(setting)
                return
            except (ValueError, OSError):
                self.close()
                time.sleep(0.1)
        sys.exit("the server does not come back")

    def send(self, sql):
        """Run a statement; what it printed, errors too."""
        self.process.stdin.write(sql + ";\n\\echo <<end>>\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if line == "":
                raise OSError("\n".join(lines))
            if line.strip() == "<<end>>":
                return "\n".join(lines)
            lines.append(line.rstrip("\n"))

    def ask(self, sql):
        """Run a statement; None when the connection went away."""
        if self.process is None:
            self.open()
        try:
            return self.send(sql)
        except OSError:
            self.close()
            return None

    def close(self):
        """Disconnect."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


class Run:
    """What all threads share."""

    def __init__(self, args):
        self.args = args
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.wrong, self.counts, self.worst = [], {}, {}

    def count(self, what, seconds=0.0):
        """Count something, and keep the longest time it took."""
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            self.worst[what] = max(self.worst.get(what, 0.0), seconds)

    def fail(self, message):
        """Keep what is wrong."""
        with self.lock:
            self.wrong.append(message)


SINGLE = ("SELECT max(abs(x - y)) < 0.02 FROM expected, unnest(e, lepton_embed(body, 'kills')) AS u(x, y) WHERE id = {}")
SCAN = ("SELECT count(*) FILTER (WHERE (SELECT max(abs(x - y)) FROM unnest(e, g) AS u(x, y)) < 0.02) FROM "
        "(SELECT e, lepton_embed(body, 'kills') AS g FROM expected OFFSET 0) s")


def witness(run, name, statement, want, settings):
    """Ask again and again until the end."""
    session = Session(run.args.psql, settings)
    rng = random.Random(name)
    while not run.stop.is_set():
        sql = statement.format(rng.randrange(run.args.rows))
        if session.process is None:
            session.open()
        started = time.perf_counter()
        answer = session.ask(sql)
        seconds = time.perf_counter() - started
        if answer == want:
            run.count(name, seconds)
        elif answer is None or (run.args.crash and any(word in answer for word in GONE)):
            # Only a crash of the server may end a witness.
            run.count("lost connections")
            session.close()
            if not run.args.crash:
                run.fail(f"{name}: the connection went away")
        elif "gpu" in name and any(word in answer for word in TOLD):
            run.count("told " + name, seconds)
        else:
            run.fail(f"{name}: {answer[:200]!r} instead of {want!r}")
    session.close()


def victim(run, sessions, number):
    """Be killed again and again."""
    rng = random.Random(number)
    while not run.stop.is_set():
        session = Session(run.args.psql)
        session.open()
        sessions[number] = session.pid
        while not run.stop.is_set() and session.process is not None:
            session.ask(SCAN if rng.random() < 0.5 else SINGLE.format(rng.randrange(run.args.rows)))
        session.close()


def prepare(session, args):
    """Load the model and compute what is expected on the CPU."""
    session.ask("CREATE EXTENSION IF NOT EXISTS lepton")
    session.ask(f"SELECT lepton_load_model('kills', '{args.model}') WHERE NOT EXISTS (SELECT FROM lepton_models WHERE name = 'kills')")
    session.ask("DROP TABLE IF EXISTS expected")
    session.ask("SET lepton.device = cpu")
    session.ask(f"CREATE TABLE expected AS SELECT i - 1 AS id, b AS body, lepton_embed(b, 'kills') AS e FROM (SELECT i, 'message ' || i || repeat(' word ' || i, "
                f"i % 23) AS b FROM generate_series(1, {args.rows}) i) t")
    session.ask("CREATE UNIQUE INDEX ON expected (id); ANALYZE expected")
    session.ask("RESET lepton.device")


def kill(pid, how):
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


def disturb(run, control, sessions):
    """End backends and programs until all were ended that should be."""
    args = run.args
    rng = random.Random(args.seed)
    todo = ["terminate"] * args.terminate + ["program"] * args.program + ["crash"] * args.crash
    rng.shuffle(todo)
    first = None
    for what in todo:
        time.sleep(rng.uniform(0, args.pause))
        if what in ("terminate", "crash"):
            pid = sessions[rng.randrange(len(sessions))]
            if what == "terminate":
                control.ask(f"SELECT pg_terminate_backend({pid})")
            else:
                kill(pid, signal.SIGKILL)
            run.count(what)
            continue
        pid = ""
        for _ in range(600):
            pid = control.ask("SELECT pid FROM lepton_gpu WHERE state = 'ready'")
            if pid:
                break
            time.sleep(0.05)
        if not pid:
            run.fail("the program did not come back within 30 s")
            return
        kill(int(pid), signal.SIGKILL)
        run.count(what)
    while args.errors > 0 and not run.wrong:
        starts = control.ask("SELECT starts FROM lepton_gpu")
        first = first or int(starts)
        if int(starts) - first >= args.errors:
            break
        time.sleep(0.1)
    for _ in range(args.errors):
        run.count("errors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminate", type=int, default=20)
    parser.add_argument("--program", type=int, default=5)
    parser.add_argument("--errors", type=int, default=0)
    parser.add_argument("--crash", type=int, default=0)
    parser.add_argument("--model", required=True, help="folder that the server can read")
    parser.add_argument("--psql", default="psql")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--singles", type=int, default=4, help="witnesses that ask for single texts")
    parser.add_argument("--victims", type=int, default=3)
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between two kills, at most")
    parser.add_argument("--limit", type=float, default=2.0, help="seconds that a statement may hang: longer than its longest undisturbed run")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    run = Run(args)
    control = Session(args.psql)
    control.open()
    prepare(control, args)
    sessions = [0] * args.victims
    witnesses = [(f"single {i}", SINGLE, "t", ()) for i in range(args.singles)]
    witnesses += [("scan", SCAN, str(args.rows), ()), ("gpu", SINGLE, "t", ("SET lepton.device = gpu",)),
                  ("workers", SCAN, str(args.rows), ("SET parallel_setup_cost = 0", "SET parallel_tuple_cost = 0", "SET min_parallel_table_scan_size = 0",
                                                     "SET max_parallel_workers_per_gather = 2"))]
    threads = [threading.Thread(target=witness, args=(run, *w), daemon=True) for w in witnesses]
    threads += [threading.Thread(target=victim, args=(run, sessions, i), daemon=True) for i in range(args.victims)]
    for thread in threads:
        thread.start()
    # What they take with nobody killed.
    time.sleep(3)
    with run.lock:
        calm = dict(run.worst)
        run.worst.clear()
    started = time.perf_counter()
    disturb(run, control, sessions)
    took = time.perf_counter() - started
    time.sleep(1)
    run.stop.set()
    for thread in threads:
        thread.join(30)
        if thread.is_alive():
            run.fail("a session hangs")
    passed = failed = 0
    for name, *_ in witnesses:
        hung = run.worst.get(name, 0.0) - calm.get(name, 0.0)
        print(f"{name}: {run.counts.get(name, 0)} right answers, longest {1e3 * run.worst.get(name, 0):.0f} ms, {1e3 * calm.get(name, 0):.0f} ms undisturbed, "
              f"{run.counts.get('told ' + name, 0)} told that the GPU was lost, longest {1e3 * run.worst.get('told ' + name, 0):.0f} ms")
        ok = hung < args.limit and run.worst.get("told " + name, 0.0) < args.limit + calm.get(name, 0.0) and run.counts.get(name, 0) > 0
        passed, failed = passed + ok, failed + (not ok)
    print(f"{took:.0f} s:", ", ".join(f"{run.counts.get(k, 0)} {k}" for k in ("terminate", "program", "errors", "crash", "lost connections")))
    for message in run.wrong[:20]:
        print("FAILED:", message)
    passed, failed = passed + (not run.wrong), failed + len(run.wrong)
    print(control.ask("SELECT state, starts, batches, failures FROM lepton_gpu"))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
