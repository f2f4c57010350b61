#!/usr/bin/env python3
"""Write test/data/tokenizer/unigram.json: what the pinned libraries answer, for test/unit/test_unigram.c.

Tokenizers with a Unigram model over one shared vocabulary and a small character map, every normalizer and decoder, folders with a
SentencePiece model or vocab.json and merges.txt; texts with ids, types and spans, lists of ids with the texts they decode to.

usage: make_unigram_golden.py [output file]
Needs transformers, sentencepiece and protobuf.
"""

import base64
import json
import os
import random
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

import compare_slow_routes  # noqa: E402
import compare_tokenizers  # noqa: E402
import compare_unigram  # noqa: E402
import charsmaps  # noqa: E402
import token_cases  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

WORDS = """the of and to in is that it he was for on are with as his they at be this have from one had by word but not
what all were we when your can said there use an each which she do how their if will up other about out many then""".split()
FOLDERS = ["XLM-R alone", "XLM-R other tokens", "XLM-R special map", "XLM-R decoder", "XLM-R user pieces", "CamemBERT",
           "ALBERT lower=True accents=False", "DeBERTa-v2 punct", "DeBERTa-v2 first", "T5 extra_ids", "MPNet", "RoBERTa prefix"]
DECODES = 14


def texts(seed):
    fixed = ["", " ", "the word  of\tthe\n", "\u2581\u2581 a\u2581", "\u0416\u0417 \u0416 the", "e\u0301\u0323 \ufb01 \u2460\uff21 \ufdfa\u00ad",
             "<unk>x </s> `` ''", "a\u200b\u0301 \r\n\u0e33 \u0600a"]
    return fixed + random.Random(seed).sample([t for t in token_cases.generated(900, WORDS) if len(t) < 40], 3)


def rows(backend, seed):
    out = []
    for text in texts(seed):
        if any(0xD800 <= ord(c) < 0xE000 for c in text):
            continue
        answer, _ = compare_tokenizers.run_oracle(backend, [text])
        spans = answer[2:].T.reshape(-1).tolist()
        out.append([text, answer[0].tolist(), answer[1].tolist(), spans])
    return out


def decodes(backend, size, seed):
    rng = random.Random(seed)
    lists = [[rng.randrange(size + 2) for _ in range(rng.randint(0, 8))] for _ in range(DECODES)]
    return [[ids, backend.decode(ids, skip_special_tokens=False), backend.decode(ids, skip_special_tokens=True)] for ids in lists]


def cases(folder):
    charsmap = charsmaps.charsmap(compare_unigram.SMALL_MAP)
    made = list(compare_unigram.variants(WORDS, charsmap, 150))
    shared = made[0][1]["model"]["vocab"]
    for i, (name, content) in enumerate(made):
        if " before " in name or " after NFKD" in name or name.startswith(("Strip left", "Strip none", "no type", "old XLM")):
            continue
        _, backend = compare_tokenizers.open_tokenizer(folder, "tokenizer.json", content)
        if content["model"]["vocab"] == shared:
            content = dict(content, model=dict(content["model"], vocab=None))
        yield {"name": name, "tokenizer": content, "rows": rows(backend, i), "decodes": []}
    pieces = compare_unigram.decode_vocabulary(WORDS, 10)
    for i, (name, decoder) in enumerate(compare_unigram.decoders()):
        content = compare_unigram.decoder_tokenizer(pieces, decoder)
        backend = Tokenizer.from_str(json.dumps(content))
        yield {"name": "decoder " + name, "tokenizer": dict(content, model=dict(content["model"], vocab=1)), "rows": [],
               "decodes": decodes(backend, len(pieces), i)}
    yield {"name": "vocabularies", "shared": [shared, pieces]}


def folders():
    from transformers import AutoTokenizer
    charsmap = charsmaps.charsmap(compare_unigram.SMALL_MAP)
    for i, (name, config, files) in enumerate(compare_slow_routes.shapes(WORDS, charsmap, 150)):
        if name not in FOLDERS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            compare_slow_routes.write(folder, config, files)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            content = {}
            for file in os.listdir(folder):
                with open(os.path.join(folder, file), "rb") as data:
                    content[file] = base64.b64encode(data.read()).decode()
            yield {"name": name, "files": content, "rows": rows(tokenizer.backend_tokenizer, i),
                   "decodes": decodes(tokenizer.backend_tokenizer, len(tokenizer), i)[:8]}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../data/tokenizer/unigram.json")
    with tempfile.TemporaryDirectory() as folder:
        made = list(cases(folder))
    shared = made.pop()["shared"]
    with open(path, "w", encoding="ascii", newline="\n") as out:
        json.dump({"vocabularies": shared, "cases": made + list(folders())}, out, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
