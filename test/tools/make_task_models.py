#!/usr/bin/env python3
"""Write small seeded folders for each task of the SQL functions: three tokenizers, every kind of head.

Usage: make_task_models.py OUTPUT_DIR [NAME ...]

Weights are scaled up, so that answers differ from text to text. test/oracle/tasks.py makes all of them; those in
test/data/tasks are for the SQL tests: `make_task_models.py test/data/tasks $(ls test/data/tasks)` makes them anew.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForMaskedLM, AutoModelForQuestionAnswering, AutoModelForSequenceClassification
from transformers import AutoModelForTokenClassification, BertConfig, PreTrainedTokenizerFast, RobertaConfig, XLMRobertaConfig

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

CORPUS = (
    "My name is Sarah Miller and I live in London. The order 4711 of Acme Corp arrived late in New York. "
    "Angela Merkel met Tim Cook at Apple in Berlin last Monday; they talked about prices, trade and invoices. "
    "Who sent the invoice? When did the parcel arrive? Paris is the capital of France. Shares of Siemens fell. "
    "I am very angry about this product. This example is great. Please refund my money now! "
    "caf\u00e9 na\u00efve Z\u00fcrich \u6771\u4eac \u4f60\u597d microsoft company jumping jumped jumps unhappiness"
).split(" ")
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "MISC", "B-O"]
SIZES = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)


def wordpiece():
    """A lower-casing tokenizer of words and letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789")
    words = sorted({w.lower() for w in " ".join(CORPUS).replace(".", " ").replace(";", " ").replace("?", " ").split()
                    if w.isascii() and w.isalpha() and len(w) > 2})
    tokens = special + letters + ["##" + c for c in letters] + list(".,;:!?'\"-()\u6771\u4f60") + words[:60] + ["##ing", "##ed"]
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(tokens)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(special)
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
                                   mask_token="[MASK]", model_max_length=40)


def byte_level():
    """A byte-level BPE as RoBERTa has."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator([" ".join(CORPUS)] * 2, trainer)
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                                   cls_token="<s>", sep_token="</s>", mask_token="<mask>", model_max_length=40)


def unigram():
    """A SentencePiece-like Unigram as XLM-RoBERTa has."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=180, special_tokens=special, unk_token="<unk>", show_progress=False)
    t.train_from_iterator(CORPUS * 3, trainer)
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                                   cls_token="<s>", sep_token="</s>", mask_token="<mask>", model_max_length=40)


TOKENIZERS = {"wordpiece": (wordpiece, BertConfig, {}), "byte_level": (byte_level, RobertaConfig, dict(pad_token_id=1)),
              "unigram": (unigram, XLMRobertaConfig, dict(pad_token_id=1, type_vocab_size=1))}
LABELS = lambda names: dict(num_labels=len(names), id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
HEADS = {
    "entities": (AutoModelForTokenClassification, LABELS(TAGS)),
    "answer": (AutoModelForQuestionAnswering, dict(num_labels=2)),
    "nli": (AutoModelForSequenceClassification, LABELS(["contradiction", "neutral", "entailment"])),
    "nli_first": (AutoModelForSequenceClassification, LABELS(["Entailment", "not"])),
    "multi": (AutoModelForSequenceClassification, dict(problem_type="multi_label_classification", **LABELS(["a", "b", "c"]))),
    "regression": (AutoModelForSequenceClassification, dict(problem_type="regression", num_labels=1)),
    "rank": (AutoModelForSequenceClassification, dict(num_labels=1)),
    "rank_plain": (AutoModelForSequenceClassification,
                   dict(num_labels=1, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity", "version": "5"})),
    "rank_old": (AutoModelForSequenceClassification,
                 dict(num_labels=1, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")),
    "mask": (AutoModelForMaskedLM, {}),
    "sparse": (AutoModelForMaskedLM, {}),
}


def write(name, out):
    """One folder: TOKENIZER_HEAD."""
    kind = next(t for t in TOKENIZERS if name.startswith(t + "_"))
    head = name[len(kind) + 1:]
    make, config_class, more = TOKENIZERS[kind]
    auto, settings = HEADS[head]
    tokenizer = make()
    torch.manual_seed(11)
    model = auto.from_config(config_class(vocab_size=len(tokenizer), max_position_embeddings=44, **SIZES, **more, **settings)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() == 1 and key.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1.2 if p.shape[0] < 16 else 0.5))
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    if head == "sparse":
        from sentence_transformers import SparseEncoder
        from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling
        plain = out / (name + "_plain")
        model.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        encoder = SparseEncoder(modules=[MLMTransformer(str(plain)), SpladePooling(pooling_strategy="max")], device="cpu")
        encoder.save(str(folder))
        shutil.rmtree(plain)
        (folder / "README.md").unlink(missing_ok=True)
    else:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text())
        config.update({k: v for k, v in settings.items() if k in ("sentence_transformers", "sbert_ce_default_activation_function")})
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or [f"{t}_{h}" for t in TOKENIZERS for h in HEADS]:
        write(name, out)


if __name__ == "__main__":
    main()
