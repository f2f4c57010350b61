"""Whole tables through SQL, beside the bare engine on the same texts; batched rows beside single ones; workers.

    python3 bench/exec.py --driver build/tools/run_model [--dsn ...] [--workers 1 2 4]

The engine alone is the program test/tools/run_model (make tools): it tokenises all texts, sorts them and runs batches. SQL is
`SELECT count(lepton_embed(body, model)) FROM table`. Both are measured by CPU time, so that other programs do not count; the best of some
rounds, which take turns. Workers are measured by the clock: they need idle cores.
"""
import re
import subprocess
import time

import common


def cut(folder, texts, n):
    """Shorten texts to n tokens, so that every way of running sees the same."""
    tok = common.tokenizer(folder, 100000)
    for text in texts:
        offsets = tok.encode(text).offsets
        yield text[:offsets[n - 2][1]] if len(offsets) > n else text


def engine_seconds(driver, folder, texts):
    """CPU seconds of the engine alone, and its tokens."""
    done = subprocess.run([driver, "--null", "--bench", "0.01", folder], input="\0".join(texts) + "\0", capture_output=True,
                          text=True, check=True)
    tokens, speed = map(int, re.search(r"(\d+) tokens, \d+ runs: median (\d+)", done.stdout).groups())
    return tokens / speed + float(re.search(r"tokenized in ([\d.]+) ms", done.stderr)[1]) / 1e3, tokens


def sql_seconds(conn, pid, query):
    """CPU seconds of a query in its backend."""
    before = common.cpu_seconds(pid)
    conn.execute(query).fetchall()
    return common.cpu_seconds(pid) - before


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "core", "json")
    parser.add_argument("--driver", default="build/tools/run_model", help="the engine alone (default: build/tools/run_model)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=2000, help="texts of a workload at most")
    parser.add_argument("--workers", type=int, nargs="*", default=[], help="processes to share a scan, measured by the clock")
    args = parser.parse_args()
    conn = common.connect(args.dsn)
    common.have_model(conn, args.name, args.folder)
    pid = common.backend_pid(conn)
    conn.execute("SET max_parallel_workers_per_gather = 0")
    conn.execute(f"SELECT lepton_embed('x', '{args.name}')")
    print(common.machine(args.core))
    figures = {}
    loads = common.workloads(args.folder, common.emails(args.emails))
    for name, load in loads.items():
        load["texts"] = list(dict.fromkeys(cut(args.folder, load["texts"], load["max_tokens"])))[:args.texts]
        conn.execute(f"DROP TABLE IF EXISTS bench_{name}; CREATE TABLE bench_{name} (id serial, body text)")
        with conn.cursor().copy(f"COPY bench_{name} (body) FROM stdin") as copy:
            for text in load["texts"]:
                copy.write_row((text.replace("\0", ""),))
        conn.execute(f"ANALYZE bench_{name}")
    common.pin(pid, args.core)
    for name, load in loads.items():
        query = f"SELECT count(lepton_embed(body, '{args.name}')) FROM bench_{name}"
        times = {"engine": [], "batched": [], "row by row": []}
        for _ in range(args.rounds):
            seconds, tokens = engine_seconds(args.driver, args.folder, load["texts"])
            times["engine"].append(seconds)
            conn.execute("SET lepton.enable_batching = on")
            times["batched"].append(sql_seconds(conn, pid, query))
            conn.execute("SET lepton.enable_batching = off")
            times["row by row"].append(sql_seconds(conn, pid, query))
        best = {way: min(seconds) for way, seconds in times.items()}
        figures[name] = {"texts": len(load["texts"]), "tokens": tokens, **{way: tokens / s for way, s in best.items()},
                         "over engine": best["engine"] / best["batched"], "over rows": best["row by row"] / best["batched"]}
    common.table(["workload", "texts", "tokens", "engine tokens/s", "batched", "row by row", "batched/engine", "batched/rows"],
                 [[name, f["texts"], f["tokens"], f"{f['engine']:,.0f}", f"{f['batched']:,.0f}", f"{f['row by row']:,.0f}",
                   f"{f['over engine']:.3f}", f"{f['over rows']:.2f}"] for name, f in figures.items()])
    if args.workers:
        figures["workers"] = workers(args)
    common.save(args.json, figures)


def workers(args):
    """Seconds of one scan by several processes, the leader one of them."""
    conn = common.connect(args.dsn)
    rows, taken = [], {}
    conn.execute("SET parallel_setup_cost = 0; SET max_parallel_workers = 64")
    conn.execute("DROP TABLE IF EXISTS bench_many; CREATE TABLE bench_many AS "
                 "SELECT n, s.body || ' ' || n AS body FROM bench_short s, generate_series(1, 5) n; ANALYZE bench_many")
    for n in [1, *(n for n in args.workers if n > 1)]:
        conn.execute(f"SET max_parallel_workers_per_gather = {n - 1}")
        conn.execute(f"ALTER TABLE bench_many SET (parallel_workers = {n - 1})")
        query = f"SELECT count(lepton_embed(body, '{args.name}')) FROM bench_many"
        conn.execute(query)
        times = []
        for _ in range(args.rounds):
            started = time.perf_counter()
            conn.execute(query).fetchall()
            times.append(time.perf_counter() - started)
        taken[n] = min(times)
        rows.append([n, f"{taken[n]:.2f}", f"{taken[1] / taken[n]:.2f}"])
    common.table(["processes", "seconds", "times one"], rows)
    return taken


if __name__ == "__main__":
    main()
