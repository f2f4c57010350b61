#!/usr/bin/env python3
"""Write malformed model folders, all derived from one small valid model.

Usage: make_bad_folders.py OUTPUT_DIR

Each case is a directory of OUTPUT_DIR; manifest.tsv has a line per case: folder,
expected outcome (error or ok) and a word that the message must contain (a file's,
key's or tensor's name; empty for ok). Needs the standard library alone. Nothing
is random but the seeded weights, so two runs write the same bytes.
"""
import json
import os
import struct
import sys

from tiny_folder import HIDDEN, INTER, POSITIONS, VOCAB, Model, Raw, dump, safetensors

CASES = []


def case(name, expected="error", word=""):
    """Register a function that turns a valid model into a case."""

    def add(function):
        CASES.append((name, expected, word, function))
        return function

    return add


def set_config(name, word, expected="error", **values):
    """A case that changes keys of config.json; the value ... deletes the key."""

    def change(m):
        for key, value in values.items():
            if value is ...:
                del m.config[key]
            else:
                m.config[key] = value

    CASES.append((name, expected, word, change))


def header_case(name, change, word="model.safetensors", expected="error"):
    """A case that changes the parsed header of model.safetensors."""

    def apply(m):
        raw = safetensors(m.tensors, m.metadata)
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + size])
        changed = change(header)
        header = header if changed is None else changed
        text = dump(header).encode("utf-8", "surrogatepass")
        m.files["model.safetensors"] = struct.pack("<Q", len(text)) + text + raw[8 + size :]

    CASES.append((name, expected, word, apply))


def raw_case(name, change, word="model.safetensors", expected="error"):
    """A case that changes the bytes of model.safetensors."""

    def apply(m):
        m.files["model.safetensors"] = change(safetensors(m.tensors, m.metadata))

    CASES.append((name, expected, word, apply))


def text_case(name, file, data, word=None, expected="error"):
    """A case that replaces one file's bytes (None: no such file)."""

    def apply(m):
        m.json.pop(file, None)
        if file == m.weights:
            m.tensors = None
        if data is not None:
            m.files[file] = data

    CASES.append((name, expected, file if word is None else word, apply))


# ---------------------------------------------------------------------------
# valid folders that look odd


@case("ok_plain", "ok")
def _(m):
    pass


@case("ok_extra_tensors", "ok")
def _(m):
    m.tensors["embeddings.position_ids"] = ["I64", [1, POSITIONS], struct.pack(f"<{POSITIONS}q", *range(POSITIONS))]
    m.tensors["cls.predictions.bias"] = ["F32", [len(VOCAB)], bytes(4 * len(VOCAB))]
    m.tensors["extra.empty"] = ["F32", [0, 7], b""]
    m.tensors["extra.scalar"] = ["F64", [], bytes(8)]
    m.tensors["extra.four_bits"] = ["F4", [2], bytes(1)]
    m.tensors["extra.flags"] = ["BOOL", [3], bytes(3)]
    m.tensors["extra.deep"] = ["U8", [1] * 12, bytes(1)]


@case("ok_no_pooler", "ok")
def _(m):
    del m.tensors["pooler.dense.weight"], m.tensors["pooler.dense.bias"]


@case("ok_prefixed", "ok")
def _(m):
    m.tensors = {"bert." + k: v for k, v in m.tensors.items()}


@case("ok_gamma_beta", "ok")
def _(m):
    m.tensors = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in m.tensors.items()
    }


@case("ok_classifier", "ok")
def _(m):
    m.classifier()


@case("ok_sentence_transformer", "ok")
def _(m):
    m.sentence_transformer(m.pooling(), m.dense(), ("Normalize", "3_Normalize", None))


@case("ok_no_metadata", "ok")
def _(m):
    m.metadata = None


@case("ok_vocab_only", "ok")
def _(m):
    del m.json["tokenizer.json"]
    m.files["vocab.txt"] = "".join(t + "\n" for t in VOCAB).encode()


@case("ok_unused_junk", "ok")
def _(m):
    m.files["README.md"] = b"\xff\xfe nothing of interest"
    m.files["pytorch_model.bin"] = b"PK\x03\x04"
    m.files["onnx/model.onnx"] = b"\x08"
    m.files["deep/er/config.json"] = b"{"


raw_case("ok_padded_header", lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] + 5)
         + b[8 : 8 + struct.unpack("<Q", b[:8])[0]] + b"     " + b[8 + struct.unpack("<Q", b[:8])[0] :], "", "ok")


# ---------------------------------------------------------------------------
# safetensors: header

