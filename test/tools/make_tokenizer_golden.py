#!/usr/bin/env python3
"""Write test/data/tokenizer/*.json: what the pinned libraries answer, for test/unit/test_tokenizer.c.

cases.json        tokenizers (tokenizer.json, or the files beside vocab.txt) with texts, ids, types and spans
refused.json      files that must be refused, and how
code_points.json  checksums of every code point's normalised forms and of how it splits

usage: make_tokenizer_golden.py [output directory]
"""

import base64
import json
import os
import sys
import tempfile
import warnings
import zlib

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

import tokenizers  # noqa: E402
from tokenizers import Tokenizer, normalizers, pre_tokenizers  # noqa: E402

import charsmaps  # noqa: E402
import compare_tokenizers  # noqa: E402
import token_cases  # noqa: E402

PINNED = "0.23.3"
BLOCK = 0x2000
WORDS = """the of and to in a is that for it was on with as be by at this have from or an had not are but you which
one were all their there been if more when will would who so no out up into than them can only other time new some
could these two may first then do any like my now over such our man me even most made after also did many off before
must well back through years where much your way down should because long each just state those people too mail
offer free money click order list subject spam ham server linux perl code table row index model text token""".split()
PIECES = ["##s", "##ed", "##ing", "##er", "##ly", "##ion", "##e", "##un", "re", "un", "##able", "##ment", "##al"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary():
    words = SPECIALS + WORDS + PIECES
    singles = [chr(c) for c in range(0x21, 0x7F)]
    singles += sorted({c for t in token_cases.TRAPS for c in t if ord(c) > 0x7E})
    singles += [chr(c) for c in list(range(0xE0, 0x100)) + list(range(0x300, 0x315)) + list(range(0x3B1, 0x3CA)) +
                list(range(0x430, 0x450)) + list(range(0x4E00, 0x4E08)) + list(range(0x1100, 0x1106))]
    words += [w.capitalize() for w in WORDS[:40]] + singles + ["##" + s for s in singles]
    vocab = {}
    for word in words:
        vocab.setdefault(word, len(vocab))
    return vocab


def template():
    def special(name):
        return {"SpecialToken": {"id": name, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special("[CLS]"), text, special("[SEP]")], "pair": [],
            "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in (("[CLS]", 2), ("[SEP]", 3))}}


def base(vocab):
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [compare_tokenizers.token(s, i, special=True) for i, s in enumerate(SPECIALS)],
            "normalizer": compare_tokenizers.bert(), "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": template(), "decoder": None,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": vocab}}


def tokenizer_files(vocab):
    """(name, parts of tokenizer.json that differ from the base)"""
    token, bert, n = compare_tokenizers.token, compare_tokenizers.bert, len(vocab)
    yield "uncased", {}
    yield "cased", {"normalizer": bert(lowercase=False)}
    yield "cased, accents stripped, no ideograph spaces", {
        "normalizer": bert(lowercase=False, strip_accents=True, handle_chinese_chars=False)}
    yield "NFC", {"normalizer": {"type": "NFC"}}
    yield "NFKC and lower case, words", {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Whitespace"}}
    yield "NFD without accents", {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
        "pre_tokenizer": {"type": "WhitespaceSplit"}}
    added = base(vocab)["added_tokens"] + [
        token("don't", n), token("ing", n + 1, single_word=True), token("a_b", n + 2, lstrip=True),
        token("##", n + 3, rstrip=True), token("The", n + 4, normalized=True),
        token("U.S.A.", n + 5, normalized=True, lstrip=True, rstrip=True)]
    yield "added tokens", {"added_tokens": added}
    yield "BertProcessing, old layout", {
        "post_processor": {"sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "model": {k: v for k, v in base(vocab)["model"].items() if k != "type"}}


def folders(vocab):
    """(name, files beside each other)"""
    lines = list(vocab)
    text = "\n".join(lines) + "\n"
    n = len(lines)
    yield "vocab.txt alone", {"vocab.txt": text}
    yield "CRLF, cased", {"vocab.txt": text.replace("\n", "\r\n"), "tokenizer_config.json": json.dumps(
        {"do_lower_case": False, "tokenizer_class": "BertTokenizerFast", "model_max_length": int(1e30)})}
    yield "declared tokens", {"vocab.txt": text, "tokenizer_config.json": json.dumps({"added_tokens_decoder": {
        "4": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False,
              "special": True}, str(n): {"content": "Foo", "normalized": True}}, "cls_token": "<c>"})}
    yield "legacy files", {"vocab.txt": text, "special_tokens_map.json": json.dumps({"mask_token": {
        "content": "[MASK]", "lstrip": True}, "additional_special_tokens": ["<a>"]}),
        "added_tokens.json": json.dumps({"Foo": n, "[MASK]": 4})}


def rows(tokenizer, texts):
    values, counts = compare_tokenizers.run_oracle(tokenizer, texts)
    out, at = [], 0
    for text, count in zip(texts, counts):
        ids, types, starts, ends = values[:, at:at + count].tolist()
        at += count
        spans = [v for pair in zip(starts, ends) for v in pair]
        out.append([text, ids, types, spans])
    return out


def cases(vocab):
    from transformers import AutoTokenizer
    words = token_cases.words_of(vocab)
    texts = ["", " ", "a", "\u0301", "\u0130\u03a3 \u039f\u0394\u039f\u03a3 a\u03a3\u0301b \u03a3",
             "[CLS] x [MASK]  y", "Foo foo <a> <c>", "The the U.S.A. a_b  a_b ing sing"]
    out = []
    for number, (name, parts) in enumerate(tokenizer_files(vocab)):
        content = dict(base(vocab), **parts)
        tokenizer = Tokenizer.from_str(json.dumps(content))
        mine = texts + token_cases.generated(45, words, seed=number)
        out.append({"name": name, "tokenizer": content, "lower": False, "rows": rows(tokenizer, mine)})
        if name in ("uncased", "cased"):
            tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), tokenizer.normalizer])
            out.append({"name": name + ", lower first", "tokenizer": content, "lower": True,
                        "rows": rows(tokenizer, mine)})
    for number, (name, files) in enumerate(folders(vocab)):
        with tempfile.TemporaryDirectory() as folder:
            for file, content in dict(files, **{"config.json": '{"model_type": "bert"}'}).items():
                with open(os.path.join(folder, file), "w", encoding="utf-8", newline="") as written:
                    written.write(content)
            backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
            mine = texts + token_cases.generated(15, words, seed=100 + number)
            out.append({"name": name, "files": files, "lower": False, "rows": rows(backend, mine)})
    return out


def unigram_refusals(changed):
    def unigram(**parts):
        return changed(model=dict({"type": "Unigram", "unk_id": 0, "vocab": [["[UNK]", 0], ["a", -1.5]], "byte_fallback": False}, **parts))

    def charsmap(data):
        return changed(normalizer={"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()})

    good = charsmaps.charsmap({"a": "b"})
    yield "unk_id without a piece", unigram(unk_id=2), "bad_file"
    yield "negative unk_id", unigram(unk_id=-1), "bad_file"
    yield "Unigram vocab as an object", unigram(vocab={"a": 1}), "bad_file"
    yield "piece without a score", unigram(vocab=[["a"]]), "bad_file"
    yield "piece with two scores", unigram(vocab=[["a", 1, 2]]), "bad_file"
    yield "byte_fallback as a number", unigram(byte_fallback=1), "bad_file"
    yield "map that is no base64", changed(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAA*"}), "bad_file"
    yield "map without a header", charsmap(good[:3]), "bad_file"
    yield "map cut off", charsmap(good[:300]), "bad_file"
    yield "map without a trie", charsmap(bytes(8)), "bad_file!"
    yield "map with bytes that are no text", charsmap(good + b"\xff"), "bad_file"
    yield "map with a long text", charsmap(charsmaps.charsmap({"a": "b" * 257})), "unsupported"
    yield "Replace of nothing", changed(normalizer={"type": "Replace", "pattern": {"String": ""}, "content": "b"}), "unsupported"
    yield "Prepend of nothing", changed(normalizer={"type": "Prepend", "prepend": ""}), "unsupported"
    yield "Strip without a side", changed(normalizer={"type": "Strip", "strip_left": True}), "bad_file"
    yield "CTC", changed(decoder={"type": "CTC", "pad_token": "p", "word_delimiter_token": "|", "cleanup": True}), "unsupported"
    yield "decoder without a prefix", changed(decoder={"type": "WordPiece", "cleanup": True}), "bad_file"
    yield "decoder Strip of two characters", changed(decoder={"type": "Strip", "content": "ab", "start": 1, "stop": 0}), "bad_file"
    yield "Metaspace decoder against itself", changed(decoder={"type": "Metaspace", "replacement": "_", "add_prefix_space": False}), "bad_file"
    yield "decoders as an object", changed(decoder={"type": "Sequence", "decoders": {}}), "bad_file"


def refusals(vocab):
    """(name, tokenizer.json, "bad_file" where the package refuses it too, else "unsupported" or "bad_file!")"""
    small = {w: vocab[w] for w in list(vocab)[:12]}
    good = base(small)

    def changed(**parts):
        return json.dumps(dict(good, **parts))

    def model(**parts):
        return changed(model=dict(good["model"], **parts))

    def without(part, key):
        return changed(**{part: {k: v for k, v in good[part].items() if k != key}})

    token = compare_tokenizers.token
    yield "version", changed(version="2.0"), "bad_file"
    yield "unknown key", changed(chat=1), "bad_file"
    yield "no model", json.dumps({k: v for k, v in good.items() if k != "model"}), "bad_file"
    yield "no object", "[]", "bad_file"
    yield "cut off", changed()[:-1], "bad_file"
    yield "empty", "", "bad_file"
    for key in ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"):
        yield "model without " + key, without("model", key), "bad_file"
    yield "negative id", model(vocab=dict(small, x=-1)), "bad_file"
    yield "real id", model(vocab=dict(small, x=1.5)), "bad_file"
    yield "vocab as list", model(vocab=[["a", 1]]), "bad_file"
    yield "negative word length", model(max_input_chars_per_word=-1), "bad_file"
    yield "no unknown token", model(unk_token="[NONE]"), "bad_file!"
    yield "id without a row", model(vocab=dict(small, x=1000000)), "bad_file!"
    yield "unknown model", model(type="Other"), "bad_file"
    yield "unknown normalizer", changed(normalizer={"type": "Other"}), "bad_file"
    yield "half a BertNormalizer", without("normalizer", "clean_text"), "bad_file"
    yield from unigram_refusals(changed)
    yield "unknown pre_tokenizer", changed(pre_tokenizer={"type": "Other"}), "bad_file"
    yield "pre_tokenizer without a type", changed(pre_tokenizer={}), "bad_file"
    yield "Digits without settings", changed(pre_tokenizer={"type": "Digits"}), "bad_file"
    yield "Split by a back reference", changed(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": r"(a)\1"}, "behavior": "Isolated", "invert": False}), "unsupported"
    yield "Split by an open group", changed(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": False}), "bad_file"
    yield "unknown post_processor", changed(post_processor={"type": "Other"}), "bad_file"
    yield "template as text", changed(post_processor=dict(template(), single="[CLS] $A")), "bad_file"
    yield "template without pair", changed(post_processor={k: v for k, v in template().items() if k != "pair"}), "bad_file"
    yield "template with a second text", changed(post_processor=dict(
        template(), single=[{"Sequence": {"id": "B", "type_id": 0}}])), "bad_file!"
    yield "template with an undefined token", changed(post_processor=dict(
        template(), single=[{"SpecialToken": {"id": "[X]", "type_id": 0}}])), "bad_file!"
    yield "added token without special", changed(added_tokens=[{"id": 1, "content": "x", "single_word": False,
                                                                "lstrip": False, "rstrip": False,
                                                                "normalized": False}]), "bad_file"
    yield "added tokens null", changed(added_tokens=None), "bad_file"
    yield "added tokens that read alike", changed(added_tokens=[token("Xa", 50, normalized=True),
                                                                token("xa", 51, normalized=True)]), "unsupported"
    yield "added token of nothing", changed(added_tokens=[token("\u0301", 50, normalized=True)]), "unsupported"
    yield "truncation without strategy", changed(truncation={"max_length": 5, "stride": 0}), "bad_file"
    yield "padding without strategy", changed(padding={"direction": "Left"}), "bad_file"


def checked_refusals(vocab):
    out = []
    for name, text, how in refusals(vocab):
        try:
            Tokenizer.from_str(text)
            accepted = True
        except BaseException:  # a panic of the package is no Exception
            accepted = False
        if accepted == (how == "bad_file"):
            sys.exit(f"the package {'accepts' if accepted else 'refuses'} {name}")
        out.append([name, text, how.rstrip("!")])
    return out


def block_text(first):
    points = [chr(c) for c in range(max(first, 1), first + BLOCK) if not 0xD800 <= c < 0xE000]
    return "".join(f"{c}\na{c}b\n{c}{c}{c}\n" for c in points), points


def checksums():
    def bert(**on):
        options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
        return normalizers.BertNormalizer(**dict(options, **on))
    forms = {"CLEAN": bert(clean_text=True), "CHINESE": bert(handle_chinese_chars=True),
             "NFD": normalizers.NFD(), "NFKD": normalizers.NFKD(), "NFC": normalizers.NFC(), "NFKC": normalizers.NFKC(),
             "NFD STRIP_MN": bert(strip_accents=True), "STRIP_MARKS": normalizers.StripAccents(),
             "LOWER": normalizers.Lowercase(),
             "CLEAN CHINESE NFD STRIP_MN LOWER": bert(clean_text=True, handle_chinese_chars=True, strip_accents=True,
                                                      lowercase=True)}
    out = {"block": BLOCK, "forms": {name: [] for name in forms}, "splits": []}
    bert_split, word_split = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Whitespace()
    for first in range(0, 0x110000, BLOCK):
        text, points = block_text(first)
        for name, normalizer in forms.items():
            out["forms"][name].append(zlib.crc32(normalizer.normalize_str(text).encode()))
        out["splits"].append(zlib.crc32(bytes(
            n for c in points for n in (len(bert_split.pre_tokenize_str(f"a{c}b")),
                                        len(word_split.pre_tokenize_str("a" + c))))))
    return out


def write(folder, name, content):
    with open(os.path.join(folder, name), "w", encoding="ascii", newline="\n") as out:
        json.dump(content, out, separators=(",", ":"))
        out.write("\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../data/tokenizer")
    if tokenizers.__version__ != PINNED:
        sys.exit(f"needs tokenizers {PINNED}, found {tokenizers.__version__}")
    os.makedirs(folder, exist_ok=True)
    vocab = vocabulary()
    write(folder, "cases.json", {"vocab": vocab, "cases": [
        dict(c, tokenizer=dict(c["tokenizer"], model=dict(c["tokenizer"]["model"], vocab=None)))
        if "tokenizer" in c else c for c in cases(vocab)]})
    write(folder, "refused.json", checked_refusals(vocab))
    write(folder, "code_points.json", checksums())


if __name__ == "__main__":
    main()
