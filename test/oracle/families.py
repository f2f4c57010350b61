#!/usr/bin/env python3
"""Compare every family, task and layout with transformers, on seeded models of random weights.

Usage: families.py RUN_MODEL FOLDER [--only TEXT] [--isa NAME]

RUN_MODEL is build/tools/run_model; models are made in FOLDER by test/tools/make_tiny_families.py. Prints a line for
each folder and task with the largest error, relative to the larger of 1 and the value, and fails above 1e-4.
"""
import argparse
import pathlib
import subprocess
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
import make_tiny_families as tiny  # noqa: E402

TOLERANCE = 1e-4
TASKS = {"mask": "fill_mask", "sparse": "sparse_embed"}  # where the names differ


def run(tool, folder, task, texts, isa):
    """lepton's rows for all texts: a tensor [rows, width], and its messages."""
    done = subprocess.run([tool, "--isa", isa, "--null", "--task", TASKS.get(task, task), folder], text=True,
                          input="".join(t + "\0" for t in texts), capture_output=True)
    if done.returncode != 0:
        return None, done.stderr
    return torch.tensor([[float(x) for x in line.split()] for line in done.stdout.splitlines()]), done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run_model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--isa", default="auto")
    args = parser.parse_args()
    failed = n = 0
    for name in tiny.FOLDERS:
        if args.only not in name:
            continue
        tiny.make(args.folder / name, name)
        # Texts without a token cannot stand between NULs of the tool's input.
        texts = [t for t in tiny.TEXTS]
        for task, rows in tiny.golden(args.folder / name, name, texts)["tasks"].items():
            out, messages = run(args.run_model, args.folder / name, task, texts, args.isa)
            expected = torch.cat(rows)
            n += 1
            if out is None or out.shape != expected.shape:
                failed += 1
                print(f"{name} {task}: {messages if out is None else f'{out.shape}, expected {expected.shape}'}")
                continue
            error = ((out - expected).abs() / expected.abs().clamp(min=1)).max().item()
            failed += not error <= TOLERANCE
            print(f"{name} {task}: {error:.2g}{'' if error <= TOLERANCE else ' FAILED'}", flush=True)
    print(f"{n - failed} passed, {failed} failed")
    return failed > 0 or n == 0


if __name__ == "__main__":
    sys.exit(main())
