#!/usr/bin/env python3
"""Compare lepton's tokenizer with the pinned `tokenizers` package.

usage: compare_tokenizers.py DRIVER TOKENIZER_JSON [--emails FILE] [--quick]

DRIVER is test/tools/tokenize_file.c, compiled; TOKENIZER_JSON an uncased
WordPiece tokenizer.  Ids, segment ids and offsets of every text must be
equal.  Prints one line a set and the first differences; exit status 1 when
there are any.
"""

import argparse
import itertools
import json
import os
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
from tokenizers import Tokenizer, normalizers

import token_cases

BATCH = 50000


def run_driver(driver, arguments, texts):
    """ids, types, starts, ends of all texts in one row each, and the count of each text."""
    data = [t.encode("utf-8") for t in texts]
    blob = b"".join(struct.pack("<I", len(d)) + d for d in data)
    result = subprocess.run([driver] + arguments, input=blob, stdout=subprocess.PIPE, check=True).stdout
    words = np.frombuffer(result, dtype=np.uint32)
    counts = np.empty(len(texts), dtype=np.int64)
    rows, at = [], 0
    for i in range(len(texts)):
        n = int(words[at])
        if n == 0xFFFFFFFF:
            raise SystemExit(f"driver failed with status {words[at + 1]} on {texts[i]!r}")
        counts[i] = n
        rows.append(words[at + 1:at + 1 + 4 * n].reshape(4, n))
        at += 1 + 4 * n
    return (np.concatenate(rows, axis=1) if rows else np.empty((4, 0), np.uint32)), counts


def run_oracle(tokenizer, texts, add_special=True):
    """The same from the package, offsets turned into bytes."""
    encodings = tokenizer.encode_batch(texts, add_special_tokens=add_special)
    counts = np.fromiter((len(e) for e in encodings), dtype=np.int64, count=len(texts))
    total = int(counts.sum())
    chain = itertools.chain.from_iterable
    ids = np.fromiter(chain(e.ids for e in encodings), dtype=np.uint32, count=total)
    types = np.fromiter(chain(e.type_ids for e in encodings), dtype=np.uint32, count=total)
    flat = np.fromiter(chain(chain(e.offsets) for e in encodings), dtype=np.int64, count=2 * total).reshape(-1, 2)
    points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    widths = 1 + (points >= 0x80) + (points >= 0x800) + (points >= 0x10000)
    byte_at = np.concatenate([[0], np.cumsum(widths)])
    lengths = np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(texts) else lengths
    base = np.repeat(first, counts)
    spans = byte_at[flat + base[:, None]] - byte_at[base][:, None]
    return np.stack([ids, types, spans[:, 0].astype(np.uint32), spans[:, 1].astype(np.uint32)]), counts


def compare(name, driver, arguments, tokenizer, texts, add_special=True):
    """Number of texts that differ; prints the first few."""
    started = time.time()
    different = 0
    for at in range(0, len(texts), BATCH):
        batch = texts[at:at + BATCH]
        ours, our_counts = run_driver(driver, arguments, batch)
        theirs, their_counts = run_oracle(tokenizer, batch, add_special)
        if np.array_equal(our_counts, their_counts) and np.array_equal(ours, theirs):
            continue
        our_ends, their_ends = np.cumsum(our_counts), np.cumsum(their_counts)
        for i, text in enumerate(batch):
            mine = ours[:, our_ends[i] - our_counts[i]:our_ends[i]]
            other = theirs[:, their_ends[i] - their_counts[i]:their_ends[i]]
            if not np.array_equal(mine, other):
                different += 1
                if different <= 5:
                    print(f"  {name}: {ascii(text)[:300]}")
                    print(f"    lepton     {mine.T.tolist()[:12]}")
                    print(f"    tokenizers {other.T.tolist()[:12]}")
    print(f"{name}: {len(texts)} texts, {different} differ ({time.time() - started:.1f} s)", flush=True)
    return different


def with_parts(base, **parts):
    """A copy of a tokenizer.json with other parts."""
    changed = dict(base)
    changed.update(parts)
    return changed


def bert(**options):
    parts = dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    parts.update(options)
    return parts


def token(content, number, **flags):
    made = dict(id=number, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False,
                special=False)
    made.update(flags)
    return made


