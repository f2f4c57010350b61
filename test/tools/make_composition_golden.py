#!/usr/bin/env python3
"""Write test/data/tokenizer/compositions.json: what the pinned package answers for every split, regular expression,
model and post-processor of compare_bpe.py; for test/unit/test_compositions.c.

usage: make_composition_golden.py [output directory]
"""

import json
import os
import sys

from tokenizers import Tokenizer

import compare_bpe

TEXTS = ["", " a", "The  don't\n\n 123 U.S.A.", "ab aab. \u00e9\u4e2d1,2 <s>ing", "x\u0301\u00bd\u1f600 \t[MASK] abbc ef"]
PAIR = ("the a  b ing", " ab <mask> 12.")


def difference(base, content):
    parts = {k: v for k, v in content.items() if k != "model" and v != base.get(k)}
    model = {k: v for k, v in content["model"].items() if v != base["model"].get(k)}
    return parts, model


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../data/tokenizer")
    bases = compare_bpe.bases(270)
    for content in bases.values():
        content["model"].get("merges", [])[:] = [" ".join(m) for m in content["model"].get("merges", [])]
    cases = []
    for make in (compare_bpe.mains, compare_bpe.others, compare_bpe.regexes):
        for name, content in make(bases):
            if "MergedWithPrevious" in name and make is compare_bpe.regexes or "Removed" in name and make is compare_bpe.regexes:
                continue
            size = {n: len(json.dumps(difference(b, content))) for n, b in bases.items()}
            base = min(size, key=size.get)
            if size[base] > 3000 or "type" not in content["model"]:
                continue
            tokenizer = Tokenizer.from_str(json.dumps(content))
            texts = TEXTS[4:] if make is compare_bpe.regexes else TEXTS[1:4:2] if "Split" in name or "byte-level " in name else TEXTS[1:]
            rows = []
            for text in texts:
                place = [0]
                for c in text:
                    place.append(place[-1] + len(c.encode()))
                e = tokenizer.encode(text)
                rows.append([text, e.ids, [place[v] for span in e.offsets for v in span]])
            tokenizer.enable_truncation(9)
            pair = tokenizer.encode(*PAIR)
            parts, model = difference(bases[base], content)
            cases.append({"name": name, "base": base, "parts": parts, "model": model, "rows": rows, "pair": [pair.ids, pair.type_ids]})
    with open(os.path.join(folder, "compositions.json"), "w", encoding="ascii", newline="\n") as out:
        json.dump({"bases": bases, "pair": PAIR, "cases": cases}, out, separators=(",", ":"))
        out.write("\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
