#!/usr/bin/env python3
"""Compare lepton's BPE, WordLevel and splits with the pinned `tokenizers` package.

usage: compare_bpe.py DRIVER [--quick] [--only NAME]

DRIVER is test/tools/tokenize_file.c, compiled.  Trains small tokenizers from a fixed seed and makes
compositions of all pre-tokenizers, regular expressions of published models, post-processors and added
tokens.  Ids, types, offsets and sequences must be equal: of every code point in three contexts and of
generated strings for the main ones, of fewer for the others; pairs with every truncation strategy.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import compare_tokenizers
import token_cases
from compare_tokenizers import run_driver, token

# Patterns of published models.
PATTERNS = {
    "cl100k": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "modernbert": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "olmo": r"(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    "clip": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "gemma": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "bloom": r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
    "phi": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
            r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u0800-\u4e00\uac00-\ud7ff]+".replace("\ud7ff", "\ud7fb"), PATTERNS["phi"]]
# Regular expressions of every kind, in Oniguruma's syntax.
REGEXES = [
    r"a{1,3}+", r"a++b", r"^a", r"a$", r"\Aa", r"a\z", r"a\Z", r"\bab\b", r"\Ba", r"(?<=a)b", r"(?<!a)b", r"(?<=a|bc)d", r"(?<!a|bc)d",
    r"(?=a)\w", r"(?!a)\w", r"(?>a+)b", r"(?>a|ab)c", r"a*?b", r"a+?", r"a{2,}?", r"(ab|a)(bc|c)?", r"(?:ab)*c", r"(?:ab)+?c", r"(?:ab){2,3}",
    r"[[:alpha:]]+", r"[[:^alpha:]]+", r"[[:punct:]]", r"[a-c&&b-d]", r"[^a-c&&[^x]]", r"[]a]", r"[a\-b]", r"[a-]", r"[-a]", r"[\]]", r"[\h]+",
    r"\h+", r"\H+", r"\d+", r"\D+", r"\W", r"\S+", r"\p{^L}+", r"\P{L}+", r"\p{Lu}\p{Ll}*", r"\p{Greek}+", r"\p{Hiragana}", r"\p{Punct}", r"\p{Punctuation}",
    r"\p{Alphabetic}+", r"\p{Upper}", r"\p{White_Space}", r"[\p{Han}\p{Hangul}]+", r"\x41", r"\x{4e00}", r"\u4e00", r"\t", r".", r".+", r"(?m:.+)", "(?x: a b # c\n )", r"(?i)ab", r"a(?i)b|c", r"(?i:k)+", r"(?i:[a-z])+", r"(?i:[^a-k])", r"a|", r"", r"a?", r"\s*", r"(a|b)*", r"(a|ab)(c|bcd)", r"(?<n>a)b", r"a{,2}", r"a{", r"a{x}", r"a{1", r"x{2}{3}",
    r"\.", r"\/", r"[.,;]", r"[^\S\n]+", r"\s+(?=\S)", r"\s+$", r"(?:a|b|ab)+c", r"(\w+)\s", r"[\w'-]+", r"[^\w]", r"\p{Word}", r"[[:word:]]+", r"(?i:[^\p{L}])+", r"a{2}?x", r"(?<!\s)a", r"(?i:[^\r\n\p{L}\p{N}])?a", r"(?=.*b)a", r"(?!.*b)a", r"(?:(?!ab).)+", r"(?>(?:a|ab)+)b", r"(?:a(?=b)b|a(?=b)bc)+", r"\n", r"[\u4e00-\u9fff]", "[\u4e00-\u9fff]+", "é", r"[éà]+",
]
WORDS = ("the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her "
         "she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some "
         "could these two may first then do any like my now over such our man me even most made after also well over years should because").split()


def corpus():
    rng = random.Random(20261122)
    lines = []
    for _ in range(3000):
        parts = []
        for _ in range(rng.randint(3, 18)):
            kind = rng.random()
            if kind < 0.8:
                word = rng.choice(WORDS)
                parts.append(word.capitalize() if rng.random() < 0.15 else word)
            elif kind < 0.9:
                parts.append(str(rng.randint(0, 99999)))
            else:
                low, high = rng.choice(token_cases.RANGES)
                parts.append("".join(chr(rng.randint(low, min(high, low + 40))) for _ in range(rng.randint(1, 4))))
        lines.append(" ".join(parts) + rng.choice([".", "!", "?", "", "...", "'s", " don't", "\n"]))
    return lines


def trained(model, trainer, pre=None, normalizer=None, post=None):
    tokenizer = Tokenizer(model)
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(corpus(), trainer)
    if post is not None:
        tokenizer.post_processor = post(tokenizer)
    return json.loads(tokenizer.to_str())


def template(single, pair, tokens):
    def make(tokenizer):
        return processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(t, tokenizer.token_to_id(t)) for t in tokens])
    return make


def bases(size=1200):
    """Trained tokenizers: name -> tokenizer.json."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    quiet = dict(show_progress=False)
    out = {}
    out["byte-level"] = trained(
        models.BPE(), trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **quiet),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        post=lambda t: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False))
    out["byte-fallback"] = trained(
        models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        trainers.BpeTrainer(vocab_size=size + 300, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)], limit_alphabet=150, **quiet),
        normalizer=normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
        post=template("<s> $A", "<s> $A <s>:1 $B:1", ["<s>"]))
    out["suffix"] = trained(
        models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
        trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=120, **quiet),
        pre_tokenizers.BertPreTokenizer(), normalizers.Lowercase())
    out["prefix"] = trained(
        models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True),
        trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], continuing_subword_prefix="##", limit_alphabet=120, **quiet),
        pre_tokenizers.Whitespace())
    out["wordlevel"] = trained(models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]"], **quiet),
                               pre_tokenizers.Whitespace(), post=template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"]))
    return out


