#!/usr/bin/env python3
"""Compares the trained classifier with scikit-learn on the same embeddings.

    compare_head.py --tool build/tools/head_fit [--embeddings FILE.npz | --emails FILE.jsonl.xz --model FOLDER]

Without embeddings it uses the digits that scikit-learn carries.  FILE.npz holds
x[n, d] and y[n]; e-mails are lines of JSON with text and label.  Rows are
shuffled once; five in seven are learned, the rest are unseen.

For each strength: the predictions on the unseen rows, against scikit-learn as it
comes and against scikit-learn run to a gradient of 1e-9 (the exact minimum).
Exits with 1 when fewer than 99.9 % of the predictions equal those at the exact
minimum, when accuracy on the unseen rows is below both of scikit-learn's, or when
training takes too long.
"""
import argparse
import json
import lzma
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # one core for both sides; read when the libraries load

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

GRID = [1e-4, 1e-2, 1.0, 21.5443469003, 100.0, 1e4]


def embed(emails, model):
    """Embeds the e-mails with sentence-transformers, in f32."""
    from sentence_transformers import SentenceTransformer

    rows = [json.loads(line) for line in lzma.open(emails, "rt")]
    x = SentenceTransformer(model, device="cpu").encode([r["text"] for r in rows], batch_size=64)
    return x, np.array([r["label"] for r in rows])


def load(args):
    """Returns x[n, d] and y[n] with labels 0 .. n_labels - 1."""
    if args.embeddings:
        file = np.load(args.embeddings)
        x, y = file["x"], file["y"]
    elif args.emails:
        x, y = embed(args.emails, args.model)
    else:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
    if args.save:
        np.savez(args.save, x=x, y=y)
    y = np.unique(y, return_inverse=True)[1]
    order = np.random.default_rng(args.seed).permutation(len(x))
    return np.ascontiguousarray(x[order], np.float32), y[order].astype(np.int32)


class Tool:
    """Runs head_fit on one set of rows."""

    def __init__(self, args, x, y, folder):
        self.args, self.folder = args, Path(folder)
        self.d, self.labels = x.shape[1], int(y.max()) + 1
        with open(self.folder / "in", "wb") as file:
            np.array([len(x), self.d, self.labels], np.int32).tofile(file)
            y.tofile(file)
            x.tofile(file)

    def run(self, mode, c):
        """Returns the report, w[n_labels, d] and bias[n_labels]."""
        command = [self.args.tool, self.args.kernels, mode, repr(c), str(self.args.seed)]
        command += [self.folder / "in", self.folder / "out"]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        out = np.fromfile(self.folder / "out", np.float32).astype(np.float64)
        split = self.labels * self.d
        return report, out[:split].reshape(self.labels, self.d), out[split:]


def softmax_form(model):
    """A scikit-learn model's weights and intercepts with a row per label."""
    w, b = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(b) == 1:
        return np.vstack([-w / 2, w / 2]), np.concatenate([-b / 2, b / 2])
    return w, b - b.mean()


def probabilities(x, w, b):
    """Softmax of x w^T + b."""
    z = x.astype(np.float64) @ w.T + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", default="build/tools/head_fit")
    parser.add_argument("--kernels", default="auto")
    parser.add_argument("--embeddings")
    parser.add_argument("--emails")
    parser.add_argument("--model")
    parser.add_argument("--save", help="write the embeddings to this .npz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="limit for choosing and training")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FutureWarning)

    x, y = load(args)
    n = len(x) * 5 // 7
    learn, unseen = (x[:n], y[:n]), (x[n:], y[n:])
    exact_learn = (learn[0].astype(np.float64), learn[1])
    bad = 0
    print(f"{n} rows to learn, {len(x) - n} unseen, {x.shape[1]} dimensions, {y.max() + 1} labels")
    print("        C   iterations  seconds   equal to default  to exact   accuracy (default)"
          "   max |p - exact|   max |w - exact| / max |w|")
    with tempfile.TemporaryDirectory() as folder:
        tool = Tool(args, *learn, folder)
        for c in GRID:
            report, w, b = tool.run("fit", c)
            default = LogisticRegression(C=c).fit(*learn)
            exact = LogisticRegression(C=c, tol=1e-9, max_iter=100000).fit(*exact_learn)
            ew, eb = softmax_form(exact)
            p, ep = probabilities(unseen[0], w, b), probabilities(unseen[0], ew, eb)
            guess = p.argmax(axis=1)
            same = (guess == exact.predict(unseen[0])).mean()
            same_default = (guess == default.predict(unseen[0])).mean()
            accuracy, theirs = (guess == unseen[1]).mean(), default.score(*unseen)
            exact_accuracy = exact.score(*unseen)
            bad += same < 0.999 or accuracy < min(theirs, exact_accuracy)
            print(f"{c:9.4g}   {report['iterations']:10d}  {report['seconds']:7.3f}   {same_default:16.4%}"
                  f"  {same:8.4%}   {accuracy:8.4%} ({theirs:.4%})   {abs(p - ep).max():15.2e}"
                  f"   {abs(w - ew).max() / abs(ew).max():10.2e}")

        report, w, b = tool.run("train", 0.0)
        start = time.perf_counter()
        chosen = LogisticRegressionCV(Cs=10, l1_ratios=(0.0,), use_legacy_attributes=False).fit(*learn)
        seconds = time.perf_counter() - start
        accuracy = (probabilities(unseen[0], w, b).argmax(axis=1) == unseen[1]).mean()
        print(f"train: C {report['c']:.4g}, folds {report['cv_accuracy']:.4f}, held out "
              f"{report['test_accuracy']:.4f}, unseen {accuracy:.4f}, {report['seconds']:.3f} s, "
              f"{report['iterations']} iterations, {report['bytes'] / 1e6:.1f} MB")
        print(f"LogisticRegressionCV: C {float(chosen.C_):.4g}, unseen {chosen.score(*unseen):.4f}, "
              f"{seconds:.3f} s")
        bad += report["seconds"] > args.seconds
    print("as good as scikit-learn" if not bad else f"{bad} of the comparisons FAILED")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
