#!/usr/bin/env python3
"""Embeddings a second on one core: lepton from SQL beside its peers in one precision, interleaved in one run.

Every engine gets the same batches of the same texts and gives vectors back; each runs alone, pinned to
--core with one thread, and the engines take turns round by round.  A figure is the median of the
rounds; a ratio is the median of the rounds' own ratios.  See bench/README.md for the workloads.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import artefacts
import common
import engines

SAME = {"short": 1.0, "mixed": 1.0, "fixed128": 1.0}

# Of each precision: the peers; the bars, times a peer's speed ("best": of the fastest); the numbers whose peak counts
# and the share of it on fixed128; the peer of the one-text race and the share of its time; what lepton_quantize is told.
SETS = {
    "f32": {"peers": ["ort", "ort-plain", "openvino"],
            "bars": {"ort": {k: 1.25 for k in SAME}, "ort-plain": {k: 1.25 for k in SAME}, "openvino": SAME},
            "peak": "f32", "share": None, "single": ("ort-plain", None), "make": None},
    "i8": {"peers": ["openvino-int8", "openvino-int8-bf16", "ort-int8", "ctranslate2-int8", "llama-q8", "torch-int8"],
           "bars": {"best": {"short": 2.0, "mixed": 1.6, "fixed128": 1.4}},
           "peak": "int8", "share": 0.7, "single": ("ort-int8", 0.45), "make": "auto"},
    "half": {"peers": ["openvino-bf16", "torch-bf16"],
             "bars": {"openvino-bf16": {k: 1.25 for k in SAME}},
             "peak": "bf16", "share": None, "single": ("openvino-bf16", None), "make": "bf16"},
}
LARGEST_ERROR = 1e-5  # f32; of the others fidelity.py has the figures


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "core", "json")
    parser.add_argument("--precision", choices=SETS, default="f32", help="of lepton and of the peers (default: f32)")
    parser.add_argument("--make", help="what lepton_quantize is told (default: auto for i8, bf16 for half); auto:0.9997 sets min_cosine")
    parser.add_argument("--anew", action="store_true", help="make compressed models anew that are there already")
    parser.add_argument("--peers", help="comma-separated, of " + ", ".join(engines.PEERS))
    parser.add_argument("--workloads", default="short,mixed,fixed128", help="comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stride", type=int, default=1, help="measure every n-th batch only (quicker, noisier)")
    parser.add_argument("--arrival", action="store_true", help="batches in arrival order instead of sorted by length")
    parser.add_argument("--single", type=int, default=250, help="subjects embedded one by one; 0: none")
    parser.add_argument("--sample", type=int, default=32, help="texts a workload compared with sentence-transformers")
    parser.add_argument("--driver", help="measure the engine alone, by this program (build/tools/run_model), instead of a server")
    parser.add_argument("--peak", default=str(common.HERE.parent / "build" / "tools" / "bench_kernels"),
                        help="the program that measures the core's peak (default: build/tools/bench_kernels)")
    parser.add_argument("--peers-only", action="store_true", help="leave lepton out")
    parser.add_argument("--check", action="store_true", help="exit with status 1 where a bar is missed")
    args = parser.parse_args()
    args.set = SETS[args.precision]

    rows = common.emails(args.emails)
    work = common.workloads(args.folder, rows)
    if args.arrival:
        for spec in work.values():
            n = len(spec["texts"])
            spec["batches"] = [list(range(i, min(n, i + spec["batch"]))) for i in range(0, n, spec["batch"])]
    kinds = args.set["peers"] if args.peers is None else [k for k in args.peers.split(",") if k]
    setup, ours = engines.prepare(args.folder, kinds, rows, work), None
    if args.driver:
        ours, setup["driver"] = "driver", args.driver
    elif not args.peers_only:
        ours, setup["dsn"] = "lepton", args.dsn
        setup["models"], setup["precision"] = models(args, rows)

    print(f"{common.machine(args.core)}\n")
    clients = {kind: engines.Client(kind, args.core, setup) for kind in [*kinds, *([ours] if ours else [])]}
    names = args.workloads.split(",")
    figures = {"machine": common.machine(args.core), "precision": args.precision, "ours": ours,
               "titles": {k: c.title for k, c in clients.items()},
               "workloads": {name: measure(name, work[name], clients, artefacts.facts(args.folder), args)
                             for name in names}}
    report(figures, args)
    if args.single:
        figures["single"] = single(work["short"], clients, args, ours)
    if args.sample:
        figures["errors"] = errors(names, work, clients, setup, args)
    for client in clients.values():
        client.close()
    common.save(args.json, figures)
    missed = misses(figures, args)
    for line in missed:
        print("missed: " + line)
    sys.exit(1 if args.check and missed else 0)


def models(args, rows):
    """Make sure the server has the models; return their names by the tokens they cut at, and the precision."""
    make, names = args.make or args.set["make"], {"256": args.name, "128": args.name + "_cut128"}
    with common.connect(args.dsn) as conn:
        common.have_model(conn, names["256"], args.folder)
        common.have_model(conn, names["128"], artefacts.cut_folder(args.folder, 128))
        if not args.set["make"]:
            return names, "f32"
        for cut, parent in names.items():
            names[cut] = f"{parent}_{make}"
            common.have_compressed(conn, parent, names[cut], make, rows, args.anew)
    return names, make


# ---------------------------------------------------------------- measuring

def measure(name, spec, clients, shape, args):
    """Run the rounds of one workload: {engine: [{wall, cpu}]}, the peaks, and the tokens and operations of a round."""
    batches = spec["batches"][args.stride // 2::args.stride]
    lengths = [spec["lengths"][i] for batch in batches for i in batch]
    for client in clients.values():
        client.ask({"do": "run", "workload": name, "batches": [batches[-1], batches[len(batches) // 2]]})
    rounds, peaks = {kind: [] for kind in clients}, []
    for n in range(args.rounds):
        for kind, client in clients.items():
            rounds[kind].append(client.ask({"do": "run", "workload": name, "batches": batches}))
        peaks.append(peak(args))
        print(f"{name} round {n + 1} of {args.rounds}: " +
              ", ".join(f"{k} {r[-1]['wall']:.2f} s" for k, r in rounds.items()), file=sys.stderr, flush=True)
    return {"texts": len(lengths), "tokens": sum(lengths), "gop": sum(map(common.operations(shape), lengths)) * 1e-9,
            "peak": common.median(peaks) if None not in peaks else None, "rounds": rounds}


def peak(args):
    """Return the core's peak in the numbers of the precision in Gop/s, None where it is unknown."""
    if not pathlib.Path(args.peak).exists():
        return None
    said = subprocess.run(["taskset", "-c", str(args.core), args.peak, "none"], capture_output=True, text=True,
                          check=True).stdout
    found = re.search(rf"^peaks.*{args.set['peak']} ([\d.]+) G", said, re.MULTILINE)
    return float(found[1]) or None if found else None


