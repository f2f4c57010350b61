"""Compare lepton_classify and its scores with stored answers of the transformers pipeline: labels equal, probabilities within 1e-4.

    test/oracle/classifier.py FOLDER
    test/oracle/classifier.py FOLDER --make

FOLDER is a fine-tuned classifier with two labels, the texts the first 600 of the large set of e-mails; the comparison is left out where
either is missing.  test/data/golden/minilm_spam.bin has one float32 a mail, the probability of the first label; --make
writes it anew (test/requirements-peers.txt).  The live comparison is bench/accuracy.py.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import sql

COUNT = 600
GOLDEN = sql.ROOT / "test/data/golden/minilm_spam.bin"


def peer(folder, texts):
    """Probability of the first label by the transformers pipeline with truncation, one text at a time."""
    import torch
    from transformers import pipeline
    pipe = pipeline("text-classification", model=str(folder), device=-1, top_k=None, truncation=True, dtype=torch.float32)
    first = pipe.model.config.id2label[0]
    out = []
    for text in texts:
        scores = pipe(text)
        scores = scores if isinstance(scores[0], dict) else scores[0]
        out.append(next(s["score"] for s in scores if s["label"] == first))
    return np.array(out, dtype=np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--make", action="store_true")
    args = parser.parse_args()
    mails, which = sql.emails()
    if which == "emails.csv" or not Path(args.folder).is_dir():
        print("no large set of e-mails or no classifier here: left out")
        return 0
    texts = [t for t, _ in mails][:COUNT]
    if args.make:
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        peer(args.folder, texts).tofile(GOLDEN)
        return 0

    checks = sql.Checks()
    want = np.fromfile(GOLDEN, dtype=np.float32)
    sql.load_model("oracle_classify", args.folder)
    sql.fill("oracle_texts", texts)
    labels = sql.run("SELECT labels FROM lepton_models WHERE name = 'oracle_classify'").strip()[1:-1].split(",")
    query = ("SELECT s.score, lepton_classify(t, 'oracle_classify') FROM oracle_texts, "
             "lepton_classify_scores(t, 'oracle_classify') s "
             f"WHERE s.label = '{labels[0]}' ORDER BY n")
    answers = list(sql.rows(query))
    got = np.array([float(a[0]) for a in answers])
    best = np.array([a[1] == labels[0] for a in answers])
    if checks.check(len(got) == len(want), f"{len(got)} answers for {len(want)} e-mails"):
        error = np.abs(got - want).max()
        wrong = int((best != (want > 0.5)).sum())
        checks.check(error <= 1e-4, f"probabilities: error {error:.2e}")
        checks.check(wrong == 0, f"labels: {wrong} differ")
        print(f"{len(want)} e-mails: {wrong} labels differ, max abs error {error:.2e}")
    sql.run("DROP TABLE oracle_texts; SELECT lepton_drop_model('oracle_classify')")
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
