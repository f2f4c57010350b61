#!/usr/bin/env python3
"""Write small seeded folders of every family, task and layout, with what transformers answers on them.

Usage: make_tiny_families.py OUTPUT_DIR [NAME ...]

A name is FAMILY_TASK or FAMILY_TASK_LAYOUT; without names all are made. Every folder gets a golden.json: texts, ids and for each
task that the folder serves the rows of each text: the mean of the encoder's rows ("embed"), logits ("classify"; "entities"
and "answer", one row a token; "fill_mask", one row for each token of "picks"), weights ("sparse_embed"). Weights are scaled
up, so that different arithmetic gives clearly different numbers. A part is kept in test/data/families, where
test/unit/test_families.c checks it; `make_tiny_families.py test/data/families $(ls test/data/families)` makes it anew.
test/oracle/families.py makes all and compares them.
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from make_tiny_models import rename, vocab, write_json, write_tokenizer

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

TEXTS = [
    "",
    "a",
    "The invoice is overdue.",
    "FREE money!!! Click [MASK]",
    "pad [PAD] and [UNK] \u6771\u4eac are tokens [PAD]",
    "mail " * 30 + "x" * 40,
    "the invoice, is over due! shall we meet at noon? free money. click now, " * 16,
]
MASK = vocab().index("[MASK]")
SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=48,
    vocab_size=len(vocab()), num_labels=3,
)
WORDS = ("word_embeddings.weight", "tok_embeddings.weight", "embed_tokens.weight")
V3 = dict(relative_attention=True, pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm", share_att_key=True,
          position_biased_input=False, type_vocab_size=0, max_position_embeddings=300)
ROTARY = dict(max_position_embeddings=300, num_hidden_layers=4, pad_token_id=0, cls_token_id=2, bos_token_id=2,
              sep_token_id=3, eos_token_id=3)
TURNED = dict(max_position_embeddings=300, pad_token_id=0, bos_token_id=2, eos_token_id=3)
# config class, stem of the model classes, settings
FAMILIES = {
    "albert": ("Albert", dict(embedding_size=8)),
    "albert_groups": ("Albert", dict(embedding_size=8, num_hidden_layers=5, num_hidden_groups=3, inner_group_num=2,
                                     hidden_act="relu")),
    "bert": ("Bert", {}),
    "camembert": ("Camembert", dict(pad_token_id=0, type_vocab_size=1)),
    "data2vec": ("Data2VecText", dict(pad_token_id=1, type_vocab_size=1)),
    "deberta_v2": ("DebertaV2", dict(V3, position_buckets=8)),
    "deberta_v2_far": ("DebertaV2", dict(V3, position_buckets=16, max_relative_positions=40)),
    "deberta_v2_absolute": ("DebertaV2", dict(type_vocab_size=2, pooler_hidden_act="tanh", hidden_act="relu")),
    "deberta_v2_c2p": ("DebertaV2", dict(relative_attention=True, pos_att_type=["c2p"], max_relative_positions=7)),
    "deberta_v2_p2c": ("DebertaV2", dict(relative_attention=True, pos_att_type="p2c", legacy=False,
                                         position_buckets=10, max_relative_positions=30)),
    "deberta_v2_apart": ("DebertaV2", dict(relative_attention=True, pos_att_type="P2C | c2p", norm_rel_ebd="layer_norm",
                                           max_position_embeddings=30)),
    "deberta_v2_conv": ("DebertaV2", dict(V3, position_buckets=4, conv_kernel_size=3, embedding_size=8)),
    "deberta_v2_conv5": ("DebertaV2", dict(conv_kernel_size=5, conv_act="gelu", num_attention_heads=4)),
    "distilbert": ("DistilBert", dict(dim=16, n_layers=2, n_heads=2, hidden_dim=24)),
    "distilbert_relu": ("DistilBert", dict(dim=16, n_layers=1, n_heads=4, hidden_dim=40, activation="relu",
                                           sinusoidal_pos_embds=True)),
    "electra": ("Electra", dict(embedding_size=8)),
    "electra_same": ("Electra", dict(embedding_size=16, hidden_act="gelu_new")),
    "ernie": ("Ernie", {}),
    "megatron_bert": ("MegatronBert", {}),
    "modernbert": ("ModernBert", dict(ROTARY, local_attention=6)),
    "modernbert_wide": ("ModernBert", dict(ROTARY, local_attention=101, global_attn_every_n_layers=2,
                                           classifier_pooling="mean")),
    "modernbert_biased": ("ModernBert", dict(ROTARY, norm_bias=True, attention_bias=True, mlp_bias=True,
                                             decoder_bias=False, classifier_bias=True, classifier_activation="silu",
                                             hidden_activation="relu", local_attention=1)),
    "modernbert_types": ("ModernBert", dict(
        ROTARY, local_attention=20, num_attention_heads=4, layer_types=["sliding_attention", "full_attention"] * 2,
        rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 70.0}})),
    "eurobert": ("EuroBert", dict(TURNED, rope_theta=1000.0)),
    "eurobert_shared": ("EuroBert", dict(TURNED, num_attention_heads=6, num_key_value_heads=2, head_dim=4, mlp_bias=True,
                                         attention_bias=True, classifier_pooling="bos", hidden_size=24)),
    "eurobert_mean": ("EuroBert", dict(TURNED, classifier_pooling="mean", num_key_value_heads=1, hidden_act="gelu")),
    "gte": ("Gte", dict(TURNED)),
    "gte_plain": ("Gte", dict(TURNED, type_vocab_size=0, hidden_act="silu",
                              rope_parameters={"rope_type": "linear", "rope_theta": 50.0, "factor": 2.0})),
    "jina_v3": ("JinaEmbeddingsV3", dict(TURNED)),
    "nomic": ("NomicBert", dict(TURNED)),
    "nomic_gelu": ("NomicBert", dict(TURNED, hidden_act="gelu", num_attention_heads=4)),
    "mpnet": ("MPNet", dict(pad_token_id=1)),
    "mpnet_long": ("MPNet", dict(pad_token_id=1, max_position_embeddings=300, relative_attention_num_buckets=40,
                                 num_attention_heads=4)),
    "rembert": ("RemBert", dict(input_embedding_size=8, output_embedding_size=20)),
    "roberta": ("Roberta", dict(pad_token_id=0, type_vocab_size=1)),
    "roberta_pad1": ("Roberta", dict(pad_token_id=1, layer_norm_eps=1e-3)),
    "roberta_pad5": ("Roberta", dict(pad_token_id=5, hidden_act="silu")),
    "roberta_prelayernorm": ("RobertaPreLayerNorm", dict(pad_token_id=1)),
    "xlm_roberta": ("XLMRoberta", dict(pad_token_id=1, type_vocab_size=1)),
    "xlm_roberta_xl": ("XLMRobertaXL", dict(pad_token_id=1)),
}
HEADS = {
    "embed": "Model",
    "mask": "ForMaskedLM",
    "classify": "ForSequenceClassification",
    "entities": "ForTokenClassification",
    "answer": "ForQuestionAnswering",
    "pretraining": "ForPreTraining",
}


def seeded(kind, config):
    """A model of this class with weights that are far from their usual small start."""
    torch.manual_seed(7)
    model = kind(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1 and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.3 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.6 if "embeddings" in name else 0.35))
    model.tie_weights()
    return model


def write_model(path, family, task, **changes):
    """A family's folder for a task."""
    stem, settings = FAMILIES[family]
    kind = getattr(transformers, stem + HEADS[task])
    labels = {} if task != "answer" else {"num_labels": 2}
    config = kind.config_class(**{**SIZES, **settings, **labels, **changes})
    seeded(kind, config).save_pretrained(path)
    write_tokenizer(path)
    settings = json.loads((path / "tokenizer_config.json").read_text())
    write_json(path / "tokenizer_config.json", {**settings, "model_max_length": config.max_position_embeddings})
    return path


