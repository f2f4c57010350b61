#!/usr/bin/env python3
"""Compare lepton's reading of vocab.txt folders with transformers' AutoTokenizer.

usage: compare_vocab_route.py DRIVER VOCAB_TXT

Makes folders without tokenizer.json in many shapes and compares ids and
offsets; a folder that transformers refuses must be refused.  Exit status 1
when anything differs.
"""

import json
import os
import sys
import tempfile
import warnings

import compare_tokenizers
import token_cases

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

ADDED = {"content": "Foo", "lstrip": False, "rstrip": False, "normalized": True, "single_word": False, "special": False}


def typed(content, **flags):
    made = {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "normalized": False,
            "single_word": False}
    made.update(flags)
    return made


def shapes(lines):
    """(name, vocab bytes, tokenizer_config, special_tokens_map, added_tokens)"""
    plain = "\n".join(lines) + "\n"
    data = plain.encode()
    n = len(lines)
    yield "vocab alone", data, None, None, None
    yield "no newline at the end", plain[:-1].encode(), None, None, None
    yield "CRLF", plain.replace("\n", "\r\n").encode(), None, None, None
    yield "byte order mark", b"\xef\xbb\xbf" + data, None, None, None
    yield "byte order mark before a word", b"\xef\xbb\xbfzzz\n" + data, None, None, None
    yield "blanks at line ends", plain.replace("\nthe\n", "\nthe \t\u3000\n").encode(), None, None, None
    yield "blank lines", plain.replace("\nthe\n", "\nthe\n\n\n").encode(), None, None, None
    yield "duplicates", (plain + "the\nof\n").encode(), None, None, None
    yield "duplicates and a new token", (plain + "the\nof\n").encode(), {"additional_special_tokens": ["<x>"]}, None, None
    yield "invalid UTF-8", data + b"\xff\n", None, None, None
    yield "no [UNK]", plain.replace("[UNK]\n", "zzzzz\n").encode(), None, None, None
    yield "no [CLS]", plain.replace("[CLS]\n", "zzzzz\n").encode(), None, None, None
    for lower in (True, False):
        for strip in (None, True, False):
            for chinese in (True, False):
                yield (f"lower={lower} strip={strip} chinese={chinese}", data,
                       {"do_lower_case": lower, "strip_accents": strip, "tokenize_chinese_chars": chinese}, None, None)
    yield "never_split and clean_text ignored", data, {"never_split": ["the"], "do_basic_tokenize": False,
                                                       "clean_text": False}, None, None
    yield "classes", data, {"tokenizer_class": "BertTokenizerFast"}, None, None
    yield "do_lower_case null", data, {"do_lower_case": None}, None, None
    yield "do_lower_case 0", data, {"do_lower_case": 0}, None, None
    yield "other special tokens", data, {"cls_token": "the", "sep_token": "of", "mask_token": "and"}, None, None
    yield "new special tokens", data, {"cls_token": "<cls>", "mask_token": "<mask>"}, None, None
    yield "pad null", data, {"pad_token": None, "mask_token": None}, None, None
    yield "bos and eos", data, {"bos_token": "<s>", "eos_token": "</s>"}, None, None
    yield "list as token", data, {"cls_token": ["[CLS]"]}, None, None
    yield "object as token", data, {"cls_token": {"content": "[CLS]"}}, None, None
    yield "typed token", data, {"mask_token": typed("[MASK]", lstrip=True)}, None, None
    yield "typed token, normalized", data, {"mask_token": typed("Mask", normalized=True)}, None, None
    yield "own token", data, {"image_token": "<image>", "zeta_token": "<z>"}, None, None
    yield "additional", data, {"additional_special_tokens": ["<a>", "<b>", "<a>"]}, None, None
    yield "extra", data, {"extra_special_tokens": ["<a>", "<b>"], "additional_special_tokens": ["<c>"]}, None, None
    yield "extra as an object", data, {"extra_special_tokens": {"x_token": "<x>", "y": "<y>"}}, None, None
    yield "extra typed", data, {"extra_special_tokens": [typed("Ab", normalized=True), "<y>"]}, None, None
    decoder = {str(n + 1): dict(ADDED), str(n): dict(ADDED, content="<n>", special=True, normalized=False),
               "103": dict(ADDED, content="[MASK]", special=True, normalized=False, lstrip=True)}
    yield "decoder", data, {"added_tokens_decoder": decoder}, None, None
    yield "decoder, short entries", data, {"added_tokens_decoder": {str(n): {"content": "Bar"},
                                                                    "5": {"content": "Qux", "special": True}}}, None, None
    yield "decoder over special map", data, {"added_tokens_decoder": decoder}, {"cls_token": "the"}, {"Zed": n}
    yield "decoder with [CLS] not special", data, {"added_tokens_decoder": {
        "101": {"content": "[CLS]", "rstrip": True}}}, None, None
    yield "decoder, strings", data, {"added_tokens_decoder": {str(n): "x"}}, None, None
    yield "special map", data, {"cls_token": "of"}, {"cls_token": "the", "mask_token": {
        "content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": True, "single_word": False}}, None
    yield "special map, additional", data, None, {"additional_special_tokens": ["<a>", "the"]}, None
    yield "special map, own", data, None, {"foo_token": "<foo>", "bar_token": {"content": "<bar>", "lstrip": True}}, None
    yield "special map, null", data, None, {"pad_token": None}, None
    yield "special map, extra", data, None, {"extra_special_tokens": ["<e>", {"content": "<f>", "rstrip": True}]}, None
    yield "added tokens", data, None, None, {"Foo": n, "b\u00e9ta": n + 1, "[MASK]": 103}
    yield "added tokens, special", data, {"mask_token": "[M]"}, {"cls_token": "[C]"}, {"[M]": n, "[C]": n + 1, "Zed": n + 2}
    yield "added tokens, gap", data, None, None, {"Zed": n + 7, "Yed": n + 3}
    yield "truncation left", data, {"truncation_side": "left"}, None, None
    yield "truncation somewhere", data, {"truncation_side": "up"}, None, None
    yield "huge model_max_length", data, {"model_max_length": int(1e30)}, None, None


