#!/usr/bin/env python3
"""Compare lepton's Unigram tokenizers, normalizers and decoders with the pinned `tokenizers` package.

usage: compare_unigram.py DRIVER [--map FILE] [--words VOCAB_TXT] [--quick]

DRIVER is test/tools/tokenize_file.c, compiled.  The vocabularies are made here from a fixed seed; FILE is a precompiled
character map (one of a few characters stands in for it).  Prints one line a set and the first differences; exit status
1 when there are any.
"""

import argparse
import base64
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

import charsmaps
import compare_tokenizers
import token_cases

MARK = "\u2581"
SMALL_MAP = {"\u2460": "1", "\ufb01": "fi", "\u00a0": " ", "\u3000": " ", "\uff21": "A", "\u0301": "", "\u200b": " ", "\ufdfa": "abc def",
             "e\u0301": "\u00e9", "\t": " ", "\n": " ", "\u00ad": "", "\u00bd": "1\u20442", "\r": ""}


def vocabulary(words, size, seed, fallback=False):
    """Pieces with scores: special tokens, letters, words and their parts, long runs of the mark."""
    rng = random.Random(seed)
    pieces = {"<unk>": 0.0, "<s>": 0.0, "</s>": 0.0}
    if fallback:
        for i in range(256):
            pieces[f"<0x{i:02X}>"] = 0.0
    for c in [MARK] + [chr(c) for c in range(0x21, 0x7F)] + list("\u00e9\u00e8\u00fc\u00df\u4e2d\u65e5\u0430\u0431\u05d0"):
        pieces.setdefault(c, -rng.uniform(5, 12))
    for n in (2, 3, 4, 8, 16):
        pieces.setdefault(MARK * n, -rng.uniform(3, 14))
    for _ in range(20 * size):
        if len(pieces) >= size:
            break
        word = rng.choice(words)
        cut = rng.randint(1, len(word))
        piece = rng.choice([MARK + word, word, word[:cut], word[cut:], MARK + word[:cut], word + rng.choice(words)[:3]])
        if piece:
            # Few different scores make many ties.
            pieces.setdefault(piece, rng.choice([-rng.uniform(4, 16), -8.0, -4.0, -8.5, -12.0]))
    return [[piece, score] for piece, score in pieces.items()]


def tokenizer(vocab, **parts):
    made = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [
        {"id": i, "content": vocab[i][0], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for i in range(3)],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}}
    made.update(parts)
    return made


def sequence(kind, *items):
    return {"type": "Sequence", kind: list(items)}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


def replace(pattern, content, regex=False):
    return {"type": "Replace", "pattern": {"Regex" if regex else "String": pattern}, "content": content}


def strip(left, right):
    return {"type": "Strip", "strip_left": left, "strip_right": right}


