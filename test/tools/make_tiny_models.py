#!/usr/bin/env python3
"""Write small seeded BERT folders in the layouts that people download, with what the libraries answer on them.

Usage: make_tiny_models.py OUTPUT_DIR [NAME ...]

Every folder gets a golden.json: the texts, the token ids of each (never truncated), and the embeddings of
sentence-transformers or the scores of transformers' text-classification pipeline with truncation, both in f32.
Weights are scaled up, so that different texts and different arithmetic give clearly different numbers. Needs
the packages of test/requirements-peers.txt. A part of the folders is kept in test/data/layouts, where
test/unit/test_layouts.c checks them; `make_tiny_models.py test/data/layouts $(ls test/data/layouts)` makes them anew.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertConfig, BertForPreTraining, BertForSequenceClassification, BertModel
from transformers import pipeline

HIDDEN, LAYERS, HEADS, INTER, POSITIONS = 8, 2, 2, 24, 48
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]
WORDS = "the invoice is over due shall we meet at noon free money click now mail and for you query search".split()
TEXTS = [
    "",
    " ",
    "a",
    "The invoice is overdue.",
    "Shall we meet at noon?",
    "FREE money!!! Click now",
    "caf\u00e9 na\u00efve Z\u00fcrich \u0130stanbul \u039f\u0394\u039f\u03a3",
    "\u6771\u4eac tower \ud55c\uad6d\uc5b4",
    "[MASK] is a [SEP] token",
    "tab\tand\nnewline\u00a0and \u200b zero",
    "mail " * 60,
    "x" * 130,
]
FOLDERS = {}


def folder(function):
    """Register a function that writes a folder; its name is the folder's."""
    FOLDERS[function.__name__] = function
    return function


def vocab(lower=True):
    """The tokens, in the order of their ids."""
    letters = LETTERS if lower else LETTERS + [c.upper() for c in LETTERS]
    words = WORDS if lower else WORDS + [w.capitalize() for w in WORDS]
    return SPECIAL + letters + ["##" + c for c in letters] + list(".,!?[]") + words + ["##due", "\u6771"]


def tokenizer_json(lower=True, **changes):
    """tokenizer.json as transformers writes it for BERT."""
    tokens = vocab(lower)
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}

    def token(name, type_id):
        return {"SpecialToken": {"id": name, "type_id": type_id}}

    def text(name, type_id):
        return {"Sequence": {"id": name, "type_id": type_id}}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": SPECIAL[i], **special} for i in range(len(SPECIAL))],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0), text("B", 1), token("[SEP]", 1)],
            "special_tokens": {n: {"id": n, "ids": [tokens.index(n)], "tokens": [n]} for n in ("[CLS]", "[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {t: i for i, t in enumerate(tokens)},
        },
        **changes,
    }


def write_json(path, value):
    """Write JSON, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(path, lower=True, max_length=POSITIONS, json_file=True, vocab_file=False, config=None, **changes):
    """Write the tokenizer's files."""
    path.mkdir(parents=True, exist_ok=True)
    if json_file:
        text = json.dumps(tokenizer_json(lower, **changes), separators=(",", ":"), ensure_ascii=False)
        (path / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    if vocab_file:
        (path / "vocab.txt").write_text("".join(t + "\n" for t in vocab(lower)), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower}
    if max_length is not None:
        settings["model_max_length"] = max_length
    write_json(path / "tokenizer_config.json", {**settings, **(config or {})})


def seeded(kind, lower=True, **config):
    """A model of this class with weights that are far from their usual small start."""
    torch.manual_seed(7)
    settings = dict(
        vocab_size=len(vocab(lower)),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INTER,
        max_position_embeddings=POSITIONS,
    )
    model = kind(BertConfig(**{**settings, **config})).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "LayerNorm.weight" in name:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif name.endswith("bias"):
                p.copy_(0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.5 if "embeddings" in name else 0.35))
    return model


