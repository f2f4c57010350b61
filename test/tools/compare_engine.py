#!/usr/bin/env python3
"""Compares the bare engine with Hugging Face on one folder and one set of texts.

usage: compare_engine.py [--run-model PROGRAM] [--isa NAME] [--limit N] [--at-most ERROR] FOLDER TEXTS

TEXTS is a JSON Lines file (.jsonl or .jsonl.xz, key "text") or plain lines.
An embedding folder is judged by sentence-transformers, a classifier by
transformers: labels must be equal, the largest error must not exceed --at-most.
Prints one line; exit status 1 when the bar is missed.
"""
import argparse
import json
import lzma
import os
import subprocess
import sys

import numpy as np
import torch


def read_texts(path, limit):
    """Texts of the file, without NUL, which no database text can hold."""
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(x)["text"] if ".jsonl" in path else x.rstrip("\n") for x in lines]
    return [t.replace("\0", "") for t in texts][: limit or None]


def run_engine(args, texts):
    """Rows of numbers as run_model prints them."""
    command = [args.run_model, "--null", "--isa", args.isa, args.folder]
    data = b"".join(t.encode() + b"\0" for t in texts)
    out = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    return np.array([[float(x) for x in line.split()] for line in out.decode().splitlines()])


def is_classifier(folder):
    """Does config.json name a classifier, and is there no sentence-transformers model?"""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        architectures = json.load(f).get("architectures") or [""]
    return "SequenceClassification" in architectures[0] and not os.path.exists(
        os.path.join(folder, "modules.json")
    )


def reference_embeddings(folder, texts):
    """Embeddings of sentence-transformers in f32."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
    return model.encode(texts, batch_size=16)


def reference_logits(folder, texts):
    """Logits of transformers in f32, texts truncated as its pipeline does."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows = [None] * len(texts)
    with torch.inference_mode():
        for i in range(0, len(order), 16):
            part = order[i : i + 16]
            batch = tokenizer(
                [texts[j] for j in part], padding=True, truncation=True, return_tensors="pt"
            )
            for j, row in zip(part, model(**batch).logits.numpy()):
                rows[j] = row
    return np.array(rows)


def softmax(x):
    """Rows become probabilities."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("texts")
    parser.add_argument("--run-model", default="build/tools/run_model")
    parser.add_argument("--isa", default="auto")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--at-most", type=float, default=1e-5)
    args = parser.parse_args()
    texts = read_texts(args.texts, args.limit)
    ours = run_engine(args, texts)
    if is_classifier(args.folder):
        theirs = reference_logits(args.folder, texts)
        different = int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
        ours, theirs = softmax(ours), softmax(theirs)
        what = f"{different} labels differ, probabilities"
    else:
        theirs = reference_embeddings(args.folder, texts)
        different = 0
        what = "embeddings"
    error = float(np.abs(ours - theirs).max())
    print(f"{len(texts)} texts on {args.isa}: {what} differ by at most {error:.2e}")
    return 1 if different > 0 or not error <= args.at_most else 0


if __name__ == "__main__":
    sys.exit(main())
