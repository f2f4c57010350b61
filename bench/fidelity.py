#!/usr/bin/env python3
"""Compressed models against f32: what they answer, lepton from SQL and its peers, and what they weigh.

lepton's compressed models are compared with lepton in f32, peers with sentence-transformers in f32.  The
texts are those of embed.py: bodies cut at 256 tokens and subjects.  No speed is measured but that of
building an image.
"""
import glob
import os
import pathlib
import sys
import tempfile

import accuracy
import common
import engines
import first_answer

INT8 = {"mean": 0.9990, "min": 0.995, "neighbours": 0.97, "labels": 0.998, "image MB": 24.0, "build s": 0.5,
        "private MB": 8.0}
HALF = {"min": 0.9999, "build s": 0.5, "private MB": 8.0}
PEERS = "openvino-int8,openvino-int8-bf16,ort-int8,ctranslate2-int8,llama-q8,torch-int8,openvino-bf16,torch-bf16"
TEXTS = {"e-mails": "mixed", "subjects": "short"}


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "core", "json")
    parser.add_argument("--make", default="auto,i8,bf16", help="what lepton_quantize is told, comma-separated; auto:0.9997 sets min_cosine")
    parser.add_argument("--anew", action="store_true", help="make compressed models anew that are there already")
    parser.add_argument("--peers", default=PEERS, help="comma-separated, may be empty")
    parser.add_argument("--classifier", default=os.environ.get("LEPTON_CLASSIFIER"),
                        help="Hugging Face folder of a text classifier (default: $LEPTON_CLASSIFIER, else left out)")
    parser.add_argument("--classifier-name", default="minilm_spam", help="its name as a loaded model")
    parser.add_argument("--backends", type=int, default=50, help="backends whose memory is read; 0: none")
    parser.add_argument("--runs", type=int, default=5, help="images built of each model")
    parser.add_argument("--check", action="store_true", help="exit with status 1 where a bar is missed")
    args = parser.parse_args()
    rows = common.emails(args.emails)
    work = {key: value for key, value in common.workloads(args.folder, rows).items() if key in TEXTS.values()}
    made, missed = args.make.split(","), []
    with common.connect(args.dsn) as conn:
        names = compressed(conn, args, args.name, args.folder, made, rows)
        figures = {"embeddings": embeddings(conn, args, names, rows, work, missed),
                   "bits": bits(conn, names, [row["text"] for row in rows], missed)}
        if args.classifier:
            classifiers = compressed(conn, args, args.classifier_name, args.classifier, made, rows)
            figures["labels"] = labels(conn, classifiers, [row["text"] for row in rows], missed)
        figures["sizes"] = sizes(conn, args, names, missed)
    common.save(args.json, figures)
    for line in missed:
        print("missed: " + line)
    sys.exit(1 if args.check and missed else 0)


def compressed(conn, args, name, folder, made, rows):
    """Make sure of a model and its compressed ones: {precision: name}, f32 first."""
    common.have_model(conn, name, folder)
    names = {"f32": name, **{make: f"{name}_{make}" for make in made}}
    for make in made:
        taken = common.have_compressed(conn, name, names[make], make, rows, args.anew)
        if taken:
            print(f"{names[make]} made in {taken:.1f} s", file=sys.stderr, flush=True)
    return names


def hold(missed, what, precision, figure, value):
    """Note a bar that is missed; uniform schemes are shown, but auto is what the int8 bars are for."""
    bar = (HALF if precision in ("bf16", "f16") else INT8 if precision == "auto" else {}).get(figure)
    if bar is not None and (value > bar if figure in ("image MB", "build s", "private MB") else value < bar):
        missed.append(f"{what}, {precision}: {figure} {value:.5g}, bar {bar}")


# ---------------------------------------------------------------- answers

def embeddings(conn, args, names, rows, work, missed):
    """Print cosines to f32 and the nearest neighbours that stay, of lepton's models and the peers."""
    def of_model(name):
        return {key: sorted_back(work[key], lambda batches: [common.embed(conn, name, batch, len(batch))
                                                             for batch in batches]) for key in work}

    truth, found, table = of_model(names["f32"]), {}, []
    for make, name in list(names.items())[1:]:
        found[f"lepton {make}"] = compare(truth, of_model(name))
        for texts in TEXTS:
            for figure in ("mean", "min"):
                hold(missed, texts, make, figure, found[f"lepton {make}"][texts][figure])
        hold(missed, "subjects", make, "neighbours", found[f"lepton {make}"]["neighbours"])
    kinds = [kind for kind in args.peers.split(",") if kind]
    setup = engines.prepare(args.folder, kinds, rows, work)
    if kinds:
        _, truth = of_peer("sentence-transformers", args.core, setup, work)
    for kind in kinds:
        title, vectors = of_peer(kind, args.core, setup, work)
        found[title] = compare(truth, vectors)
    for title, one in found.items():
        table.append([title, *("{mean:.5f} / {min:.5f}".format(**one[texts]) for texts in TEXTS),
                      f"{100 * one['neighbours']:.1f} %"])
    common.table(["against its own f32", *(f"{len(work[key]['texts'])} {texts}: cosine mean / min"
                                           for texts, key in TEXTS.items()), "nearest subject unchanged"], table)
    return found


def sorted_back(spec, run):
    """Run a workload's batches and return the vectors in the order of its texts, float32 [n, d]."""
    import numpy as np
    vectors = np.concatenate(run([[spec["texts"][i] for i in batch] for batch in spec["batches"]]))
    back = np.empty_like(vectors)
    back[[i for batch in spec["batches"] for i in batch]] = vectors
    return back