def write_model(path, model, dtype=torch.float32, **changes):
    """Write config.json and model.safetensors; changes replace keys, ... deletes them."""
    path.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(path)
    config = json.loads((path / "config.json").read_text())
    for key, value in changes.items():
        if value is ...:
            config.pop(key, None)
        else:
            config[key] = value
    write_json(path / "config.json", config)


def rename(path, change, file="model.safetensors"):
    """Rewrite the weights through a function from {name: tensor} to the same."""
    save_file({k: v.contiguous() for k, v in change(load_file(path / file)).items()}, path / file, {"format": "pt"})


def write_modules(path, *modules, at="", package="sentence_transformers.models.", sbert=None):
    """Write modules.json with (class, folder, settings) behind the transformer, and the settings."""
    entries = [("Transformer", at, None)] + list(modules)
    write_json(
        path / "modules.json",
        [{"idx": i, "name": str(i), "path": p, "type": package + kind} for i, (kind, p, _) in enumerate(entries)],
    )
    for _, p, settings in modules:
        if settings is not None:
            write_json(path / p / "config.json", settings)
    write_json(path / at / "sentence_bert_config.json", sbert or {"max_seq_length": 24, "do_lower_case": False})


def pooling(**settings):
    """The usual entry for Pooling."""
    return ("Pooling", "1_Pooling", {"word_embedding_dimension": HIDDEN, **settings})


def dense(path, d_out, where="2_Dense", d_in=HIDDEN, bias=True, dtype=torch.float32, **settings):
    """An entry for Dense; writes its weights."""
    torch.manual_seed(11)
    tensors = {"linear.weight": (torch.randn(d_out, d_in) * 0.3).to(dtype)}
    if bias:
        tensors["linear.bias"] = (torch.randn(d_out) * 0.3).to(dtype)
    (path / where).mkdir(parents=True, exist_ok=True)
    save_file(tensors, path / where / "model.safetensors")
    usual = {"activation_function": "torch.nn.modules.activation.Tanh"}
    return ("Dense", where, {"in_features": d_in, "out_features": d_out, "bias": bias, **usual, **settings})


def plain(path, lower=True, dtype=torch.float32, kind=BertModel, tokenizer=None, changes=None, **config):
    """A folder without modules.json."""
    write_model(path, seeded(kind, lower, **config), dtype, **(changes or {}))
    write_tokenizer(path, lower, **(tokenizer or {}))


# ---------------------------------------------------------------------------
# encoders


@folder
def embed_plain(path):
    plain(path)


@folder
def embed_cased(path):
    plain(path, lower=False)


@folder
def embed_f16(path):
    plain(path, dtype=torch.float16)


@folder
def embed_bf16(path):
    plain(path, dtype=torch.bfloat16)


@folder
def embed_mixed(path):
    """F32, F16 and BF16 in one file."""
    plain(path)
    types = (torch.float32, torch.float16, torch.bfloat16)
    rename(path, lambda t: {k: v.to(types[i % 3]) for i, (k, v) in enumerate(t.items())})


@folder
def embed_prefixed(path):
    """From pretraining: prefix "bert.", other heads beside it, position_ids, older names of the norms."""
    plain(path, kind=BertForPreTraining)

    def older(tensors):
        tensors["bert.embeddings.position_ids"] = torch.arange(POSITIONS).unsqueeze(0)
        return {
            k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
            for k, v in tensors.items()
        }

    rename(path, older)


@folder
def embed_partly_prefixed(path):
    """Some tensors with the prefix, some without."""
    plain(path)
    rename(path, lambda t: {("bert." if "layer.1" in k else "") + k: v for k, v in t.items()})


