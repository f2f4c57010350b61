#!/usr/bin/env python3
"""Makes test/data/tiny*: seeded models of a hundred kilobytes in the shapes that real folders have, and the answers of
transformers and sentence-transformers on them (test/data/golden/tiny.json).

    test/tools/make_tiny.py        (needs test/requirements-peers.txt)

| folder        | what is special |
|---|---|
| tiny          | sentence-transformers folder: mean pooling, normalised, 32 tokens; F32, no prefix; tokenizer.json |
| tiny_classify | three labels, F16, prefix "bert."; vocab.txt and tokenizer_config.json only |
| tiny_multi    | four labels, several at a time, BF16, two shards with their index |
| tiny_score    | regression: one output; F32; cased; tokenizer.json |
"""
import csv
import json
import pathlib
import shutil

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, BertModel, pipeline

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "test" / "data"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "", " ", "a", "the invoice is overdue", "Shall we meet at noon?", "FREE money!!! Click http://example.com now",
    "caf\u00e9 na\u00efve Z\u00fcrich", "\u6771\u4eac tower \ud55c\uad6d\uc5b4", "[MASK] is a [SEP] token", "unaffordable 3.14",
    "tab\tand\nnewline\u00a0and \u200b zero", "word " * 60, "x" * 300,
]


def tokenizer(lower):
    """A WordPiece tokenizer of some hundred pieces, learned from the e-mails of the repository."""
    with open(ROOT / "examples/data/emails.csv", newline="", encoding="utf-8") as f:
        texts = [row["subject"] + "\n" + row["body"] for row in csv.DictReader(f)]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.WordPiece()
    tok.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=420, min_frequency=5, limit_alphabet=90, special_tokens=SPECIAL, show_progress=False))
    # The trainer numbers pieces of equal frequency as it likes.
    pieces = SPECIAL + sorted(set(tok.get_vocab()) - set(SPECIAL))
    tok.model = models.WordPiece(vocab={p: i for i, p in enumerate(pieces)}, unk_token="[UNK]")
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tok


def config(tok, **more):
    """Shapes that all four share."""
    return BertConfig(vocab_size=tok.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                      intermediate_size=64, max_position_embeddings=64, initializer_range=0.25, **more)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make(name, model, tok, lower, dtype=torch.float32, only_vocab=False, shards=None):
    """Write one folder."""
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # save_pretrained splits at a size; give it one only where shards are wanted.
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    if only_vocab:
        vocab = sorted(tok.get_vocab().items(), key=lambda item: item[1])
        (folder / "vocab.txt").write_text("".join(piece + "\n" for piece, _ in vocab), encoding="utf-8")
    else:
        tok.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "BertTokenizer", "do_lower_case": lower, "model_max_length": 64, "unk_token": "[UNK]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
        "tokenize_chinese_chars": True, "strip_accents": None})
    return folder


def randomise(model, seed):
    """Give biases and norms values of their own: at their start they are zeros and ones."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(torch.randn_like(p) * 0.1)
    return model.eval()


def main():
    lower, cased = tokenizer(True), tokenizer(False)
    golden = {"texts": TEXTS}

    torch.manual_seed(1)
    folder = make("tiny", randomise(BertModel(config(lower)), 1), lower, True)
    write_json(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
        for i, (path, kind) in enumerate((("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")))])
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False})
    write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False})
    st = SentenceTransformer(str(folder), device="cpu")
    golden["tiny"] = [[float(x) for x in st.encode([t])[0]] for t in TEXTS]

    torch.manual_seed(2)
    labels = {0: "ham", 1: "news", 2: "spam"}
    model = BertForSequenceClassification(config(lower, num_labels=3, id2label=labels, label2id={v: k for k, v in labels.items()},
                                                 problem_type="single_label_classification"))
    make("tiny_classify", randomise(model, 2), lower, True, torch.float16, only_vocab=True)
    torch.manual_seed(3)
    labels = {0: "urgent", 1: "money", 2: "private", 3: "caf\u00e9"}
    model = BertForSequenceClassification(config(lower, num_labels=4, id2label=labels, label2id={v: k for k, v in labels.items()},
                                                 problem_type="multi_label_classification"))
    make("tiny_multi", randomise(model, 3), lower, True, torch.bfloat16, shards="40KB")
    torch.manual_seed(4)
    model = BertForSequenceClassification(config(cased, num_labels=1, id2label={0: "score"}, label2id={"score": 0}, problem_type="regression"))
    make("tiny_score", randomise(model, 4), cased, False)

    for name in ("tiny_classify", "tiny_multi", "tiny_score"):
        pipe = pipeline("text-classification", model=str(DATA / name), device=-1, top_k=None, truncation=True, dtype=torch.float32)
        answers = []
        for text in TEXTS:
            scores = pipe(text)
            answers.append({s["label"]: s["score"] for s in (scores if isinstance(scores[0], dict) else scores[0])})
        golden[name] = answers
    write_json(DATA / "golden" / "tiny.json", golden)


if __name__ == "__main__":
    main()