raw_case("st_empty_file", lambda b: b"")
raw_case("st_seven_bytes", lambda b: b[:7])
raw_case("st_only_length", lambda b: b[:8])
raw_case("st_half", lambda b: b[: len(b) // 2])
raw_case("st_one_byte_short", lambda b: b[:-1])
raw_case("st_one_byte_more", lambda b: b + b"\0")
raw_case("st_polyglot_tail", lambda b: b + b"PK\x05\x06" + bytes(18))
raw_case("st_length_zero", lambda b: struct.pack("<Q", 0) + b[8:])
raw_case("st_length_max", lambda b: struct.pack("<Q", 2**64 - 1) + b[8:])
raw_case("st_length_wraps", lambda b: struct.pack("<Q", 2**64 - 8) + b[8:])
raw_case("st_length_sign", lambda b: struct.pack("<Q", 2**63) + b[8:])
raw_case("st_length_100mb", lambda b: struct.pack("<Q", 100_000_001) + b[8:])
raw_case("st_length_file", lambda b: struct.pack("<Q", len(b)) + b[8:])
raw_case("st_length_file_less_8", lambda b: struct.pack("<Q", len(b) - 8) + b[8:])
raw_case("st_length_one_less", lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] - 1) + b[8:])
raw_case("st_length_one_more", lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] + 1) + b[8:])
raw_case("st_leading_space", lambda b: struct.pack("<Q", struct.unpack("<Q", b[:8])[0] + 1) + b" " + b[8:])
raw_case("st_not_json", lambda b: b[:8] + b"X" + b[9:])
raw_case("st_bad_utf8", lambda b: b.replace(b"embeddings.word", b"embeddings\xffword", 1))
raw_case("st_nul_in_name", lambda b: b.replace(b"pooler.dense.weight", b"pooler\\u0000weight", 1))
raw_case("st_lone_surrogate", lambda b: b.replace(b"pooler.dense.weight", b"pooler\\ud800weight", 1))
raw_case("st_array_header", lambda b: struct.pack("<Q", 2) + b"[]")
raw_case("st_string_header", lambda b: struct.pack("<Q", 2) + b'""')
raw_case("st_no_tensors", lambda b: struct.pack("<Q", 2) + b"{}", "embeddings.word_embeddings.weight")
raw_case("st_deep_json", lambda b: struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995)
raw_case("st_text_file", lambda b: b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12345\n")


@case("st_duplicate_tensor", word="model.safetensors")
def _(m):
    raw = safetensors(m.tensors, m.metadata)
    size = struct.unpack("<Q", raw[:8])[0]
    text = raw[8 : 8 + size]
    entry = text[text.index(b'"pooler.dense.bias"') : text.rindex(b"}")]
    text = text[:-1] + b", " + entry + b"}"
    m.files["model.safetensors"] = struct.pack("<Q", len(text)) + text + raw[8 + size :]


@case("st_duplicate_key_in_tensor", word="model.safetensors")
def _(m):
    raw = safetensors(m.tensors, m.metadata)
    size = struct.unpack("<Q", raw[:8])[0]
    text = raw[8 : 8 + size].replace(b'{"dtype": "F32"', b'{"dtype": "F32", "dtype": "F32"', 1)
    m.files["model.safetensors"] = struct.pack("<Q", len(text)) + text + raw[8 + size :]


P = "pooler.dense.bias"  # the last tensor, an unused one
W = "embeddings.word_embeddings.weight"


def entry(key, value, name=P):
    """Set a key of a tensor's entry."""

    def change(h):
        h[name][key] = value

    return change


def drop(key, name=P):
    """Delete a key of a tensor's entry."""

    def change(h):
        del h[name][key]

    return change


def offsets(begin, end, name=P):
    """Move a tensor's offsets."""

    def change(h):
        h[name]["data_offsets"] = [h[name]["data_offsets"][0] + begin, h[name]["data_offsets"][1] + end]

    return change


header_case("st_no_dtype", drop("dtype"), P)
header_case("st_no_shape", drop("shape"), P)
header_case("st_no_offsets", drop("data_offsets"), P)
header_case("st_dtype_unknown", entry("dtype", "F128"), P)
header_case("st_dtype_lower_case", entry("dtype", "f32"), P)
header_case("st_dtype_number", entry("dtype", 7), P)
header_case("st_dtype_null", entry("dtype", None), P)
header_case("st_shape_string", entry("shape", "16"), P)
header_case("st_shape_negative", entry("shape", [-16]), P)
header_case("st_shape_real", entry("shape", [Raw("16.0")]), P)
header_case("st_shape_exponent", entry("shape", [Raw("1.6e1")]), P)
header_case("st_shape_nested", entry("shape", [[16]]), P)
header_case("st_shape_overflow", entry("shape", [2, Raw("18446744073709551614")]), P)
header_case("st_shape_overflow_signed", entry("shape", [2, Raw("9223372036854775807")]), P)
header_case("st_shape_product_wraps", entry("shape", [Raw("4294967296"), Raw("4294967296")]), P)
header_case("st_shape_bits_wrap", entry("shape", [Raw("576460752303423488")]), P)
header_case("st_shape_too_small", entry("shape", [15]), P)
header_case("st_shape_too_large", entry("shape", [17]), P)
header_case("st_shape_zero", entry("shape", [0]), P)
header_case("st_sub_byte", entry("dtype", "F4"), P)
header_case("st_offsets_one", entry("data_offsets", [0]), P)
header_case("st_offsets_three", entry("data_offsets", [0, 64, 64]), P)
header_case("st_offsets_negative", entry("data_offsets", [-64, 0]), P)
header_case("st_offsets_reversed", entry("data_offsets", [64, 0]), P)
header_case("st_offsets_real", entry("data_offsets", [Raw("0.0"), Raw("64.0")]), P)
header_case("st_offsets_string", entry("data_offsets", ["0", "64"]), P)
header_case("st_offsets_huge", entry("data_offsets", [0, Raw("18446744073709551615")]), P)
header_case("st_offsets_beyond", offsets(1000, 1000), P)
header_case("st_offsets_overlap", offsets(-64, -64), P)
header_case("st_offsets_hole", lambda h: h.update({k: v for k, v in h.items() if k != "pooler.dense.weight"})
            or {k: v for k, v in h.items() if k != "pooler.dense.weight"})
header_case("st_offsets_end_short", offsets(0, -4), P)
header_case("st_entry_list", lambda h: h.update({P: ["F32", [16], [0, 64]]}), P)
header_case("st_entry_null", lambda h: h.update({P: None}), P)
header_case("st_metadata_number", lambda h: h.update({"__metadata__": {"format": 1}}), "__metadata__")
header_case("st_metadata_nested", lambda h: h.update({"__metadata__": {"a": {"b": "c"}}}), "__metadata__")
header_case("st_metadata_list", lambda h: h.update({"__metadata__": []}), "__metadata__")
header_case("st_all_same_bytes", lambda h: h.update({k: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
                                                     for k in h if k != "__metadata__"}))

# ---------------------------------------------------------------------------
# safetensors: tensors against the configuration


@case("tensor_missing_word", word=W)
def _(m):
    del m.tensors[W]


@case("tensor_missing_layer", word="encoder.layer.1.output.dense.weight")
def _(m):
    del m.tensors["encoder.layer.1.output.dense.weight"]


@case("tensor_missing_bias", word="encoder.layer.0.attention.self.key.bias")
def _(m):
    del m.tensors["encoder.layer.0.attention.self.key.bias"]


@case("tensor_missing_norm", word="embeddings.LayerNorm")
def _(m):
    del m.tensors["embeddings.LayerNorm.weight"]


@case("tensor_missing_classifier", word="classifier")
def _(m):
    m.classifier()
    del m.tensors["classifier.weight"]


@case("tensor_missing_pooler", word="pooler.dense")
def _(m):
    m.classifier()
    del m.tensors["bert.pooler.dense.weight"]


@case("tensor_transposed", word="encoder.layer.0.intermediate.dense.weight")
def _(m):
    m.tensors["encoder.layer.0.intermediate.dense.weight"][1] = [HIDDEN, INTER]


@case("tensor_flat", word="encoder.layer.0.intermediate.dense.weight")
def _(m):
    m.tensors["encoder.layer.0.intermediate.dense.weight"][1] = [HIDDEN * INTER]


@case("tensor_rank_three", word="encoder.layer.0.intermediate.dense.weight")
def _(m):
    m.tensors["encoder.layer.0.intermediate.dense.weight"][1] = [1, INTER, HIDDEN]


@case("tensor_scalar_bias", word="encoder.layer.0.output.dense.bias")
def _(m):
    m.tensors["encoder.layer.0.output.dense.bias"][1] = [1, HIDDEN]


@case("tensor_wrong_dtype_i32", word=W)
def _(m):
    m.tensors[W][0] = "I32"


@case("tensor_wrong_dtype_f64", word="embeddings.LayerNorm.bias")
def _(m):
    m.tensors["embeddings.LayerNorm.bias"] = ["F64", [HIDDEN], bytes(8 * HIDDEN)]


@case("tensor_wrong_dtype_f8", word="encoder.layer.1.output.dense.weight")
def _(m):
    m.tensors["encoder.layer.1.output.dense.weight"] = ["F8_E4M3", [HIDDEN, INTER], bytes(HIDDEN * INTER)]


@case("tensor_other_prefix", word=W)
def _(m):
    m.tensors = {"model." + k: v for k, v in m.tensors.items()}


@case("tensor_classifier_rows", word="classifier.weight")
def _(m):
    m.classifier(3)
    m.config["id2label"] = {"0": "a", "1": "b"}


for key, value, word in (
    ("hidden_size", 8, W),
    ("hidden_size", 32, W),
    ("vocab_size", len(VOCAB) - 1, VOCAB[-1]),
    ("vocab_size", len(VOCAB) + 1, W),
    ("num_hidden_layers", 3, "encoder.layer.2"),
    ("intermediate_size", 16, "intermediate"),
    ("max_position_embeddings", 41, "embeddings.position_embeddings.weight"),
    ("max_position_embeddings", 39, "embeddings.position_embeddings.weight"),
    ("type_vocab_size", 3, "embeddings.token_type_embeddings.weight"),
    ("type_vocab_size", 1, "embeddings.token_type_embeddings.weight"),
):
    set_config(f"mismatch_{key}_{value}", word, **{key: value})

# ---------------------------------------------------------------------------
# config.json: text

text_case("config_missing", "config.json", None)
text_case("config_empty", "config.json", b"")
text_case("config_blank", "config.json", b" \n")
text_case("config_truncated", "config.json", b'{"model_type": "bert", "hidden_size": 1')
text_case("config_array", "config.json", b"[]")
text_case("config_string", "config.json", b'"bert"')
text_case("config_number", "config.json", b"1")
text_case("config_null", "config.json", b"null")
text_case("config_binary", "config.json", bytes(range(256)))
text_case("config_bom_utf16", "config.json", '{"model_type": "bert"}'.encode("utf-16"))
text_case("config_bad_utf8", "config.json", b'{"model_type": "bert", "x": "\xff\xfe"}')
text_case("config_comment", "config.json", b'{"model_type": "bert" /* no */}')
text_case("config_trailing", "config.json", b'{"model_type": "bert"} {}')
text_case("config_deep", "config.json", b'{"a":' * 100_000)
text_case("config_nul_byte", "config.json", b'{"model_type": "be\0rt"}')


@case("config_duplicate_key", word="config.json")
def _(m):
    text = dump(m.config)
    m.json.pop("config.json")
    m.files["config.json"] = text.replace('"hidden_size": 16', '"hidden_size": 16, "hidden_size": 32').encode()


@case("config_duplicate_same", word="config.json")
def _(m):
    text = dump(m.config)
    m.json.pop("config.json")
    m.files["config.json"] = text.replace('"hidden_size": 16', '"hidden_size": 16, "hidden_size": 16').encode()


# config.json: values

for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
            "max_position_embeddings"):
    for label, value in (("zero", 0), ("negative", -1), ("null", None), ("string", "16"), ("real", 16.5),
                         ("huge", Raw("9223372036854775808")), ("list", [16])):
        set_config(f"config_{key}_{label}", key, **{key: value})
