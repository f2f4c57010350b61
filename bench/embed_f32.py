#!/usr/bin/env python3
"""Embeddings a second, f32, one core: lepton from SQL beside ONNX Runtime and OpenVINO, interleaved in one run.

Every engine gets the same batches of the same texts and gives vectors back; each runs alone, pinned to
--core with one thread, and the engines take turns round by round.  A figure is the median of the
rounds; a ratio is the median of the rounds' own ratios.  See bench/README.md for the workloads.
"""
import json
import pathlib
import sys
import tempfile

import artefacts
import common
import engines

BARS = {"ort": 1.25, "ort-plain": 1.25, "openvino": 1.0}
LARGEST_ERROR = 1e-5


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "core", "json")
    parser.add_argument("--peers", default="ort,ort-plain,openvino",
                        help="of ort, ort-plain, openvino, sentence-transformers; comma-separated")
    parser.add_argument("--workloads", default="short,mixed,fixed128", help="comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stride", type=int, default=1, help="measure every n-th batch only (quicker, noisier)")
    parser.add_argument("--arrival", action="store_true", help="batches in arrival order instead of sorted by length")
    parser.add_argument("--sample", type=int, default=32, help="texts a workload compared with sentence-transformers")
    parser.add_argument("--driver", help="measure the engine alone, by this program (build/tools/run_model), instead of a server")
    parser.add_argument("--peers-only", action="store_true", help="leave lepton out")
    parser.add_argument("--check", action="store_true", help="exit with status 1 where a bar is missed")
    args = parser.parse_args()

    cache = artefacts.build(args.folder)
    work = common.workloads(args.folder, common.emails(args.emails))
    if args.arrival:
        for spec in work.values():
            n = len(spec["texts"])
            spec["batches"] = [list(range(i, min(n, i + spec["batch"]))) for i in range(0, n, spec["batch"])]
    texts = cache / "workloads.json"
    texts.write_text(json.dumps(work))
    setup = {"folder": args.folder, "cache": str(cache), "workloads": str(texts), "dsn": args.dsn,
             "driver": args.driver, **artefacts.facts(args.folder)}

    kinds = [k for k in args.peers.split(",") if k]
    loaded = []
    if args.driver:
        kinds.append("driver")
    elif not args.peers_only:
        kinds.append("lepton")
        setup["models"], loaded = models(args)

    print(f"{common.machine(args.core)}\n")
    clients = {kind: engines.Client(kind, args.core, setup) for kind in kinds}
    names = args.workloads.split(",")
    figures = {"machine": common.machine(args.core), "titles": {k: c.title for k, c in clients.items()},
               "workloads": {name: measure(name, work[name], clients, args) for name in names}}
    ours = next((k for k in ("lepton", "driver") if k in clients), None)
    report(figures, ours)
    if args.sample:
        figures["errors"] = fidelity(names, work, clients, setup, args)
    for client in clients.values():
        client.close()
    if loaded:
        with common.connect(args.dsn) as conn:
            for name in loaded:
                conn.execute("SELECT lepton_drop_model(%s)", (name,))
    common.save(args.json, figures)
    missed = misses(figures, ours)
    for line in missed:
        print("missed: " + line)
    sys.exit(1 if args.check and missed else 0)


def models(args):
    """Make sure the server has the model at both lengths; return their names and those to drop at the end."""
    short = args.name + "_cut128"
    with common.connect(args.dsn) as conn:
        common.have_model(conn, args.name, args.folder)
        new = common.have_model(conn, short, artefacts.cut_folder(args.folder, 128))
    return {"256": args.name, "128": short}, [short] if new else []


def measure(name, spec, clients, args):
    """Run the rounds of one workload: {engine: [{wall, cpu}]} and the tokens of a round."""
    batches = spec["batches"][args.stride // 2::args.stride]
    for client in clients.values():
        client.ask({"do": "run", "workload": name, "batches": [batches[-1], batches[len(batches) // 2]]})
    rounds = {kind: [] for kind in clients}
    for n in range(args.rounds):
        for kind, client in clients.items():
            rounds[kind].append(client.ask({"do": "run", "workload": name, "batches": batches}))
        print(f"{name} round {n + 1} of {args.rounds}: " +
              ", ".join(f"{k} {r[-1]['wall']:.2f} s" for k, r in rounds.items()), file=sys.stderr, flush=True)
    return {"texts": sum(map(len, batches)), "tokens": sum(spec["lengths"][i] for b in batches for i in b),
            "rounds": rounds}


def ratio(rounds, ours, peer, clock="wall"):
    """Return the median over the rounds of peer's time over ours."""
    return common.median([p[clock] / o[clock] for o, p in zip(rounds[ours], rounds[peer])])


def report(figures, ours):
    """Print speeds and ratios."""
    rows, ratios = [], []
    for name, work in figures["workloads"].items():
        for kind, rounds in work["rounds"].items():
            speeds = [work["tokens"] / r["wall"] for r in rounds]
            rows.append([name, work["texts"], work["tokens"], figures["titles"][kind], f"{common.median(speeds):,.0f}",
                         f"{min(speeds):,.0f} - {max(speeds):,.0f}",
                         f"{common.median([r['cpu'] / r['wall'] for r in rounds]):.2f}"])
            if ours and kind != ours:
                each = [p["wall"] / o["wall"] for o, p in zip(work["rounds"][ours], rounds)]
                ratios.append([name, figures["titles"][kind], f"{common.median(each):.2f}",
                               f"{min(each):.2f} - {max(each):.2f}",
                               f"{ratio(work['rounds'], ours, kind, 'cpu'):.2f}", BARS.get(kind, "")])
    common.table(["workload", "texts", "tokens", "engine", "tokens/s", "rounds", "CPU share"], rows)
    if ours:
        common.table(["workload", figures["titles"][ours] + " against", "ratio", "rounds", "on CPU time", "bar"],
                     ratios)


def fidelity(names, work, clients, setup, args):
    """Compare every engine's vectors of a sample with sentence-transformers: {workload: {engine: error}}."""
    import numpy as np
    judge = engines.Client("sentence-transformers", args.core, setup)
    errors = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "vectors.npy")

        def vectors(client, name, sample):
            client.ask({"do": "vectors", "workload": name, "batches": [sample], "path": path})
            return np.load(path)

        for name in names:
            n = len(work[name]["texts"])
            sample = list(range(0, n, max(1, n // args.sample)))[:args.sample]
            expected = vectors(judge, name, sample)
            errors[name] = {kind: float(np.abs(vectors(client, name, sample) - expected).max())
                            for kind, client in clients.items() if kind != "sentence-transformers"}
    judge.close()
    common.table(["max abs error", *(clients[k].title for k in errors[names[0]])],
                 [[name, *(f"{e:.1e}" for e in row.values())] for name, row in errors.items()])
    return errors


def misses(figures, ours):
    """Return a line for every bar that is missed."""
    if not ours:
        return []
    lines = []
    for name, work in figures["workloads"].items():
        for peer in BARS.keys() & work["rounds"].keys():
            reached = ratio(work["rounds"], ours, peer)
            if reached < BARS[peer]:
                lines.append(f"{name}: {reached:.2f} of {figures['titles'][peer]}, bar {BARS[peer]}")
    for name, row in figures.get("errors", {}).items():
        if not row[ours] <= LARGEST_ERROR:
            lines.append(f"{name}: max abs error {row[ours]:.1e}, bar {LARGEST_ERROR:.0e}")
    return lines


if __name__ == "__main__":
    main()