@folder
def embed_shards(path):
    plain(path)
    tensors = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map = {}
    for i in range(3):
        file = f"model-{i + 1:05}-of-00003.safetensors"
        part = {n: tensors[n] for n in names[i::3]}
        weight_map.update(dict.fromkeys(part, file))
        save_file(part, path / file, {"format": "pt"})
    write_json(path / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": weight_map})


@folder
def embed_vocab(path):
    """vocab.txt and tokenizer_config.json, no tokenizer.json."""
    plain(path, tokenizer={"json_file": False, "vocab_file": True})


@folder
def embed_vocab_cased(path):
    plain(path, lower=False, tokenizer={"json_file": False, "vocab_file": True})


@folder
def embed_relu_no_types(path):
    """Another activation, one type, larger epsilon, a head of other width; hardly any keys in config.json."""
    plain(path, hidden_act="relu", type_vocab_size=1, layer_norm_eps=1e-3, num_attention_heads=4,
          changes={"architectures": ..., "hidden_dropout_prob": ..., "initializer_range": ..., "use_cache": ...})


for act in ("gelu_new", "gelu_fast", "gelu_accurate", "gelu_python", "gelu_pytorch_tanh", "quick_gelu", "relu2",
            "relu6", "silu", "swish", "mish", "tanh", "sigmoid", "leaky_relu", "linear"):
    FOLDERS["embed_act_" + act] = lambda path, act=act: plain(path, hidden_act=act)


@folder
def embed_plain_with_prompts(path):
    """Without modules.json neither prompts nor sentence_bert_config.json count."""
    plain(path, tokenizer={"max_length": 12})
    write_json(path / "sentence_bert_config.json", {"max_seq_length": 20})
    write_json(path / "config_sentence_transformers.json",
               {"prompts": {"query": "query: "}, "default_prompt_name": "query"})


@folder
def embed_no_max_length(path):
    plain(path, tokenizer={"max_length": int(1e30)})


@folder
def embed_json_truncation(path):
    """Truncation and padding in tokenizer.json do not count."""
    plain(path, tokenizer={
        "truncation": {"direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 32}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
    })


# ---------------------------------------------------------------------------
# sentence-transformers


def st(path, *modules, tokenizer=None, prompts=None, **settings):
    """A sentence-transformers folder at the top."""
    plain(path, tokenizer=tokenizer)
    write_modules(path, *modules, **settings)
    if prompts is not None:
        write_json(path / "config_sentence_transformers.json", prompts)


OLD_MODES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
for mode, key in OLD_MODES.items():
    FOLDERS["st_" + mode] = lambda path, key=key: st(path, pooling(**{k: k == key for k in OLD_MODES.values()}))
    FOLDERS["st_new_" + mode] = lambda path, mode=mode: st(
        path, ("Pooling", "1_Pooling", {"embedding_dimension": HIDDEN, "pooling_mode": mode, "include_prompt": True}),
        package="sentence_transformers.sentence_transformer.modules.")


@folder
def st_no_mode(path):
    st(path, pooling())


@folder
def st_old_and_new_mode(path):
    st(path, pooling(pooling_mode="max", pooling_mode_cls_token=True))


@folder
def st_combination(path):
    """Several older modes: the library's order."""
    st(path, pooling(pooling_mode_mean_tokens=True, pooling_mode_cls_token=True, pooling_mode_max_tokens=True,
                     pooling_mode_lasttoken=True))


@folder
def st_ordered_combination(path):
    """Several modes by the new key: the file's order, repetitions included."""
    st(path, pooling(pooling_mode=["lasttoken", "mean", "cls", "mean"]))


@folder
def st_dense_normalize(path):
    st(path, pooling(), dense(path, 24), ("Normalize", "3_Normalize", None))


@folder
def st_dense_residual(path):
    """A residual around Dense: as it is, and through weights of its own."""
    modules = [pooling(), dense(path, HIDDEN, use_residual=True), dense(path, 10, where="3_Dense", use_residual=True)]
    rename(path / "3_Dense", lambda t: {**t, "residual.weight": torch.randn(10, HIDDEN) * 0.3})
    st(path, *modules)


@folder
def st_dense_f16(path):
    st(path, pooling(), dense(path, 12, dtype=torch.float16, bias=False,
                              activation_function="torch.nn.modules.linear.Identity"))


@folder
def st_dense_chain(path):
    """Two Dense, LayerNorm, Dropout, Normalize on three pooled vectors."""
    modules = [pooling(pooling_mode=["mean", "max", "cls"])]
    modules.append(dense(path, 20, d_in=3 * HIDDEN, activation_function="torch.nn.modules.activation.GELU"))
    modules.append(("LayerNorm", "3_LayerNorm", {"dimension": 20}))
    modules.append(("Dropout", "4_Dropout", {"dropout": 0.5}))
    modules.append(dense(path, 10, where="5_Dense", d_in=20, activation_function="torch.nn.modules.activation.Sigmoid"))
    modules.append(("Normalize", "6_Normalize", {"module_input_name": "sentence_embedding"}))
    torch.manual_seed(3)
    (path / "3_LayerNorm").mkdir(parents=True, exist_ok=True)
    save_file({"norm.weight": 1 + 0.3 * torch.randn(20), "norm.bias": 0.3 * torch.randn(20)},
              path / "3_LayerNorm" / "model.safetensors")
    st(path, *modules)


for act in ("ReLU", "ReLU6", "SiLU", "Mish", "LeakyReLU", "Tanh"):
    FOLDERS["st_dense_" + act] = lambda path, act=act: st(
        path, pooling(), dense(path, 8, activation_function="torch.nn.modules.activation." + act))


@folder
def st_subfolder(path):
    """The old layout: the transformer's files in 0_Transformer."""
    plain(path / "0_Transformer")
    write_modules(path, pooling(pooling_mode_cls_token=True), at="0_Transformer")


@folder
def st_prompt(path):
    st(path, pooling(), prompts={"prompts": {"query": "search query: ", "document": ""},
                                 "default_prompt_name": "query", "similarity_fn_name": "cosine"})


for mode in OLD_MODES:
    FOLDERS["st_prompt_excluded_" + mode] = lambda path, mode=mode: st(
        path, pooling(pooling_mode=mode, include_prompt=False),
        prompts={"prompts": {"q": "search the mail "}, "default_prompt_name": "q"})


@folder
def st_truncate_dim(path):
    st(path, pooling(), ("Normalize", "2_Normalize", None), prompts={"truncate_dim": 5})


@folder
def st_max_length_null(path):
    st(path, pooling(), sbert={"max_seq_length": None, "do_lower_case": False}, tokenizer={"max_length": 17})


@folder
def st_max_length_above(path):
    """The transformer's own setting goes before the tokenizer's smaller one."""
    st(path, pooling(), sbert={"max_seq_length": 40}, tokenizer={"max_length": 10})


@folder
def st_settings_v6(path):
    """The keys that release 6 writes."""
    st(path, pooling(), sbert={
        "transformer_task": "feature-extraction",
        "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        "module_output_name": "token_embeddings",
        "processing_kwargs": {"text": {"max_length": 9}},
    })


@folder
def st_tokenizer_args(path):
    st(path, pooling(), sbert={"max_seq_length": 20, "tokenizer_args": {"model_max_length": 8}, "model_args": {}})


@folder
def st_lower_case(path):
    """A cased tokenizer made lower by sentence-transformers."""
    plain(path, lower=False)
    write_modules(path, pooling(), sbert={"max_seq_length": 30, "do_lower_case": True})


@folder
def st_left(path):
    """Truncation from the left, as tokenizer.json says."""
    st(path, pooling(), sbert={"max_seq_length": 10},
       tokenizer={"truncation": {"direction": "Left", "max_length": 10, "strategy": "LongestFirst", "stride": 0}})


@folder
def st_left_config(path):
    """Truncation from the left, as tokenizer_config.json says."""
    st(path, pooling(), sbert={"max_seq_length": 10}, tokenizer={"config": {"truncation_side": "left"}})


@folder
def st_classifier_inside(path):
    """modules.json decides, whatever architecture the weights come from."""
    plain(path, kind=BertForSequenceClassification, num_labels=3)
    write_modules(path, pooling())


# ---------------------------------------------------------------------------
# classifiers


def classify(path, n, dtype=torch.float32, tokenizer=None, changes=None, **config):
    """A folder of a classifier."""
    plain(path, kind=BertForSequenceClassification, dtype=dtype, num_labels=n, tokenizer=tokenizer, changes=changes,
          **config)


@folder
def classify_two(path):
    classify(path, 2, changes={"id2label": {"1": "spam", "0": "ham"}, "label2id": {"ham": 0, "spam": 1}})


@folder
def classify_default_labels(path):
    classify(path, 2, changes={"id2label": ..., "label2id": ...})


@folder
def classify_num_labels(path):
    classify(path, 5, changes={"id2label": ..., "label2id": ..., "num_labels": 5})


@folder
def classify_num_labels_wins(path):
    """num_labels beside an id2label of another length: the names are dropped."""
    classify(path, 4, changes={"id2label": {"0": "a", "1": "b"}, "num_labels": 4})


@folder
def classify_many(path):
    """More than ten labels, so that their keys sort otherwise than their numbers; a repeated label."""
    names = {str(i): f"label {i % 11} \u00e9" for i in range(12)}
    classify(path, 12, torch.float16, changes={"id2label": dict(sorted(names.items(), reverse=True)), "label2id": ...})


@folder
def classify_numbers(path):
    """Numbers as labels."""
    classify(path, 3, changes={"id2label": {"0": 7, "1": -1, "2": "7"}, "label2id": ...})


@folder
def classify_multi(path):
    classify(path, 3, torch.bfloat16, problem_type="multi_label_classification")


@folder
def classify_one(path):
    """One label and no problem type: sigmoid."""
    classify(path, 1)


@folder
def classify_regression(path):
    classify(path, 1, problem_type="regression")


@folder
def classify_regression_many(path):
    classify(path, 3, problem_type="regression")


@folder
def classify_bare(path):
    """No prefix before the encoder's tensors."""
    classify(path, 3, problem_type="single_label_classification")
    rename(path, lambda t: {k.removeprefix("bert."): v for k, v in t.items()})


@folder
def classify_short(path):
    classify(path, 2, tokenizer={"max_length": 7})


@folder
def classify_max_len(path):
    """The older key max_len."""
    classify(path, 2, tokenizer={"max_length": None, "config": {"max_len": 9}})


@folder
def classify_cross_encoder(path):
    """A CrossEncoder of sentence-transformers is a classifier for transformers' pipeline."""
    classify(path, 1)
    write_modules(path, at="")
    write_json(path / "config_sentence_transformers.json", {"model_type": "CrossEncoder"})


# ---------------------------------------------------------------------------


def ids_of(path):
    """Token ids of all texts, never truncated or padded."""
    if (path / "tokenizer.json").exists():
        tok = Tokenizer.from_file(str(path / "tokenizer.json"))
        tok.no_truncation()
        tok.no_padding()
        return [tok.encode(t).ids for t in TEXTS]
    tok = AutoTokenizer.from_pretrained(path)
    return [tok(t)["input_ids"] for t in TEXTS]


def golden(path):
    """Ask the libraries."""
    config_path = path / ("0_Transformer" if (path / "0_Transformer").exists() else "")
    config = json.loads((config_path / "config.json").read_text())
    answer = {"texts": TEXTS, "ids": ids_of(config_path)}
    if path.name.startswith("classify"):
        pipe = pipeline("text-classification", model=str(path), dtype=torch.float32, truncation=True)
        answer["task"] = "classify"
        answer["scores"] = [[[r["label"], r["score"]] for r in pipe(t, top_k=None)] for t in TEXTS]
        answer["labels"] = [pipe.model.config.id2label[i] for i in range(pipe.model.config.num_labels)]
    else:
        model = SentenceTransformer(str(path), device="cpu", model_kwargs={"dtype": torch.float32})
        answer["task"] = "embed"
        answer["max_tokens"] = min(model.max_seq_length, config["max_position_embeddings"])
        answer["embeddings"] = [model.encode([t])[0].tolist() for t in TEXTS]
    (path / "golden.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")


def main():
    """Write the folders that are asked for, or all."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or FOLDERS:
        path = root / name
        shutil.rmtree(path, ignore_errors=True)
        FOLDERS[name](path)
        golden(path)
        print(name, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