for label, value in (("int32", 2**31), ("int64", 2**63 - 1), ("1e308", Raw("1e308")), ("true", True)):
    set_config(f"config_hidden_size_{label}", "hidden_size", hidden_size=value)
set_config("config_heads_not_dividing", "num_attention_heads", num_attention_heads=3)
set_config("config_heads_too_many", "num_attention_heads", num_attention_heads=17)
set_config("config_model_type_missing", "model_type", model_type=...)
set_config("config_model_type_unknown", "nonsense", model_type="nonsense")
set_config("config_model_type_other", "llama", model_type="llama")
set_config("config_model_type_number", "model_type", model_type=1)
set_config("config_model_type_empty", "model_type", model_type="")
set_config("config_architecture_qa", "qa_outputs.weight", architectures=["BertForQuestionAnswering"])
set_config("config_architecture_ner", "classifier.weight", architectures=["BertForTokenClassification"])
set_config("config_architecture_choice", "BertForMultipleChoice", architectures=["BertForMultipleChoice"])
set_config("config_architecture_other_family", "RobertaModel", architectures=["RobertaModel"])
set_config("config_albert_groups", "num_hidden_groups", model_type="albert", num_hidden_groups=0,
           architectures=["AlbertModel"])
set_config("config_roberta_pad_null", "pad_token_id", model_type="roberta", pad_token_id=None,
           architectures=["RobertaModel"])