def variants(words, charsmap, size=3000):
    """(name, tokenizer.json)"""
    simple = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()}
    vocab = vocabulary(words, size, 1)
    spaces = sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace())
    yield "XLM-RoBERTa", tokenizer(vocab, normalizer=simple, pre_tokenizer=spaces, decoder=metaspace())
    yield "old XLM-RoBERTa", tokenizer(vocab, normalizer=sequence("normalizers", simple, replace(" {2,}", " ", True)),
                                       pre_tokenizer=metaspace(), decoder=metaspace())
    yield "ALBERT", tokenizer(vocab, pre_tokenizer=spaces, normalizer=sequence(
        "normalizers", replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, {"type": "StripAccents"},
        {"type": "Lowercase"}, simple))
    yield "DeBERTa-v2", tokenizer(vocab, pre_tokenizer=metaspace(), normalizer=sequence(
        "normalizers", replace(r"\s{2,}|[\n\r\t]", " ", True), {"type": "NFC"}, strip(False, True)))
    yield "whole text", tokenizer(vocab, normalizer=sequence("normalizers", simple, replace(" ", MARK)))
    yield "no normalizer", tokenizer(vocab, pre_tokenizer=metaspace("first"))
    yield "no split", tokenizer(vocab, normalizer=simple, pre_tokenizer=metaspace("never", False))
    filled = vocabulary(words, max(360, size * 5 // 6), 2, fallback=True)
    yield "byte fallback", tokenizer(filled, normalizer=simple, pre_tokenizer=metaspace(),
                                     model={"type": "Unigram", "unk_id": 0, "vocab": filled, "byte_fallback": True})
    lacking = [p for p in filled if p[0] != "<0xE2>"]
    yield "byte fallback without a byte", tokenizer(lacking, pre_tokenizer=metaspace(), model={
        "type": "Unigram", "unk_id": 0, "vocab": lacking, "byte_fallback": True})
    # The scores make two unknown characters better than the piece of both, which is then found by its text.
    odd = vocab + [["\u0416\u0417", -90.0], ["\u0416", -80.0], ["the", -3.5], ["<unk>x", -2.0]]
    yield "doubles and odd scores", tokenizer(odd, pre_tokenizer=metaspace())
    yield "no type", tokenizer(vocab, pre_tokenizer=metaspace(), model={"unk_id": 0, "vocab": vocab})
    for name, step in [("Nmt", {"type": "Nmt"}), ("ByteLevel", {"type": "ByteLevel"}), ("Prepend", {"type": "Prepend", "prepend": MARK + "x"}),
                       ("Strip both", strip(True, True)), ("Strip left", strip(True, False)), ("Strip none", strip(False, False)),
                       ("Replace by nothing", replace("a", "")), ("Replace by more", replace("e", "\u00e9e\u4e2d")),
                       ("Replace overlapping", replace("aa", "b"))]:
        yield name, tokenizer(vocab, normalizer=step)
        yield name + " after NFKD", tokenizer(vocab, normalizer=sequence("normalizers", {"type": "NFKD"}, step))
        yield name + " before Precompiled", tokenizer(vocab, normalizer=sequence("normalizers", step, simple),
                                                      pre_tokenizer=metaspace())
        yield name + " after Precompiled", tokenizer(vocab, normalizer=sequence("normalizers", simple, step, {"type": "NFC"}),
                                                     pre_tokenizer=spaces)


def decoders():
    """(name, decoder)"""
    yield "none", None
    yield "WordPiece", {"type": "WordPiece", "prefix": "##", "cleanup": True}
    yield "WordPiece as it is", {"type": "WordPiece", "prefix": "a", "cleanup": False}
    yield "ByteLevel", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    yield "Metaspace", metaspace()
    yield "Metaspace never", metaspace("never")
    yield "old Metaspace", {"type": "Metaspace", "replacement": "_", "add_prefix_space": True}
    yield "BPEDecoder", {"type": "BPEDecoder", "suffix": "</w>"}
    yield "BPEDecoder of nothing", {"type": "BPEDecoder", "suffix": ""}
    yield "ByteFallback", {"type": "ByteFallback"}
    yield "Fuse", sequence("decoders", {"type": "Fuse"}, {"type": "WordPiece", "prefix": "a", "cleanup": True})
    yield "Llama", sequence("decoders", replace(MARK, " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                            {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    yield "Replace", replace("e", "\u00e9\u00e9")
    yield "Replace a regex", replace("[aeiou]+", "-", True)
    yield "Sequence of nothing", sequence("decoders")
    yield "no type", {"prefix": "##", "cleanup": True}


def decode_vocabulary(words, n=400):
    rng = random.Random(5)
    pieces = ["<unk>", "<s>", "</s>", "[X]", "##", "##a", "a", " ", "  ", ".", "n't", "'m", "'s", "'ve", "'re", "do", "not", "'", ",", "!", "?",
              "</w>", "x</w>", "y</w></w>", MARK, MARK + "a", MARK * 3, "_a_", "<0x+F>", "<0xg0>", "<0xe4>", "\u0120the", "\u0120", "\u00e2\u0124\u00ac", "\u00e2",
              "\u0124", "\u00ac", "\u4e2d", "\u00f0\u0141\u013a", "\u0122", "\u00ed\u0142\u0122", " do not", " n't", ""]
    pieces += [f"<0x{i:02X}>" for i in range(256)]
    pieces += [rng.choice(["", "##", MARK, "\u0120"]) + rng.choice(words) for _ in range(n)]
    return [[piece, -float(i % 17)] for i, piece in enumerate(dict.fromkeys(pieces))]


def decoder_tokenizer(vocab, decoder):
    return tokenizer(vocab, decoder=decoder, added_tokens=[
        {"id": 3, "content": "[X]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True},
        {"id": len(vocab), "content": "new", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True,
         "special": False}])


def compare_decoders(driver, folder, words, n):
    vocab = decode_vocabulary(words)
    rng = random.Random(6)
    lists = [[]] + [[i] for i in range(len(vocab) + 4)] + [
        [rng.randrange(len(vocab) + 4) for _ in range(rng.randint(0, 12))] for _ in range(n)]
    for name, decoder in decoders():
        path = os.path.join(folder, "decoder.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(decoder_tokenizer(vocab, decoder), out)
        package = Tokenizer.from_file(path)
        blob = b"".join(struct.pack(f"<{len(ids) + 1}I", len(ids), *ids) for ids in lists)
        for skip in (False, True):
            answers = subprocess.run([driver, "-s" if skip else "-d", path], input=blob, stdout=subprocess.PIPE, check=True).stdout
            at = different = 0
            for ids in lists:
                size = struct.unpack_from("<I", answers, at)[0]
                ours = answers[at + 4:at + 4 + size].decode("utf-8")
                at += 4 + size
                theirs = package.decode(ids, skip_special_tokens=skip)
                if ours != theirs:
                    different += 1
                    if different <= 3:
                        print(f"  {[vocab[i][0] if i < len(vocab) else i for i in ids]}\n    lepton     {ours!r}\n    tokenizers {theirs!r}")
            print(f"decoder {name}, {'no ' if skip else ''}special tokens: {len(lists)} lists, {different} differ", flush=True)
            yield different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("--map")
    parser.add_argument("--words")
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the generated texts and code points")
    options = parser.parse_args()
    step = 20 if options.quick else 1
    words = token_cases.words_of(open(options.words, encoding="utf-8").read().split()) if options.words else \
        "the of and to in is you that it he was for on are with as his they at be this have from or one had by word".split()
    charsmap = open(options.map, "rb").read() if options.map else charsmaps.charsmap(SMALL_MAP)
    strings = token_cases.generated(100000 // step, words)
    few = strings[:20000 // step] + token_cases.long_texts(words)
    points = [t for form in token_cases.FORMS for t in token_cases.code_points(form)[::step]]
    interesting = points[::17] + [t for form in token_cases.FORMS for t in token_cases.code_points(form)[:0x3100:step]]
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, content) in enumerate(variants(words, charsmap)):
            if options.only not in name:
                continue
            path, package = compare_tokenizers.open_tokenizer(folder, "unigram.json", content)
            bad += compare_tokenizers.compare(name, options.driver, [path], package,
                                              strings + token_cases.long_texts(words) + points if i < 2 else few + interesting)
        if options.only in "decoders":
            bad += sum(compare_decoders(options.driver, folder, words, 20000 // step))
    print(f"{bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