# layouts: functions that change a folder


def bare(path):
    """Tensors without the encoder's prefix, as a base model saves them; heads keep their names."""
    prefix = transformers.AutoModel.from_pretrained(path).base_model_prefix + "."
    rename(path, lambda t: {k.removeprefix(prefix): v for k, v in t.items()})


def older(path):
    """gamma and beta, position_ids, pooler and heads of pretraining beside."""
    def change(tensors):
        name = next(k for k in tensors if k.endswith(WORDS))
        tensors[name.rsplit(".", 2)[0] + ".position_ids"] = torch.arange(48).unsqueeze(0)
        tensors["cls.seq_relationship.weight"] = torch.zeros(2, 16)
        return {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
                for k, v in tensors.items()}

    rename(path, change)


DECODERS = {
    "albert": "predictions.decoder", "electra": "generator_lm_head", "distilbert": "vocab_projector",
    "roberta": "lm_head.decoder", "bert": "cls.predictions.decoder",
}


def decoder_of(path):
    """Name of the decoder's module of a folder."""
    names = set(load_file(path / "model.safetensors"))
    if "head.dense.weight" in names:
        return "decoder"
    for key, name in DECODERS.items():
        if any(n.startswith(name.split(".")[0]) for n in names):
            return name
    raise SystemExit(f"{path} has no decoder")