def of_peer(kind, core, setup, work):
    """Return a peer's title and its vectors of every workload."""
    client = engines.Client(kind, core, setup)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "vectors.npy")
        vectors = {key: sorted_back(spec, lambda _, key=key, spec=spec:
                                    [client.vectors(key, spec["batches"], path)]) for key, spec in work.items()}
    client.close()
    print(f"{client.title}: done", file=sys.stderr, flush=True)
    return client.title, vectors


def compare(truth, vectors):
    """Return cosines of all texts, and the share of subjects whose nearest other subject is the same."""
    found = {}
    for texts, key in TEXTS.items():
        cosines = common.cosines(truth[key], vectors[key])
        found[texts] = {"mean": float(cosines.mean()), "min": float(cosines.min())}
    found["neighbours"] = float((nearest(truth["short"]) == nearest(vectors["short"])).mean())
    return found


def nearest(vectors):
    """Return the index of every vector's nearest other vector by cosine."""
    import numpy as np
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -2)
    return similar.argmax(1)


def bits(conn, names, texts, missed):
    """Print how often a text has other bits among other neighbours or in another order."""
    import numpy as np
    found, some = {}, texts[:320]
    for make, name in names.items():
        differ, tried = accuracy.neighbours(conn, name, some)
        first = common.embed(conn, name, some)
        for order in (list(range(len(some)))[::-1], sorted(range(len(some)), key=lambda i: (len(some[i]), i))):
            again = common.embed(conn, name, [some[i] for i in order])
            differ += int((again.view(np.uint32) != first[order].view(np.uint32)).any(1).sum())
            tried += len(order)
        found[make] = {"differ": differ, "tried": tried}
        if differ:
            missed.append(f"bits, {make}: {differ} of {tried} differ")
    common.table(["same text, other neighbours or order", "tried", "other bits", "bar"],
                 [[f"lepton {make}", one["tried"], one["differ"], 0] for make, one in found.items()])
    return found


def labels(conn, names, texts, missed):
    """Print how often compressed classifiers give f32's label."""
    def of_model(name):
        return sum((conn.execute("SELECT lepton_classify(%s::text[], %s)", (texts[i:i + 64], name)).fetchone()[0]
                    for i in range(0, len(texts), 64)), [])

    truth, found = of_model(names["f32"]), {}
    for make, name in list(names.items())[1:]:
        same = sum(a == b for a, b in zip(truth, of_model(name)))
        found[make] = same / len(texts)
        hold(missed, "classifier", make, "labels", found[make])
    common.table([f"labels of {len(texts)} e-mails", "as f32", "other", "bar"],
                 [[f"lepton {make}", f"{100 * one:.2f} %", round((1 - one) * len(texts)),
                   f"{100 * INT8['labels']:.1f} %" if make == "auto" else ""] for make, one in found.items()])
    return found


# ---------------------------------------------------------------- sizes

def sizes(conn, args, names, missed):
    """Print bytes in the catalog and in memory, the memory of backends, and seconds of building an image."""
    found, table = {}, []
    for make, name in names.items():
        catalog = conn.execute("SELECT sum(octet_length(data)) FROM _lepton.lepton_model_chunk c "
                               "JOIN _lepton.lepton_model m ON m.id = c.model WHERE m.name = %s", (name,)).fetchone()[0]
        build = build_seconds(conn, args, name)
        image = sum(os.path.getsize(path) for path in images(conn, name))
        one = found[make] = {"catalog MB": int(catalog) / 2**20, "image MB": image / 2**20, "build s": build}
        if args.backends:
            memory = first_answer.backends(args.dsn, name, first_answer.EMBED, args.backends)
            one.update({"Pss MB": memory["Pss"]["mean"] / 1024, "private MB": memory["Private"]["mean"] / 1024})
        for figure in sorted({"image MB", "build s", "private MB"} & one.keys()):
            hold(missed, "size", make, figure, one[figure])
        table.append([f"lepton {make}", *(f"{one[key]:.2f}" if key in one else "" for key in (
            "catalog MB", "image MB", "build s", "Pss MB", "private MB"))])
    table.append(["bar (int8)", "", INT8["image MB"], INT8["build s"], "", INT8["private MB"]])
    common.table(["model", "catalog MB", "image MB", "image built in s", f"Pss of {args.backends} backends, MB each",
                  "private MB each"], table)
    return found


def images(conn, name):
    """Return the image files of a model, whatever their layout."""
    folder = conn.execute("SHOW data_directory").fetchone()[0]
    digest = conn.execute("SELECT encode(hash, 'hex') FROM _lepton.lepton_model WHERE name = %s", (name,)).fetchone()[0]
    return glob.glob(f"{glob.escape(folder)}/base/*/pgsql_tmp_lepton.{digest}*")


def build_seconds(conn, args, name):
    """Return the seconds a first answer takes longer when it must build the image, the median of args.runs."""
    def answer():
        with common.connect(args.dsn) as fresh:
            common.pin(common.backend_pid(fresh), args.core)
            return first_answer.ask(fresh, first_answer.EMBED, name, common.backend_pid(fresh))[0] * 1e-3

    taken = []
    for _ in range(args.runs):
        for path in images(conn, name):
            os.unlink(path)
        taken.append(answer() - answer())
    return common.median(taken)


if __name__ == "__main__":
    main()