set_config("config_roberta_no_places", "max_position_embeddings", model_type="roberta", pad_token_id=4000,
           architectures=["RobertaModel"])
set_config("config_ernie_task_id", "use_task_id", model_type="ernie", use_task_id=True, architectures=["ErnieModel"])
set_config("config_architecture_string", "architectures", architectures="BertModel")
set_config("config_architecture_number", "architectures", architectures=[1])
set_config("config_act_unknown", "swiglu", hidden_act="swiglu")
set_config("config_act_null", "hidden_act", hidden_act=None)
set_config("config_act_number", "hidden_act", hidden_act=3)
set_config("config_eps_string", "layer_norm_eps", layer_norm_eps="1e-12")
set_config("config_eps_nan", "config.json", layer_norm_eps=Raw("NaN"))
set_config("config_eps_infinity", "config.json", layer_norm_eps=Raw("Infinity"))
set_config("config_eps_overflow", "config.json", layer_norm_eps=Raw("1e999"))
set_config("config_eps_1e308", "layer_norm_eps", layer_norm_eps=Raw("1e308"))
set_config("config_eps_negative", "layer_norm_eps", layer_norm_eps=-1e-12)
set_config("config_eps_null", "layer_norm_eps", layer_norm_eps=None)
set_config("config_relative_positions", "position_embedding_type", position_embedding_type="relative_key")
set_config("config_decoder", "is_decoder", is_decoder=True)
set_config("config_cross_attention", "add_cross_attention", add_cross_attention=True)
set_config("config_quantized", "quantization_config", quantization_config={"quant_method": "gptq", "bits": 4})

# labels