def with_decoder(path):
    """The tied decoder is in the file too."""
    rename(path, lambda t: {**t, decoder_of(path) + ".weight":
                            next(v for k, v in t.items() if k.endswith(WORDS)).clone()})


def other_decoder(path):
    """The file has another decoder and bias than the configuration promises: transformers takes them."""
    torch.manual_seed(5)
    n = len(vocab())

    def change(tensors):
        d = next(v for k, v in tensors.items() if k.endswith(WORDS)).shape[1]
        return {**tensors, decoder_of(path) + ".weight": 0.4 * torch.randn(n, d),
                decoder_of(path) + ".bias": 0.4 * torch.randn(n)}

    rename(path, change)


def newer(path):
    """The names of transformers' modules, where folders have those of the first publication."""
    def change(tensors):
        out = {}
        for k, v in tensors.items():
            for old, new in (("encoder.layers.", "layers."), ("encoder.layer.", "layers."), ("emb_ln", "embeddings.LayerNorm"),
                             ("attn.out_proj", "self_attn.o_proj"), ("mixer.out_proj", "self_attn.o_proj"),
                             ("attention.o_proj", "self_attn.o_proj"), ("fc11", "up_proj"), ("fc12", "gate_proj"),
                             ("norm1", "post_attention_layernorm"), ("norm2", "post_mlp_layernorm"),
                             ("attn_ln", "post_attention_layernorm"), ("mlp_ln", "post_mlp_layernorm"),
                             ("lm_head.norm", "lm_head.layer_norm")):
                k = k.replace(old, new)
            if "emb_ln" in "".join(tensors) and "mixer" not in "".join(tensors):
                k = k.replace("fc2", "down_proj")
            parts = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "Wqkv": ("q_proj", "k_proj", "v_proj"),
                     "up_gate_proj": ("up_proj", "gate_proj")}
            joined = next((j for j in parts if j in k), None)
            if joined is None:
                out[k] = v
                continue
            for part, chunk in zip(parts[joined], v.chunk(len(parts[joined]))):
                name = k.replace(joined, part)
                for module in ("attn.", "mixer.", "attention."):
                    name = name.replace("." + module, ".self_attn.")
                out[name] = chunk.clone()
        return out

    rename(path, change)


def halves(path):
    """Weights in 16 bits."""
    rename(path, lambda t: {k: v.to(torch.float16) for k, v in t.items()})


def no_architectures(path):
    """config.json names no class."""
    config = json.loads((path / "config.json").read_text())
    del config["architectures"]
    write_json(path / "config.json", config)


def no_pooler(path):
    """No pooler, which no embedding needs."""
    rename(path, lambda t: {k: v for k, v in t.items() if "pooler" not in k})