def variants(base, cased):
    """Other tokenizers over the cased vocabulary: (name, tokenizer.json)."""
    model = dict(base["model"], vocab=cased)
    plain = with_parts(base, model=model, truncation=None, padding=None)
    n = len(cased)
    for lower, strip, chinese, clean in itertools.product([True, False], [None, True, False], [True, False],
                                                          [True, False]):
        yield (f"bert lower={lower} strip={strip} chinese={chinese} clean={clean}",
               with_parts(plain, normalizer=bert(lowercase=lower, strip_accents=strip, handle_chinese_chars=chinese,
                                                 clean_text=clean)))
    simple = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]
    for name in simple:
        yield name, with_parts(plain, normalizer={"type": name})
    for names in [("NFKC", "Lowercase"), ("NFD", "StripAccents", "NFC"), ("NFKD", "Lowercase", "StripAccents")]:
        yield "+".join(names), with_parts(plain, normalizer={
            "type": "Sequence", "normalizers": [{"type": name} for name in names]})
    yield "NFC then bert", with_parts(plain, normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, bert()]})
    yield "no normalizer", with_parts(plain, normalizer=None)
    for splits in [None, {"type": "WhitespaceSplit"}, {"type": "Whitespace"}, {"type": "Punctuation"},
                   {"type": "Sequence", "pretokenizers": [{"type": "Punctuation"}, {"type": "Whitespace"}]},
                   {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}]}]:
        yield f"pre_tokenizer {json.dumps(splits)}", with_parts(plain, pre_tokenizer=splits)
    tokens = plain["added_tokens"] + [
        token("don't", n), token("ing", n + 1, single_word=True), token("\u00e9", n + 2), token("a_b", n + 3, lstrip=True),
        token("##", n + 4, rstrip=True), token("[MASK]]", n + 5, lstrip=True, rstrip=True), token("\u4e2d\u4e2d", n + 6)]
    yield "added tokens of the text", with_parts(plain, added_tokens=tokens)
    tokens = tokens + [token("The", n + 7, normalized=True), token("\u00e9t\u00e9", n + 8, normalized=True, single_word=True),
                       token("U.S.A.", n + 9, normalized=True, lstrip=True, rstrip=True),
                       token("er", n + 10, normalized=True, single_word=True), token("$3", n + 11, normalized=True)]
    yield "added tokens, some normalized", with_parts(plain, added_tokens=tokens)
    yield "the same, no splitting", with_parts(plain, added_tokens=tokens, pre_tokenizer=None)
    yield "the same, NFC", with_parts(plain, added_tokens=tokens, normalizer={"type": "NFC"})
    yield "BertProcessing", with_parts(plain, post_processor={"type": "BertProcessing", "sep": ["[SEP]", 102],
                                                              "cls": ["[CLS]", 101]})
    yield "no post_processor", with_parts(plain, post_processor=None)
    yield "short words, other prefix", with_parts(plain, model=dict(
        model, max_input_chars_per_word=5, continuing_subword_prefix="a"))
    yield "empty prefix", with_parts(plain, model=dict(model, continuing_subword_prefix=""))


def open_tokenizer(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False)
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return path, tokenizer


def compare_folder(name, driver, folder, compare):
    """Open a folder with transformers and compare(tokenizer), which counts differences; who refuses it must not be alone."""
    from transformers import AutoTokenizer
    refused = None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.backend_tokenizer.encode("\U0001F600 zzzzzzzzzzzz")
    except BaseException as error:  # a panic of the package is no Exception
        refused = f"{type(error).__name__}: {error}".splitlines()[0][:100]
    try:
        if not refused:
            return compare(tokenizer)
        run_driver(driver, ["-v", folder], ["x"])
        print(f"{name}: transformers refuses it ({refused}), lepton does not")
        return 1
    except (Exception, SystemExit) as error:
        print(f"{name}: both refuse it ({refused})" if refused else f"{name}: only lepton refuses it: {error}")
        return 0 if refused else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("tokenizer")
    parser.add_argument("--emails")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the generated texts and code points")
    options = parser.parse_args()
    step = 20 if options.quick else 1
    with open(options.tokenizer, encoding="utf-8") as file:
        base = json.load(file)
    cased = token_cases.cased_vocabulary(base["model"]["vocab"])
    words = token_cases.words_of(base["model"]["vocab"])
    strings = token_cases.generated(100000 // step, words)
    few = strings[:6000 // (4 if options.quick else 1)] + token_cases.long_texts(words)
    interesting = [t for form in token_cases.FORMS for t in token_cases.code_points(form)[:0x3100:1 if step == 1 else 7]]
    emails = token_cases.emails(options.emails) if options.emails else []
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        sets = [(f"code points {form}", token_cases.code_points(form)[::step]) for form in token_cases.FORMS]
        sets += [("generated", strings), ("e-mails", emails)]
        for name, content in [("uncased", base),
                              ("cased", with_parts(base, model=dict(base["model"], vocab=cased),
                                                   normalizer=bert(lowercase=False)))]:
            path, tokenizer = open_tokenizer(folder, "main.json", content)
            for label, texts in sets:
                bad += compare(f"{name}, {label}", options.driver, [path], tokenizer, texts)
            bad += compare(f"{name}, no special tokens", options.driver, ["-n", path], tokenizer, few, add_special=False)
            _, lowered = open_tokenizer(folder, "main.json", content)
            lowered.normalizer = normalizers.Sequence([normalizers.Lowercase(), lowered.normalizer])
            bad += compare(f"{name}, lower first", options.driver, ["-l", path], lowered, few + interesting)
            for limit, side in [(2, "right"), (3, "right"), (7, "right"), (16, "left"), (64, "right")]:
                tokenizer.enable_truncation(limit, direction=side)
                changed = dict(content, truncation={"direction": side.capitalize(), "max_length": 9,
                                                    "strategy": "LongestFirst", "stride": 0})
                short, _ = open_tokenizer(folder, "short.json", changed)
                bad += compare(f"{name}, {limit} tokens, {side}", options.driver, ["-m", str(limit), short], tokenizer,
                               few + emails[:200])
                tokenizer.no_truncation()
        for name, content in variants(base, cased):
            path, tokenizer = open_tokenizer(folder, "variant.json", content)
            bad += compare(name, options.driver, [path], tokenizer, few + interesting)
            if name.startswith("added tokens"):
                tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), tokenizer.normalizer])
                bad += compare(f"{name}, lower first", options.driver, ["-l", path], tokenizer, few + interesting)
    print(f"{bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