def differences(name, driver, folder, backend, cuts_left, texts):
    """Count the texts that differ, also when cut at the left if the folder says so."""
    bad = compare_tokenizers.compare(name, driver, ["-v", folder], backend, texts)
    if cuts_left:
        backend.enable_truncation(9, direction="left")
        bad += compare_tokenizers.compare(name, driver, ["-m", "9", "-v", folder], backend, texts)
    return bad


def main():
    driver, vocab = sys.argv[1:3]
    with open(vocab, encoding="utf-8") as file:
        lines = file.read().splitlines()
    words = token_cases.words_of(lines)
    texts = token_cases.generated(1500, words) + [
        "Foo foo FOO barBar Bar Qux <n> <a><b> <c> <x>the <y> <image> <z> [MASK] x[MASK]  y [mask] Mask mask Ab ab",
        "<s> a </s> <cls> <mask> [M] [C] Zed zed Yed b\u00e9ta beta B\u00c9TA the the of <foo> <bar> <e> <f> zzzzz zzz",
        "  [CLS]  the  [MASK]  of  [SEP]  "]
    bad = 0
    for name, data, config, special, added in shapes(lines):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w") as out:
                json.dump({"model_type": "bert"}, out)
            with open(os.path.join(folder, "vocab.txt"), "wb") as out:
                out.write(data)
            for file, content in [("tokenizer_config.json", config), ("special_tokens_map.json", special),
                                  ("added_tokens.json", added)]:
                if content is not None:
                    with open(os.path.join(folder, file), "w") as out:
                        json.dump(content, out)
            bad += compare_tokenizers.compare_folder(name, driver, folder, lambda tokenizer: differences(
                name, driver, folder, tokenizer.backend_tokenizer, (config or {}).get("truncation_side") == "left", texts))
    print(f"{bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