for label, values, word in (
    ("id2label_list", {"id2label": ["a", "b"]}, "id2label"),
    ("id2label_empty", {"id2label": {}}, "id2label"),
    ("id2label_hole", {"id2label": {"0": "a", "2": "b"}}, "id2label"),
    ("id2label_not_number", {"id2label": {"a": "a", "b": "b"}}, "id2label"),
    ("id2label_negative", {"id2label": {"-1": "a", "0": "b"}}, "id2label"),
    ("id2label_huge_number", {"id2label": {"0": "a", "99999999999999999999": "b"}}, "id2label"),
    ("id2label_label_null", {"id2label": {"0": "a", "1": None}}, "id2label"),
    ("id2label_label_real", {"id2label": {"0": "a", "1": 1.5}}, "id2label"),
    ("id2label_label_object", {"id2label": {"0": "a", "1": {}}}, "id2label"),
    ("num_labels_zero", {"num_labels": 0}, "num_labels"),
    ("num_labels_negative", {"num_labels": -2}, "num_labels"),
    ("num_labels_string", {"num_labels": "2"}, "num_labels"),
    ("num_labels_huge", {"num_labels": 2**40}, "num_labels"),
    ("num_labels_more", {"num_labels": 5}, "classifier.weight"),
    ("problem_type_unknown", {"problem_type": "ranking"}, "problem_type"),
    ("problem_type_number", {"problem_type": 1}, "problem_type"),
):
    CASES.append(("labels_" + label, "error", word, lambda m, v=values: m.classifier(**v)))


@case("labels_single_of_one", word="problem_type")
def _(m):
    m.classifier(1, problem_type="single_label_classification")


# ---------------------------------------------------------------------------
# weights: files


text_case("weights_missing", "model.safetensors", None)
text_case("weights_bin_only", "model.safetensors", None)


@case("weights_pickle_only", word="model.safetensors")
def _(m):
    m.tensors = None
    m.files["pytorch_model.bin"] = b"\x80\x02c__builtin__\nprint\n."


@case("weights_adapter", word="adapter_config.json")
def _(m):
    m.json["adapter_config.json"] = {"peft_type": "LORA", "base_model_name_or_path": "x"}


def shards(m, change=lambda index, files: None):
    """Split the weights into two shards and an index."""
    names = list(m.tensors)
    half = len(names) // 2
    files = {}
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    for i, part in enumerate((names[:half], names[half:])):
        file = f"model-{i + 1:05}-of-00002.safetensors"
        files[file] = safetensors({n: m.tensors[n] for n in part})
        index["weight_map"].update({n: file for n in part})
    change(index, files)
    m.tensors = None
    m.json["model.safetensors.index.json"] = index
    m.files.update(files)


@case("ok_shards", "ok")
def _(m):
    shards(m)


def index_case(name, change, word="model.safetensors.index.json"):
    """A case that changes the index or the shards."""
    CASES.append(("index_" + name, "error", word, lambda m: shards(m, change)))


def all_in(file):
    """Name one file for every tensor."""

    def change(index, files):
        for key in index["weight_map"]:
            index["weight_map"][key] = file

    return change


index_case("parent", all_in("../model-00001-of-00002.safetensors"))
index_case("parent_inside", all_in("a/../model-00001-of-00002.safetensors"))
index_case("absolute", all_in("/etc/passwd"))
index_case("subfolder", all_in("a/model.safetensors"))
index_case("backslash", all_in("..\\model.safetensors"))
index_case("dot", all_in("."))
index_case("dots", all_in(".."))
index_case("empty_name", all_in(""))
index_case("nul_name", all_in(Raw('"model\\u0000.safetensors"')))
index_case("url", all_in("https://example.org/model.safetensors"))
index_case("device", all_in("/dev/zero"))
index_case("long_name", all_in("a" * 5000))
index_case("number", all_in(1))
index_case("null", all_in(None))
index_case("missing_shard", all_in("model-00003-of-00002.safetensors"), "model-00003-of-00002.safetensors")
index_case("other_kind", all_in("config.json"), "config.json")
index_case("itself", all_in("model.safetensors.index.json"), "model.safetensors.index.json")
index_case("map_missing", lambda i, f: i.pop("weight_map"), "weight_map")
index_case("map_empty", lambda i, f: i["weight_map"].clear(), "weight_map")
index_case("map_list", lambda i, f: i.update(weight_map=[]), "weight_map")
index_case("map_null", lambda i, f: i.update(weight_map=None), "weight_map")
index_case("tensor_elsewhere", lambda i, f: i["weight_map"].update({W: "model-00002-of-00002.safetensors"}), W)
index_case("tensor_unknown", lambda i, f: i["weight_map"].update({"no.such.tensor": "model-00001-of-00002.safetensors"}),
           "no.such.tensor")


@case("index_tensor_twice", word="embeddings.LayerNorm.bias")
def _(m):
    extra = {"embeddings.LayerNorm.bias": m.tensors["embeddings.LayerNorm.bias"],
             "encoder.layer.1.output.dense.bias": m.tensors["encoder.layer.1.output.dense.bias"]}

    def change(index, files):
        files["model-00003-of-00003.safetensors"] = safetensors(extra)
        index["weight_map"]["encoder.layer.1.output.dense.bias"] = "model-00003-of-00003.safetensors"

    shards(m, change)


