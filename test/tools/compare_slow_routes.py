#!/usr/bin/env python3
"""Compare lepton's reading of SentencePiece and byte-level BPE folders without tokenizer.json with transformers' AutoTokenizer.

usage: compare_slow_routes.py DRIVER WORDS [--map FILE] [--only NAME]

Needs transformers, sentencepiece and protobuf.  DRIVER is test/tools/tokenize_file.c, compiled; WORDS a text file of words; FILE
a precompiled character map.  Makes folders of several classes in many shapes and compares ids, types, offsets and decoded texts; a
folder that transformers refuses must be refused.  Exit status 1 when anything differs.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings

import charsmaps
import compare_tokenizers
import compare_unigram
import token_cases

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6


def varint(value):
    out = b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if value == 0:
            return out


def field(number, value):
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def spm(pieces, charsmap=b"", unk_id=0, model_type=1):
    """A SentencePiece model file of (text, score, type)."""
    out = b"".join(field(1, field(1, text.encode()) + field(2, float(score)) + (field(3, kind) if kind != NORMAL else b""))
                   for text, score, kind in pieces)
    out += field(2, field(3, model_type) + field(40, unk_id))
    return out + field(3, field(1, b"nmt_nfkc") + field(2, charsmap) + field(3, 1))


def typed(content, **flags):
    made = {"__type": "AddedToken", "content": content, "lstrip": False, "rstrip": False, "normalized": False,
            "single_word": False}
    made.update(flags)
    return made


def pieces_of(words, specials, size):
    vocab = compare_unigram.vocabulary(words, size, 3)[3:]
    return list(specials) + [(piece, score, NORMAL) for piece, score in vocab]


def shapes(words, charsmap, size=2000):
    """(name, config.json, files); text files as objects, the model's as bytes."""
    fairseq = pieces_of(words, [("<unk>", 0, UNKNOWN), ("<s>", 0, CONTROL), ("</s>", 0, CONTROL)], size)
    xlm = {"sentencepiece.bpe.model": spm(fairseq, charsmap)}
    config = {"model_type": "xlm-roberta"}

    def with_settings(files, settings, **others):
        return dict(files, **{"tokenizer_config.json": settings}, **{k + ".json": v for k, v in others.items()})

    yield "XLM-R alone", config, xlm
    yield "XLM-R without a map", config, {"sentencepiece.bpe.model": spm(fairseq)}
    yield "XLM-R class", {"model_type": "bert"}, with_settings(xlm, {"tokenizer_class": "XLMRobertaTokenizer"})
    yield "XLM-R fast class", config, with_settings(xlm, {"tokenizer_class": "XLMRobertaTokenizerFast", "model_max_length": 512})
    yield "XLM-R class of the model", dict(config, tokenizer_class="XLMRobertaTokenizer"), xlm
    yield "XLM-R no prefix", config, with_settings(xlm, {"add_prefix_space": False})
    yield "XLM-R typed mask", config, with_settings(xlm, {"mask_token": typed("<mask>", lstrip=True)})
    yield "XLM-R other tokens", config, with_settings(xlm, {"bos_token": "[B]", "eos_token": "[E]", "cls_token": "[B]", "sep_token": "[E]",
                                                            "unk_token": "[U]", "pad_token": "[P]", "mask_token": "[M]"})
    yield "XLM-R additional", config, with_settings(xlm, {"additional_special_tokens": ["<x>", "the"]})
    yield "XLM-R extra", config, with_settings(xlm, {"extra_special_tokens": {"y_token": "<y>"}})
    yield "XLM-R special map", config, with_settings(xlm, {}, special_tokens_map={"mask_token": {
        "content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False, "single_word": False},
        "additional_special_tokens": ["<a>"]}, added_tokens={"Foo": 2100, "<b>": 2101})
    yield "XLM-R decoder", config, with_settings(xlm, {"added_tokens_decoder": {
        "0": {"content": "<s>", "special": True}, "2001": {"content": "<mask>", "lstrip": True, "special": True, "normalized": True},
        "9": {"content": "Zed", "normalized": True}}})
    user = fairseq[:50] + [("<user>", 0, USER), ("<ctl>", 0, CONTROL)] + fairseq[50:]
    yield "XLM-R user pieces", config, {"sentencepiece.bpe.model": spm(user, charsmap)}
    yield "XLM-R few pieces", config, {"sentencepiece.bpe.model": spm(fairseq[:2], charsmap)}
    yield "XLM-R left", config, with_settings(xlm, {"truncation_side": "left"})
    yield "XLM-R, no model", config, {"sentencepiece.bpe.model": b"\x0a\xff\x01"}
    camembert = {"sentencepiece.bpe.model": spm(fairseq, charsmap)}
    yield "CamemBERT", {"model_type": "camembert"}, camembert
    yield "CamemBERT, no prefix", {"model_type": "camembert"}, with_settings(camembert, {"add_prefix_space": False, "mask_token": "<m>"})
    yield "CamemBERT, additional", {"model_type": "camembert"}, with_settings(camembert, {
        "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"], "tokenizer_class": "CamembertTokenizer"})
    albert = pieces_of(words, [("<pad>", 0, CONTROL), ("<unk>", 0, UNKNOWN), ("[CLS]", 0, CONTROL), ("[SEP]", 0, CONTROL), ("[MASK]", 0, CONTROL),
                               ("(", 0, USER)], size)
    for lower in (True, False):
        for accents in (True, False):
            yield (f"ALBERT lower={lower} accents={accents}", {"model_type": "albert"}, with_settings(
                {"spiece.model": spm(albert, charsmap, 1)}, {"do_lower_case": lower, "keep_accents": accents}))
    yield "ALBERT without a map", {"model_type": "albert"}, {"spiece.model": spm(albert, unk_id=1)}
    yield "ALBERT without [CLS]", {"model_type": "albert"}, {"spiece.model": spm(albert[:2] + albert[3:], unk_id=1)}
    yield "ALBERT do_lower_case null", {"model_type": "albert"}, with_settings({"spiece.model": spm(albert)}, {"do_lower_case": None})
    yield "ALBERT other tokens", {"model_type": "albert"}, with_settings({"spiece.model": spm(albert)}, {
        "cls_token": "[MASK]", "mask_token": typed("<m>", lstrip=True)})
    deberta = pieces_of(words, [("[PAD]", 0, CONTROL), ("[CLS]", 0, CONTROL), ("[SEP]", 0, CONTROL), ("[UNK]", 0, UNKNOWN)], size)
    for name, settings in [("", {}), (" lower", {"do_lower_case": True}), (" punct", {"split_by_punct": True}),
                           (" first", {"add_prefix_space": False}), (" vocab_type", {"vocab_type": "spm", "do_lower_case": False})]:
        yield "DeBERTa-v2" + name, {"model_type": "deberta-v2"}, with_settings({"spm.model": spm(deberta, charsmap, 3)}, settings, added_tokens={
            "[MASK]": 2001})
    yield "DeBERTa-v2 unknown elsewhere", {"model_type": "deberta-v2"}, {"spm.model": spm(
        [(t, -1 if t == "[UNK]" else s, k) for t, s, k in deberta], b"", 3)}
    t5 = pieces_of(words, [("<pad>", 0, CONTROL), ("</s>", 0, CONTROL), ("<unk>", 0, UNKNOWN)], size)
    yield "T5", {"model_type": "t5"}, {"spiece.model": spm(t5, charsmap, 2)}
    yield "T5 extra_ids", {"model_type": "t5"}, with_settings({"spiece.model": spm(t5, charsmap, 2)}, {"extra_ids": 3})
    yield "T5 additional", {"model_type": "t5"}, with_settings({"spiece.model": spm(t5, charsmap, 2)}, {
        "extra_ids": 2, "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"]})
    yield "mT5", {"model_type": "mt5"}, with_settings({"spiece.model": spm(t5, charsmap, 2)}, {"extra_ids": 0})
    vocab = [t for t, _, _ in fairseq[3:] if compare_unigram.MARK not in t]
    lines = ["<s>", "<pad>", "</s>", "[UNK]"] + ["##" + v if i % 3 else v for i, v in enumerate(vocab)] + ["<mask>"]
    mpnet = {"vocab.txt": "\n".join(dict.fromkeys(lines)).encode() + b"\n"}
    yield "MPNet", {"model_type": "mpnet"}, mpnet
    yield "MPNet tokens", {"model_type": "mpnet"}, with_settings(mpnet, {"mask_token": "<mask>", "cls_token": typed("<s>", normalized=True),
                                                                         "do_lower_case": False})
    yield "MPNet fast", {"model_type": "mpnet"}, with_settings(mpnet, {"tokenizer_class": "MPNetTokenizerFast", "strip_accents": False})
    yield from bpe_shapes(words, with_settings, min(1500, size * 2))
    yield "a class not done", {"model_type": "bert"}, with_settings(xlm, {"tokenizer_class": "NoSuchTokenizer"})


