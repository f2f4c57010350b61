#!/usr/bin/env python3
"""Speed of lepton's tokenizer and of Hugging Face's, on one thread, in one run.

usage: tokenizer_peer.py DRIVER TOKENIZER_JSON [MESSAGES.jsonl[.xz]]

DRIVER is bench/tokenizer.c, compiled.  Prints MB/s of both and the ratio for
whole messages (bodies) and for their first lines (subjects).  Both are
measured by processor time, take turns, and of each the fastest round counts.
"""

import json
import lzma
import os
import struct
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer  # noqa: E402

ROUNDS = 3


def messages(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def ours(driver, tokenizer, texts):
    data = [t.encode("utf-8") for t in texts]
    blob = b"".join(struct.pack("<I", len(d)) + d for d in data)
    result = subprocess.run([driver, tokenizer, "1"], input=blob, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            check=True).stdout.split()
    return float(result[0]), int(result[2])


def theirs(tokenizer, texts):
    size = sum(len(t.encode("utf-8")) for t in texts)
    started = time.process_time()
    tokens = sum(len(tokenizer.encode(t).ids) for t in texts)
    return size / (time.process_time() - started) / 1e6, tokens


def main():
    driver, path = sys.argv[1:3]
    here = os.path.dirname(os.path.abspath(__file__))
    file = sys.argv[3] if len(sys.argv) > 3 else os.path.join(here, "../../shared/data/spamassassin.jsonl.xz")
    if not os.path.exists(file):
        sys.exit(f"no messages at {file}: name a JSON-lines file whose objects have a \"text\"")
    texts = messages(file)
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    worst = None
    for name, set_ in [("bodies", texts), ("subjects", [t.split("\n", 1)[0] for t in texts])]:
        pairs = [(ours(driver, path, set_), theirs(tokenizer, set_)) for _ in range(ROUNDS)]
        mine, other = max(p[0][0] for p in pairs), max(p[1][0] for p in pairs)
        if pairs[0][0][1] != pairs[0][1][1]:
            sys.exit(f"{name}: {pairs[0][0][1]} tokens here, {pairs[0][1][1]} there")
        print(f"{name}: lepton {mine:.1f} MB/s, tokenizers {other:.2f} MB/s, ratio {mine / other:.1f}")
        worst = min(worst or 1e9, mine / other)
    print(f"ratio at least {worst:.1f} (bar 10)")
    return 0 if worst >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