def changed(base, **parts):
    return dict(base, **parts)


def model(base, **parts):
    return dict(base, model=dict(base["model"], **parts))


def byte_level(**options):
    return dict(dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True), **options)


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return dict(type="Split", pattern={kind: pattern}, behavior=behavior, invert=invert)


def sequence(*parts):
    return dict(type="Sequence", pretokenizers=list(parts))


def mains(base):
    yield from base.items()
    for name in ("cl100k", "qwen2", "o200k"):
        yield name, model(changed(base["byte-level"], pre_tokenizer=sequence(split(PATTERNS[name]), byte_level(use_regex=False))), ignore_merges=True)


def others(base):
    """(name, tokenizer.json) of compositions that fewer texts go through."""
    bytes_, words, fallback, prefix = base["byte-level"], base["wordlevel"], base["byte-fallback"], base["prefix"]
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    for name, pattern in PATTERNS.items():
        if name not in ("cl100k", "qwen2", "o200k"):
            yield f"pattern {name}", changed(bytes_, pre_tokenizer=sequence(split(pattern), byte_level(use_regex=False)))
    yield "pattern deepseek", changed(bytes_, pre_tokenizer=sequence(*[split(p) for p in DEEPSEEK], byte_level(use_regex=False)))
    for b in behaviors:
        for invert in (False, True):
            yield f"Split string {b} {invert}", changed(prefix, pre_tokenizer=split(" ", b, invert, "String"))
            yield f"Split regex {b} {invert}", changed(prefix, pre_tokenizer=split(r"\s+|\d", b, invert))
            yield f"Split {b} {invert}", changed(prefix, pre_tokenizer=sequence(split("the", b, invert, "String"), split("", b, invert, "String")))
        yield f"Punctuation {b}", changed(prefix, pre_tokenizer=dict(type="Punctuation", behavior=b))
    yield "Punctuation", changed(prefix, pre_tokenizer=dict(type="Punctuation"))
    for digits in (True, False):
        yield f"Digits {digits}", changed(prefix, pre_tokenizer=dict(type="Digits", individual_digits=digits))
    yield "CharDelimiterSplit", changed(prefix, pre_tokenizer=dict(type="CharDelimiterSplit", delimiter="e"))
    yield "UnicodeScripts", changed(prefix, pre_tokenizer=dict(type="UnicodeScripts"))
    yield "FixedLength", changed(prefix, pre_tokenizer=dict(type="FixedLength", length=3))
    yield "WhitespaceSplit", changed(prefix, pre_tokenizer=dict(type="WhitespaceSplit"))
    yield "none", changed(prefix, pre_tokenizer=None)
    yield "many", changed(prefix, pre_tokenizer=sequence(
        dict(type="WhitespaceSplit"), dict(type="Punctuation", behavior="MergedWithNext"), dict(type="Digits", individual_digits=True),
        dict(type="UnicodeScripts"), dict(type="FixedLength", length=4)))
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            meta = dict(type="Metaspace", replacement="\u2581", prepend_scheme=scheme, split=cut)
            yield f"Metaspace {scheme} {cut}", changed(fallback, normalizer=None, pre_tokenizer=meta)
            yield f"Metaspace {scheme} {cut}, added tokens", changed(
                fallback, normalizer=None, pre_tokenizer=meta,
                added_tokens=fallback["added_tokens"] + [token("[MASK]", 1500), token("the", 1501, normalized=True)])
            yield f"Metaspace {scheme} {cut} behind others", changed(
                fallback, normalizer=None, pre_tokenizer=sequence(dict(type="WhitespaceSplit"), meta))
    yield "Metaspace old", changed(fallback, normalizer=None, pre_tokenizer=dict(
        type="Metaspace", replacement="\u2581", str_rep="\u2581", add_prefix_space=True))
    for prefixed in (True, False):
        for regex in (True, False):
            for trim in (True, False):
                for kind, post in (("ByteLevel", byte_level(add_prefix_space=prefixed, trim_offsets=trim)), ("Roberta", dict(
                        type="RobertaProcessing", sep=["</s>", 2], cls=["<s>", 0], trim_offsets=trim, add_prefix_space=prefixed))):
                    yield f"byte-level {prefixed} {regex} {kind} {trim}", changed(
                        bytes_, pre_tokenizer=byte_level(add_prefix_space=prefixed, use_regex=regex), post_processor=post)
    flags = dict(trim_offsets=True, add_prefix_space=True)
    bert = dict(type="BertProcessing", sep=["</s>", 2], cls=["<s>", 0])
    bos = json.loads(Tokenizer.from_str(json.dumps(fallback)).to_str())["post_processor"]
    for name, parts in (("ByteLevel, template", [byte_level(**flags), bos]), ("template, ByteLevel", [bos, byte_level(**flags)]),
                        ("Bert, ByteLevel", [bert, byte_level(**flags)]), ("two trims", [byte_level(**flags), byte_level(**flags)]),
                        ("Bert, Bert", [bert, bert]), ("Bert, template", [bert, bos]), ("nothing", [])):
        yield f"post-processors {name}", changed(bytes_, post_processor=dict(type="Sequence", processors=parts))
    yield "no post-processor", changed(bytes_, post_processor=None)
    n = 1200
    tokens = bytes_["added_tokens"] + [
        token("don't", n), token("ing", n + 1, single_word=True), token("\u00e9", n + 2), token("a_b", n + 3, lstrip=True), token("##", n + 4, rstrip=True),
        token("[MASK]", n + 5, lstrip=True, rstrip=True, special=True), token("the", n + 6, normalized=True),
        token("U.S.A.", n + 7, normalized=True, lstrip=True, rstrip=True), token("er", n + 8, normalized=True, single_word=True)]
    yield "added tokens", changed(bytes_, added_tokens=tokens)
    yield "added tokens, prefix space", changed(bytes_, added_tokens=tokens, pre_tokenizer=byte_level(add_prefix_space=True),
                                                post_processor=byte_level(add_prefix_space=True))
    yield "added tokens, lower case", changed(bytes_, added_tokens=tokens, normalizer=dict(type="Lowercase"))
    yield "fuse_unk", model(base["suffix"], fuse_unk=True)
    yield "no unknown token", model(base["suffix"], unk_token=None)
    yield "ignore_merges", model(bytes_, ignore_merges=True)
    yield "merges as strings", model(bytes_, merges=["#version: 0.2"] + [" ".join(m) if isinstance(m, list) else m for m in bytes_["model"]["merges"]])
    few = {k: v for k, v in fallback["model"]["vocab"].items() if k not in ("<0xE2>", "<0xC3>")}
    for fuse in (True, False):
        yield f"bytes that lack, {fuse}", model(fallback, vocab=few, fuse_unk=fuse)
    yield "bytes that lack, no unknown token", model(fallback, vocab=few, unk_token=None)
    yield "no type", dict(words, model={k: v for k, v in words["model"].items() if k != "type"})
    rng = random.Random(5)
    chars = [" ", "a", "b", "c", "d", "e", "f", "aa", "ab", "abc", "bb", "ef", "cd", "fa", "be", "\u00e9", "aab", "cde"]
    pairs = [(a, b) for a in chars for b in chars]
    rng.shuffle(pairs)
    vocab = {c: i for i, c in enumerate(chars)}
    for a, b in pairs:
        vocab.setdefault(a + b, len(vocab))
    yield "odd merges", dict(words, pre_tokenizer=None, model=dict(type="BPE", vocab=vocab, merges=[list(p) for p in pairs + pairs[:40]], unk_token="a"),
                             post_processor=None, added_tokens=[])