def single(spec, clients, args, ours):
    """Embed subjects one by one, engines taking turns: print p50 and p99, return them by engine in ms."""
    other, bar = args.set["single"]
    some = list(range(0, len(spec["texts"]), max(1, len(spec["texts"]) // args.single)))[:args.single]
    kinds = [kind for kind in clients if kind in (other, ours)]
    if not kinds:
        return {"rounds": {}, "ratio": None}
    found = {kind: [] for kind in kinds}
    for n in range(args.rounds + 1):
        for kind in kinds:
            taken = clients[kind].ask({"do": "each", "workload": "short", "batches": [some]})["each"]
            wall, cpu = (sorted(1e3 * t[i] for t in taken) for i in (0, 1))
            found[kind].append({"p50": wall[len(wall) // 2], "p99": wall[len(wall) * 99 // 100],
                                "cpu p50": cpu[len(cpu) // 2], "cpu p99": cpu[len(cpu) * 99 // 100]})
    found = {kind: rounds[1:] for kind, rounds in found.items()}
    keys = ["p50", "p99", "cpu p50", "cpu p99"]
    common.table([f"{len(some)} subjects one by one, ms", *keys],
                 [[clients[kind].title, *(f"{common.median([r[key] for r in rounds]):.3f}" for key in keys)]
                  for kind, rounds in found.items()])
    made = {"rounds": found, "ratio": None}
    if len(found) == 2:
        made["ratio"], on_cpu = (common.median([o[key] / p[key] for o, p in zip(found[ours], found[other])])
                                 for key in ("p50", "cpu p50"))
        print(f"one subject, p50: {made['ratio']:.2f} of {clients[other].title} ({on_cpu:.2f} on CPU time)"
              + (f", bar {bar}\n" if bar else "\n"))
    return made


def errors(names, work, clients, setup, args):
    """Compare every engine's vectors of a sample with sentence-transformers: {workload: {engine: [error, cosine]}}."""
    import numpy as np
    judge, found = engines.Client("sentence-transformers", args.core, setup), {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "vectors.npy")
        for name in names:
            n = len(work[name]["texts"])
            sample = [list(range(0, n, max(1, n // args.sample)))[:args.sample]]
            expected, found[name] = judge.vectors(name, sample, path), {}
            for kind, client in clients.items():
                if kind != "sentence-transformers":
                    vectors = client.vectors(name, sample, path)
                    found[name][kind] = [float(np.abs(vectors - expected).max()),
                                         float(common.cosines(vectors, expected).min())]
    judge.close()
    common.table([f"{args.sample} texts: max abs error / min cosine", *names],
                 [[clients[kind].title, *("{:.1e} / {:.5f}".format(*found[name][kind]) for name in names)]
                  for kind in found[names[0]]])
    return found


# ---------------------------------------------------------------- results

def ratios(rounds, ours, peer, clock="wall"):
    """Return peer's time over ours of every round."""
    return [p[clock] / o[clock] for o, p in zip(rounds[ours], rounds[peer])]


def best_peer(work, ours):
    """Return the fastest peer of a workload."""
    return min((kind for kind in work["rounds"] if kind != ours),
               key=lambda kind: common.median([r["wall"] for r in work["rounds"][kind]]))


def share(work, kind, clock):
    """Return the share of the peak that an engine reached in its median round, None without a peak."""
    return work["peak"] and work["gop"] / work["peak"] / common.median([r[clock] for r in work["rounds"][kind]])


def percent(value):
    """Spell a share."""
    return f"{100 * value:.0f} %" if value else ""


def bar_of(args, name, peer, best):
    """Return the bar of a ratio, None where there is none."""
    bars = args.set["bars"]
    return bars.get(peer, bars.get("best", {}) if best else {}).get(name)


def report(figures, args):
    """Print speeds and ratios."""
    rows, against, ours = [], [], figures["ours"]
    for name, work in figures["workloads"].items():
        best = best_peer(work, ours) if len(work["rounds"]) > bool(ours) else None
        for kind, rounds in work["rounds"].items():
            speeds = [work["tokens"] / r["wall"] for r in rounds]
            rows.append([name, work["texts"], work["tokens"], figures["titles"][kind], f"{common.median(speeds):,.0f}",
                         f"{min(speeds):,.0f} - {max(speeds):,.0f}",
                         f"{common.median([r['cpu'] / r['wall'] for r in rounds]):.2f}",
                         percent(share(work, kind, "wall")), percent(share(work, kind, "cpu"))])
            if ours and kind != ours:
                each = ratios(work["rounds"], ours, kind)
                against.append([name, figures["titles"][kind] + (" (best)" if kind == best else ""),
                                f"{common.median(each):.2f}", f"{min(each):.2f} - {max(each):.2f}",
                                f"{common.median(ratios(work['rounds'], ours, kind, 'cpu')):.2f}",
                                bar_of(args, name, kind, kind == best) or ""])
    common.table(["workload", "texts", "tokens", "engine", "tokens/s", "rounds", "CPU share", "of peak",
                  "on CPU time"], rows)
    peaks = {name: work["peak"] for name, work in figures["workloads"].items()}
    if all(peaks.values()):
        print(f"peak of the core in {args.set['peak']}: {common.median(list(peaks.values())):,.0f} "
              f"Gop/s; fixed128 bar {percent(args.set['share']) or 'none'}\n")
    if against:
        common.table(["workload", figures["titles"][ours] + " against", "ratio", "rounds", "on CPU time", "bar"],
                     against)


def misses(figures, args):
    """Return a line for every bar that is missed."""
    ours, lines = figures["ours"], []
    if not ours:
        return lines
    for name, work in figures["workloads"].items():
        peers = [kind for kind in work["rounds"] if kind != ours]
        for peer in peers:
            bar = bar_of(args, name, peer, peer == best_peer(work, ours))
            reached = common.median(ratios(work["rounds"], ours, peer))
            if bar and reached < bar:
                lines.append(f"{name}: {reached:.2f} of {figures['titles'][peer]}, bar {bar}")
    work = figures["workloads"].get("fixed128")
    if work and args.set["share"] and work["peak"] and share(work, ours, "wall") < args.set["share"]:
        lines.append(f"fixed128: {percent(share(work, ours, 'wall'))} of peak, bar {percent(args.set['share'])}")
    ratio, bar = figures.get("single", {}).get("ratio"), args.set["single"][1]
    if ratio and bar and ratio > bar:
        lines.append(f"one subject: {ratio:.2f}, bar {bar}")
    if args.precision == "f32":
        for name, row in figures.get("errors", {}).items():
            if not row[ours][0] <= LARGEST_ERROR:
                lines.append(f"{name}: max abs error {row[ours][0]:.1e}, bar {LARGEST_ERROR:.0e}")
    return lines


if __name__ == "__main__":
    main()