@case("index_shard_truncated", word="model-00002-of-00002.safetensors")
def _(m):
    shards(m, lambda i, f: f.update({"model-00002-of-00002.safetensors": f["model-00002-of-00002.safetensors"][:-3]}))


@case("index_truncated", word="model.safetensors.index.json")
def _(m):
    shards(m)
    m.files["model.safetensors.index.json"] = b'{"weight_map": {"a": "b'


# ---------------------------------------------------------------------------
# sentence-transformers


def st_case(name, change, word="modules.json"):
    """A case on a sentence-transformers folder with pooling, dense and normalize."""

    def apply(m):
        m.sentence_transformer(m.pooling(), m.dense(), ("Normalize", "3_Normalize", None))
        change(m)

    CASES.append(("modules_" + name, "error", word, apply))


def module(i, **values):
    """Change an entry of modules.json."""
    return lambda m: m.json["modules.json"][i].update(values)


st_case("empty_list", lambda m: m.json.update({"modules.json": []}))
st_case("object", lambda m: m.json.update({"modules.json": {}}))
st_case("null_entry", lambda m: m.json.update({"modules.json": [None]}))
st_case("truncated", lambda m: m.files.update({"modules.json": b'[{"idx": 0, '}))
st_case("no_type", lambda m: m.json["modules.json"][1].pop("type"))
st_case("no_path", lambda m: m.json["modules.json"][1].pop("path"))
st_case("path_number", module(1, path=1))
st_case("path_parent", module(1, path="../1_Pooling"))
st_case("path_parent_inside", module(1, path="1_Pooling/../1_Pooling"))
st_case("path_absolute", module(1, path="/etc"))
st_case("path_backslash", module(1, path="..\\1_Pooling"))
st_case("path_long", module(1, path="a" * 1000))
st_case("path_missing", module(1, path="7_Pooling"), "7_Pooling/config.json")
st_case("class_unknown", module(2, type="sentence_transformers.models.LSTM"), "LSTM")
st_case("class_foreign", module(2, type="os.system"), "os.system")
st_case("class_no_package", module(2, type="Dense"), "Dense")
st_case("class_first", module(0, type="sentence_transformers.models.WordEmbeddings"), "WordEmbeddings")
st_case("name_twice", module(2, name="1"))
st_case("two_poolings", module(2, type="sentence_transformers.models.Pooling", path="1_Pooling"), "Pooling")
st_case("no_pooling", lambda m: m.json.update({"modules.json": m.json["modules.json"][:1]}), "Pooling")
st_case("dense_first", lambda m: m.json["modules.json"].pop(1), "Dense")
st_case("too_many", lambda m: m.json["modules.json"].extend(
    {"idx": i, "name": str(i), "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}
    for i in range(4, 14)))
st_case("transformer_elsewhere", module(0, path="0_Transformer"), "0_Transformer/config.json")

POOLING = "1_Pooling/config.json"


def pooling(**values):
    """Change the pooling's settings; ... deletes."""

    def change(m):
        for key, value in values.items():
            if value is ...:
                del m.json[POOLING][key]
            else:
                m.json[POOLING][key] = value

    return change


st_case("pooling_no_config", lambda m: m.json.pop(POOLING), POOLING)
st_case("pooling_no_width", pooling(word_embedding_dimension=...), "embedding_dimension")
st_case("pooling_width", pooling(word_embedding_dimension=17), "word_embedding_dimension")
st_case("pooling_mode_unknown", pooling(pooling_mode="median"), "median")
st_case("pooling_mode_number", pooling(pooling_mode=3), "pooling_mode")
st_case("pooling_mode_empty", pooling(pooling_mode=[]), "pooling_mode")
st_case("pooling_mode_many", pooling(pooling_mode=["mean"] * 100), "pooling_mode")
st_case("pooling_old_mode_string", pooling(pooling_mode_cls_token="yes"), "pooling_mode_cls_token")
st_case("pooling_key_unknown", pooling(attention_pooling=True), "attention_pooling")

DENSE = "2_Dense/config.json"


def dense(**values):
    """Change the dense layer's settings; ... deletes."""

    def change(m):
        for key, value in values.items():
            if value is ...:
                del m.json[DENSE][key]
            else:
                m.json[DENSE][key] = value

    return change


st_case("dense_no_config", lambda m: m.json.pop(DENSE), DENSE)
st_case("dense_no_weights", lambda m: m.files.update({"2_Dense/model.safetensors": None}), "2_Dense/model.safetensors")
st_case("dense_weights_short", lambda m: m.files.update({"2_Dense/model.safetensors": m.files["2_Dense/model.safetensors"][:-1]}),
        "2_Dense/model.safetensors")
st_case("dense_no_width", dense(in_features=...), "in_features")
st_case("dense_width_in", dense(in_features=15), "in_features")
st_case("dense_width_out", dense(out_features=9), "linear.weight")
st_case("dense_width_zero", dense(out_features=0), "out_features")
st_case("dense_width_huge", dense(out_features=2**62), "out_features")
st_case("dense_act_unknown", dense(activation_function="torch.nn.modules.activation.Nonsense"), "Nonsense")
st_case("dense_act_foreign", dense(activation_function="os.system"), "os.system")
st_case("dense_act_null", dense(activation_function=None), "activation_function")
st_case("dense_residual", dense(use_residual=True), "residual.weight")
st_case("dense_other_input", dense(module_input_name="token_embeddings"), "module_input_name")
st_case("dense_bias_string", dense(bias="true"), "bias")


def settings(**values):
    """Change sentence_bert_config.json."""
    return lambda m: m.json["sentence_bert_config.json"].update(values)


SBERT = "sentence_bert_config.json"
st_case("max_length_zero", settings(max_seq_length=0), "max_seq_length")
st_case("max_length_negative", settings(max_seq_length=-1), "max_seq_length")
st_case("max_length_one", settings(max_seq_length=1), "maximal length")
st_case("max_length_string", settings(max_seq_length="32"), "max_seq_length")
st_case("max_length_real", settings(max_seq_length=32.0), "max_seq_length")
st_case("lower_case_string", settings(do_lower_case="yes"), "do_lower_case")
st_case("settings_unknown", settings(surprise=1), "surprise")
st_case("settings_truncated", lambda m: m.files.update({SBERT: b'{"max_seq_length": '}), SBERT)
st_case("task_other", settings(transformer_task="text-generation"), "transformer_task")
st_case("modality_other", settings(modality_config={"image": {"method": "forward", "method_output_name": "x"}}),
        "modality_config")
st_case("tokenizer_elsewhere", settings(tokenizer_name_or_path="bert-base-uncased"), "tokenizer_name_or_path")


def prompts(**values):
    """Write config_sentence_transformers.json."""
    return lambda m: m.json.update({"config_sentence_transformers.json": values})


st_case("prompts_list", prompts(prompts=["a"]), "prompts")
st_case("prompts_number", prompts(prompts={"query": 1}), "prompts")
st_case("prompt_unknown", prompts(prompts={"query": "q: "}, default_prompt_name="nothing"), "default_prompt_name")
st_case("prompt_name_number", prompts(default_prompt_name=1), "default_prompt_name")
st_case("prompt_huge", prompts(prompts={"query": "x" * 100_000}, default_prompt_name="query"),
        "config_sentence_transformers.json")
st_case("truncate_dim_zero", prompts(truncate_dim=0), "truncate_dim")
st_case("truncate_dim_negative", prompts(truncate_dim=-1), "truncate_dim")
st_case("model_type_sparse", prompts(model_type="SparseEncoder"), "SparseEncoder")

# ---------------------------------------------------------------------------
# tokenizer

text_case("tokenizer_missing", "tokenizer.json", None)
text_case("tokenizer_empty", "tokenizer.json", b"")
text_case("tokenizer_truncated", "tokenizer.json", b'{"version": "1.0", "model": {"type": "WordP')
text_case("tokenizer_array", "tokenizer.json", b"[]", "tokenizer.json")
text_case("tokenizer_config_truncated", "tokenizer_config.json", b'{"model_max_length": ')
text_case("tokenizer_deep", "tokenizer.json", b'{"model":' * 70_000)


def tok_case(name, change, word="tokenizer.json"):
    """A case that changes the parsed tokenizer.json."""
    CASES.append(("tokenizer_" + name, "error", word, lambda m: change(m.tokenizer)))


tok_case("no_model", lambda t: t.pop("model"), "model")
tok_case("model_null", lambda t: t.update(model=None), "model")
tok_case("model_unknown", lambda t: t["model"].update(type="Telepathy"), "model")
tok_case("no_vocab", lambda t: t["model"].pop("vocab"), "vocab")
tok_case("vocab_list", lambda t: t["model"].update(vocab=["a"]), "vocab")
tok_case("vocab_empty", lambda t: t["model"].update(vocab={}), "tokenizer.json")
tok_case("id_negative", lambda t: t["model"]["vocab"].update(the=-1), "vocab")
tok_case("id_string", lambda t: t["model"]["vocab"].update(the="60"), "vocab")
tok_case("id_huge", lambda t: t["model"]["vocab"].update(the=2**40), "vocab")
tok_case("id_beyond", lambda t: t["model"]["vocab"].update(the=len(VOCAB)), "the")
tok_case("added_id_beyond", lambda t: t["added_tokens"].append(
    {**t["added_tokens"][0], "id": 5000, "content": "[X]"}), "[X]")
tok_case("added_no_id", lambda t: t["added_tokens"][0].pop("id"), "id")
tok_case("added_content_number", lambda t: t["added_tokens"][0].update(content=5), "content")
tok_case("added_object", lambda t: t.update(added_tokens={}), "added_tokens")
tok_case("normalizer_unknown", lambda t: t.update(normalizer={"type": "Rot13"}), "Rot13")
tok_case("normalizer_regex", lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+"}, "content": ""}), "(a+")
tok_case("pre_tokenizer_unknown", lambda t: t.update(pre_tokenizer={"type": "Psychic"}), "Psychic")
tok_case("pre_tokenizer_regex", lambda t: t.update(
    pre_tokenizer={"type": "Split", "pattern": {"Regex": "[a"}, "behavior": "Isolated", "invert": False}), "[a")
tok_case("post_processor_unknown", lambda t: t.update(post_processor={"type": "Seance"}), "Seance")
tok_case("template_token_unknown", lambda t: t["post_processor"]["single"][0]["SpecialToken"].update(id="[NO]"), "post_processor")
tok_case("template_id_beyond", lambda t: t["post_processor"]["special_tokens"]["[CLS]"].update(ids=[9999]), "template")
tok_case("template_id_negative", lambda t: t["post_processor"]["special_tokens"]["[CLS]"].update(ids=[-1]), "post_processor")
tok_case("template_type_beyond", lambda t: t["post_processor"]["single"][0]["SpecialToken"].update(type_id=7), "type")
tok_case("unk_missing", lambda t: t["model"].update(unk_token="[NOPE]"), "[NOPE]")
tok_case("max_chars_negative", lambda t: t["model"].update(max_input_chars_per_word=-5), "max_input_chars_per_word")


@case("tokenizer_config_max_zero", word="model_max_length")
def _(m):
    m.json["tokenizer_config.json"]["model_max_length"] = 0


@case("tokenizer_config_max_string", word="model_max_length")
def _(m):
    m.json["tokenizer_config.json"]["model_max_length"] = "512"


@case("tokenizer_config_max_negative", word="model_max_length")
def _(m):
    m.json["tokenizer_config.json"]["model_max_length"] = -3


@case("tokenizer_config_array", word="tokenizer_config.json")
def _(m):
    m.json["tokenizer_config.json"] = []


@case("vocab_too_long", word="vocab")
def _(m):
    del m.json["tokenizer.json"]
    m.files["vocab.txt"] = "".join(t + "\n" for t in VOCAB + ["extra"]).encode()


@case("vocab_bad_utf8", word="vocab.txt")
def _(m):
    del m.json["tokenizer.json"]
    m.files["vocab.txt"] = b"[PAD]\n[UNK]\n\xff\xfe\n"


@case("vocab_empty", word="vocab.txt")
def _(m):
    del m.json["tokenizer.json"]
    m.files["vocab.txt"] = b""


# ---------------------------------------------------------------------------
# file system


def at(path, *parts):
    return os.path.join(path, *parts)


def fs_case(name, function, word, expected="error"):
    """A case that replaces a file on disk after all are written."""
    CASES.append(("fs_" + name, expected, word, lambda m: m.after.append(function)))


def replace(name, make):
    """Remove a file and make something else in its place."""

    def apply(path):
        full = at(path, name)
        if os.path.exists(full):
            os.remove(full)
        make(full)

    return apply


for name in ("config.json", "tokenizer.json", "model.safetensors"):
    tag = name.replace(".", "_")
    fs_case(f"fifo_{tag}", replace(name, os.mkfifo), name)
    fs_case(f"directory_{tag}", replace(name, os.mkdir), name)
    fs_case(f"dangling_{tag}", replace(name, lambda full: os.symlink("nowhere", full)), name)
    fs_case(f"loop_{tag}", replace(name, lambda full: os.symlink(os.path.basename(full), full)), name)
    fs_case(f"empty_{tag}", replace(name, lambda full: open(full, "wb").close()), name)
    fs_case(f"unreadable_{tag}", lambda path, n=name: os.chmod(at(path, n), 0), name)
fs_case("device_config", replace("config.json", lambda full: os.symlink("/dev/zero", full)), "config.json")
fs_case("device_weights", replace("model.safetensors", lambda full: os.symlink("/dev/zero", full)), "model.safetensors")
fs_case("loop_folder", lambda path: os.symlink(".", at(path, "loop")), "", "ok")
fs_case("parent_folder", lambda path: os.symlink("..", at(path, "up")), "", "ok")
fs_case("odd_names", lambda path: [open(at(path, n), "wb").close() for n in ("\n", "a\tb", "x" * 200)], "", "ok")


def sparse(path):
    """Make config.json a hole of a gigabyte."""
    with open(at(path, "config.json"), "r+b") as f:
        f.truncate(1 << 30)


fs_case("sparse_config", sparse, "config.json")


@case("fs_nothing", word="config.json")
def _(m):
    m.json.clear()
    m.tensors = None


def main():
    """Write all cases and the manifest."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = sys.argv[1]
    os.makedirs(root, exist_ok=True)
    names = set()
    with open(at(root, "manifest.tsv"), "w", encoding="utf-8") as manifest:
        for name, expected, word, change in CASES:
            if name in names:
                sys.exit(f"two cases are called {name}")
            names.add(name)
            m = Model()
            result = change(m)
            del result
            path = at(root, name)
            os.makedirs(path)
            m.write(path)
            manifest.write(f"{name}\t{expected}\t{word}\n")
    print(f"{len(CASES)} folders, {sum(e == 'error' for _, e, _, _ in CASES)} of them malformed, in {root}")


if __name__ == "__main__":
    main()