def regexes(base):
    for pattern in REGEXES:
        for behavior in ("Isolated", "Removed", "MergedWithPrevious"):
            yield f"regex {pattern!r} {behavior}", changed(base["prefix"], pre_tokenizer=split(pattern, behavior))


def short_texts(n):
    rng = random.Random(7)
    alphabet = "aaabbbcdxyzAB  \n\t.,'1\u00e9\u4e00\u3042\u03b1s\u017f\u212akK"
    return ["".join(rng.choice(alphabet) for _ in range(rng.randint(0, 14))) for _ in range(n)]


def oracle_pairs(tokenizer, texts, add_special):
    rows, counts = [], []
    for first, second in texts:
        try:
            e = tokenizer.encode(first, second, add_special_tokens=add_special)
        except BaseException:
            rows.append(None)
            continue
        places = [np.cumsum([0] + [len(c.encode()) for c in t]) for t in (first, second)]
        spans = [(0, 0) if s is None or s > 1 else (int(places[s][a]), int(places[s][b])) for s, (a, b) in zip(e.sequence_ids, e.offsets)]
        rows.append([e.ids, e.type_ids, [255 if s is None else s for s in e.sequence_ids], spans])
    return rows


def compare_pairs(name, driver, path, tokenizer, texts, limit, strategy, side, add_special, sequences):
    arguments = ["-p", str(["longest_first", "only_first", "only_second"].index(strategy))]
    if limit:
        tokenizer.enable_truncation(limit, strategy=strategy, direction=side)
        arguments += ["-m", str(limit)]
    if not add_special:
        arguments.append("-n")
    theirs = oracle_pairs(tokenizer, texts, add_special)
    tokenizer.no_truncation()
    import struct
    import subprocess
    data = b"".join(struct.pack("<I", len(d)) + d for pair in texts for d in (t.encode() for t in pair))
    words = np.frombuffer(subprocess.run([driver] + arguments + [path], input=data, stdout=subprocess.PIPE, check=True).stdout, dtype=np.uint32)
    at = different = 0
    for i, want in enumerate(theirs):
        n = int(words[at])
        if n == 0xFFFFFFFF:
            ours, at = None, at + 2
        else:
            part = words[at + 1:at + 1 + 4 * n].reshape(4, n)
            at += 1 + 4 * n
            ours = [part[0].tolist(), (part[1] & 0xFFFF).tolist(), (part[1] >> 16).tolist(), list(zip(part[2].tolist(), part[3].tolist()))]
            if ours and want and (limit or not sequences):
                # Where the package loses which text a token is of, its offsets say nothing in bytes.
                known = [a == b for a, b in zip(ours[2], want[2])]
                ours[2], ours[3] = want[2], [o if k else w for o, w, k in zip(ours[3], want[3], known)]
        if ours != want:
            different += 1
            if different <= 3:
                print(f"  {name}: {ascii(texts[i])[:300]}\n    lepton     {ours}\n    tokenizers {want}")
    if different:
        print(f"{name}: {len(texts)} pairs, {different} differ", flush=True)
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of code points and strings")
    parser.add_argument("--only", default="", help="compositions whose name has this")
    options = parser.parse_args()
    step = 50 if options.quick else 1
    base = bases()
    strings = token_cases.generated(100000 // step, WORDS)
    few = strings[:2000 // (5 if options.quick else 1)] + short_texts(2000 // (5 if options.quick else 1)) + ["", " ", "  ", "\n", "a", " a", "a ", "  a  "]
    rng = random.Random(3)
    pairs = [(rng.choice(few), rng.choice(few)) for _ in range(600 // (3 if options.quick else 1))]
    sets = [(f"code points {form}", token_cases.code_points(form)[::step]) for form in token_cases.FORMS] + [
        ("generated", strings), ("long", token_cases.long_texts(WORDS))]
    bad = 0
    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in mains(base):
            if options.only not in name:
                continue
            path, tokenizer = compare_tokenizers.open_tokenizer(folder, "tokenizer.json", content)
            for label, texts in sets:
                bad += compare_tokenizers.compare(f"{name}, {label}", options.driver, [path], tokenizer, texts)
            bad += compare_tokenizers.compare(f"{name}, no special tokens", options.driver, ["-n", path], tokenizer, few, add_special=False)
            for limit, side in [(4, "right"), (7, "right"), (16, "left"), (64, "right")]:
                tokenizer.enable_truncation(limit, direction=side)
                short, _ = compare_tokenizers.open_tokenizer(folder, "tokenizer.json", dict(content, truncation={"direction": side.capitalize(), "max_length": 9, "strategy": "LongestFirst", "stride": 0}))
                bad += compare_tokenizers.compare(f"{name}, {limit} tokens, {side}", options.driver, ["-m", str(limit), short], tokenizer, few)
                for strategy in ("longest_first", "only_first", "only_second"):
                    bad += compare_pairs(f"{name}, pairs, {limit} tokens, {side}, {strategy}", options.driver, short, tokenizer, pairs, limit, strategy,
                                         side, True, True)
                tokenizer.no_truncation()
        for make in (others, regexes):
            for name, content in make(base):
                if options.only not in name:
                    continue
                try:
                    path, tokenizer = compare_tokenizers.open_tokenizer(folder, "tokenizer.json", content)
                except BaseException as error:
                    print(f"{name}: the package refuses it: {error}")
                    bad += 1
                    continue
                try:
                    if make is regexes:
                        bad += compare_tokenizers.compare(name, options.driver, [path], tokenizer, short_texts(1000) + few[:100])
                        continue
                    bad += compare_tokenizers.compare(name, options.driver, [path], tokenizer, few)
                    for special in (True, False):
                        bad += compare_pairs(f"{name}, pairs, {special}", options.driver, path, tokenizer, pairs[:100], 0, "longest_first", "right", special,
                                             not name.startswith("post-processors"))
                except (SystemExit, Exception) as error:
                    print(f"{name}: {str(error)[:300]}")
                    bad += 1
    print(f"{bad} differences ({time.time() - started:.0f} s)")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
