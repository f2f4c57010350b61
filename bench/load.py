#!/usr/bin/env python3
"""Loading a model: seconds of lepton_load_model, of the first answer (which builds the image), and of a later first answer.

Every run loads a folder that differs in one setting, so that no image of an earlier run serves.  Files are in
the page cache; the server writes wherever its data directory is.
"""
import json
import pathlib
import time

import artefacts
import common

NAME = "bench_load"
LIMIT = 2.0


def main():
    parser = common.options(__doc__, "dsn", "folder", "json")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    folder = artefacts.cut_folder(args.folder, 200)
    settings = folder / "sentence_bert_config.json"
    size = sum(f.stat().st_size for f in pathlib.Path(folder).glob("*.safetensors"))
    steps = {"lepton_load_model": [], "first answer, image built": [], "first answer, image present": [],
             "lepton_drop_model": []}
    with common.connect(args.dsn) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS lepton")
        if conn.execute("SELECT 1 FROM lepton_models WHERE name = %s", (NAME,)).fetchone():
            conn.execute("SELECT lepton_drop_model(%s)", (NAME,))
        for run in range(args.runs):
            settings.write_text(json.dumps({"max_seq_length": 200 + run}))
            calls = [(conn, "SELECT lepton_load_model(%s, %s)", (NAME, str(folder))), None, None,
                     (conn, "SELECT lepton_drop_model(%s)", (NAME,))]
            for step, call in zip(steps, calls):
                steps[step].append(timed(*call) if call else first_answer(args.dsn))
    middle = {step: [common.median(column) for column in zip(*both)] for step, both in steps.items()}
    print(f"{size / 1e6:.0f} MB of weights, {args.runs} runs, {common.machine()}\n")
    common.table(["step", "p50 s", "min s", "max s", "backend's CPU, p50 s"],
                 [[step, f"{middle[step][0]:.3f}", f"{min(both)[0]:.3f}", f"{max(both)[0]:.3f}",
                   f"{middle[step][1]:.3f}"] for step, both in steps.items()])
    load = middle["lepton_load_model"][0]
    print(f"load {load:.2f} s (bar {LIMIT:.0f}); from nothing to the first answer "
          f"{load + middle['first answer, image built'][0]:.2f} s")
    common.save(args.json, steps)


def timed(conn, query, values):
    """Return the seconds a query takes, elapsed and on the CPU in the backend."""
    pid = common.backend_pid(conn)
    cpu, start = common.cpu_seconds(pid), time.perf_counter()
    conn.execute(query, values, prepare=False).fetchone()
    return time.perf_counter() - start, common.cpu_seconds(pid) - cpu


def first_answer(dsn):
    """Return the seconds of the first answer in a new backend."""
    with common.connect(dsn) as conn:
        return timed(conn, "SELECT lepton_embed('Re: your order', %s)", (NAME,))


if __name__ == "__main__":
    main()