def splade(path, package="sentence_transformers.sparse_encoder.models.", first="MLMTransformer", sbert=None, **settings):
    """The files of a sparse encoder."""
    n = len(vocab())
    write_json(path / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": package + first},
        {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": package + "SpladePooling"}])
    write_json(path / "1_SpladePooling" / "config.json",
               {"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": n, **settings})
    write_json(path / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False, **(sbert or {})})
    write_json(path / "config_sentence_transformers.json", {
        "model_type": "SparseEncoder", "prompts": {"query": "", "document": ""}, "default_prompt_name": None,
        "similarity_fn_name": "dot"})


LAYOUTS = {
    "bare": bare,
    "older": older,
    "decoder": with_decoder,
    "otherdecoder": other_decoder,
    "newer": newer,
    "f16": halves,
    "nameless": no_architectures,
    "nopooler": no_pooler,
    "splade": splade,
    "spladesum": lambda path: splade(path, pooling_strategy="sum"),
    "spladelogs": lambda path: splade(path, activation_function="log1p_relu"),
    "spladenew": lambda path: splade(path, package="sentence_transformers.sparse_encoder.modules.",
                                     first="Transformer", sbert={"transformer_task": "fill-mask"}),
}
FOLDERS = {}
for _family in FAMILIES:
    _stem = FAMILIES[_family][0]
    for _task, _class in HEADS.items():
        if hasattr(transformers, _stem + _class):
            FOLDERS[f"{_family}-{_task}"] = (_family, _task, None, {})
    for _layout in LAYOUTS:
        if _family == "rembert" and "decoder" in _layout:
            continue  # its decoder has another shape than the word table
        if _layout == "newer" and _stem not in ("NomicBert", "Gte", "JinaEmbeddingsV3"):
            continue  # their names are the same
        if "decoder" in _layout and not FAMILIES[_family][1].get("legacy", True):
            continue  # it has none of its own
        FOLDERS[f"{_family}-mask-{_layout}"] = (_family, "mask", _layout, {})
    FOLDERS[f"{_family}-mask-untied"] = (_family, "mask", None, {"tie_word_embeddings": False})
    FOLDERS[f"{_family}-embed-bare"] = (_family, "embed", "bare", {})
    FOLDERS[f"{_family}-classify-bare"] = (_family, "classify", "bare", {})
    FOLDERS[f"{_family}-classify-older"] = (_family, "classify", "older", {})
    FOLDERS[f"{_family}-embed-nopooler"] = (_family, "embed", "nopooler", {})


def make(path, name):
    """Make one folder without golden.json."""
    family, task, layout, changes = FOLDERS[name]
    shutil.rmtree(path, ignore_errors=True)
    write_model(path, family, task, **changes)
    if layout is not None:
        LAYOUTS[layout](path)


def rows_of(model, ids, task):
    """transformers' rows of one text: a tensor [rows, width]."""
    batch = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    with torch.no_grad():
        out = model(**batch)
    if task == "embed":
        return out.last_hidden_state[0].mean(0, keepdim=True)
    if task == "answer":
        return torch.stack([out.start_logits[0], out.end_logits[0]], 1)
    return out.logits if task == "classify" else out.logits[0]


def sparse_rows(logits, pooling="max", logs=1):
    """SpladePooling of one text's logits."""
    weights = torch.relu(logits)
    for _ in range(logs):
        weights = torch.log1p(weights)
    return weights.max(0, keepdim=True).values if pooling == "max" else weights.sum(0, keepdim=True)


def load(kind, path):
    """A model with nothing left to chance: a head that the file lacks is an error."""
    model, info = kind.from_pretrained(path, dtype=torch.float32, output_loading_info=True)
    missing = [k for k in info["missing_keys"] if "pooler" not in k]
    if missing:
        raise SystemExit(f"{path}: {missing} are not in the file")
    return model.eval()


def golden(path, name, texts):
    """What transformers answers: ids of each text, and by task the rows of each text."""
    _, task, layout, _ = FOLDERS[name]
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    limit = AutoConfig.from_pretrained(path).max_position_embeddings
    config = AutoConfig.from_pretrained(path)
    if any(name in config.model_type for name in ("roberta", "camembert", "data2vec", "mpnet")):
        limit -= config.pad_token_id + 1
    if layout is not None and layout.startswith("splade"):
        limit = min(limit, 32)
    tokenizer.enable_truncation(limit)
    ids = [tokenizer.encode(t).ids for t in texts]
    kinds = {}
    if task == "mask":
        kinds = {"embed": AutoModel, "fill_mask": AutoModelForMaskedLM}
    elif task in ("embed", "pretraining"):
        kinds = {"embed": AutoModel}
    else:
        kinds = {task: getattr(transformers, FAMILIES[FOLDERS[name][0]][0] + HEADS[task])}
    models = {t: load(kind, path) for t, kind in kinds.items()}
    answers = {t: [rows_of(model, i, t) for i in ids] for t, model in models.items()}
    if task == "mask":
        pooling = "sum" if layout == "spladesum" else "max"
        logs = 2 if layout == "spladelogs" else 1
        answers["sparse_embed"] = [sparse_rows(r, pooling, logs) for r in answers["fill_mask"]]
    if layout is not None and layout.startswith("splade"):
        answers.pop("embed")
        # A limit of the sparse encoder is not one of its masked language model.
        tokenizer.enable_truncation(48)
        ids_full = [tokenizer.encode(t).ids for t in texts]
        if ids_full != ids:
            answers.pop("fill_mask")
    return {"texts": texts, "ids": ids, "tasks": answers}


def main():
    output = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or FOLDERS:
        make(output / name, name)
        result = golden(output / name, name, TEXTS[:5])
        picks = [[i for i, token in enumerate(ids) if i == 1 or token == MASK] for ids in result["ids"]]
        if "fill_mask" in result["tasks"]:
            result["picks"] = picks
            result["tasks"]["fill_mask"] = [r[p] for r, p in zip(result["tasks"]["fill_mask"], picks)]
        result["tasks"] = {t: [[[float(f"{x:.7g}") for x in row] for row in rows.tolist()] for rows in texts]
                           for t, texts in result["tasks"].items()}
        (output / name / "golden.json").write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