def bpe_shapes(words, with_settings, size):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    made.train_from_iterator([" ".join(words[:3000])] * 2, trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    model = json.loads(made.to_str())["model"]
    merges = ["#version: 0.2"] + [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    files = {"vocab.json": model["vocab"], "merges.txt": ("\n".join(merges) + "\n").encode()}
    roberta = {"model_type": "roberta"}
    yield "RoBERTa", roberta, files
    yield "RoBERTa prefix", roberta, with_settings(files, {"add_prefix_space": True})
    yield "RoBERTa untrimmed", roberta, with_settings(files, {"trim_offsets": False, "tokenizer_class": "RobertaTokenizer"})
    yield "RoBERTa tokens", roberta, with_settings(files, {"mask_token": typed("<mask>", lstrip=True), "cls_token": "[C]", "sep_token": "[S]"})
    yield "RoBERTa CRLF", roberta, dict(files, **{"merges.txt": ("\r\n".join(merges) + "\r\n").encode()})
    yield "RoBERTa bad merge", roberta, dict(files, **{"merges.txt": ("\n".join(merges) + "\na b c\n").encode()})
    yield "RoBERTa empty merge", roberta, dict(files, **{"merges.txt": ("\n".join(merges) + "\n\n").encode()})
    yield "RoBERTa without merges", roberta, {"vocab.json": model["vocab"]}
    yield "RoBERTa odd vocabulary", roberta, dict(files, **{"vocab.json": dict(model["vocab"], zzz="x", yyy=None)})
    yield "DeBERTa", {"model_type": "deberta"}, with_settings(files, {"do_lower_case": False})


def write(folder, config, files):
    for name, content in dict(files, **{"config.json": config}).items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content if isinstance(content, bytes) else json.dumps(content).encode())


def decode_differs(driver, folder, tokenizer, n):
    rng = random.Random(8)
    lists = [[rng.randrange(len(tokenizer)) for _ in range(rng.randint(0, 9))] for _ in range(n)]
    blob = b"".join(struct.pack(f"<{len(ids) + 1}I", len(ids), *ids) for ids in lists)
    answers = subprocess.run([driver, "-s", "-v", folder], input=blob, stdout=subprocess.PIPE, check=True).stdout
    at = 0
    for ids in lists:
        size = struct.unpack_from("<I", answers, at)[0]
        ours = answers[at + 4:at + 4 + size].decode("utf-8")
        at += 4 + size
        theirs = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True)
        if ours != theirs:
            print(f"  decoding {ids}: lepton {ours!r}, transformers {theirs!r}")
            return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver")
    parser.add_argument("words")
    parser.add_argument("--map")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    words = token_cases.words_of([w for w in open(options.words, encoding="utf-8").read().split() if not w.startswith("[")])
    charsmap = open(options.map, "rb").read() if options.map else charsmaps.charsmap(compare_unigram.SMALL_MAP)
    texts = token_cases.generated(3000, words) + [
        "Foo foo Zed zed <x> the<y> <mask> x<mask>  y [MASK] [M] <m> <user>a<ctl> ( (the) <s> a </s> <pad> <unk> [B] [E] [U] [P] [C] [S]",
        "<extra_id_0> a <extra_id_1>b <extra_id_99> <a> <b> <s>NOTUSED </s>NOTUSED", "  two  spaces \n\n\t x   ", "", " ", "\u2581\u2581 a"]
    bad = 0
    for name, config, files in shapes(words, charsmap):
        if options.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            write(folder, config, files)
            bad += compare_tokenizers.compare_folder(name, options.driver, folder, lambda tokenizer: (
                compare_tokenizers.compare(name, options.driver, ["-v", folder], tokenizer.backend_tokenizer, texts)
                + decode_differs(options.driver, folder, tokenizer, 2000)))
    print(f"{bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
