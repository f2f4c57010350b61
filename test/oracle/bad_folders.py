"""A corpus of malformed model folders: each case is a copy of a small valid folder with one change.

    from bad_folders import CASES, make
    make(case, path)        # writes the folder
"""

import json
import os
import shutil
import socket
import struct
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
CASES = []


class Case:
    """One folder: its name, what it starts from, what is done to it, and whether it may or must load."""

    def __init__(self, name, change, base="tiny", may_load=False, must_load=False, path=None):
        self.name, self.change, self.base = name, change, base
        self.may_load, self.must_load, self.path = may_load or must_load, must_load, path


def make(case, path):
    """Write the folder of a case."""
    shutil.copytree(DATA / case.base, path)
    for p in (path, *path.rglob("*")):
        p.chmod(0o755 if p.is_dir() else 0o644)
    if case.change:
        case.change(path)


def add(name, change, **more):
    CASES.append(Case(name, change, **more))


# ---------------------------------------------------------------- changes

def text(file, content):
    """Replace a file by text or bytes."""
    def change(d):
        (d / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return change


def edit(file, function):
    """Change a JSON file through a function of its value (which may return a new one)."""
    def change(d):
        value = json.loads((d / file).read_text())
        new = function(value)
        (d / file).write_text(json.dumps(value if new is None else new))
    return change


def put(file, key, value):
    """Set a key of a JSON file; a key with dots goes down."""
    def function(v):
        *way, last = key.split(".")
        for step in way:
            v = v[int(step)] if isinstance(v, list) else v[step]
        v[int(last) if isinstance(v, list) else last] = value
    return edit(file, function)


def drop(file, key):
    """Delete a key of a JSON file."""
    def function(v):
        *way, last = key.split(".")
        for step in way:
            v = v[int(step)] if isinstance(v, list) else v[step]
        del v[int(last) if isinstance(v, list) else last]
    return edit(file, function)


def tensors(function, raw=False):
    """Change model.safetensors through a function of (header, data); raw: it returns the whole file."""
    def change(d):
        blob = (d / "model.safetensors").read_bytes()
        n = struct.unpack("<Q", blob[:8])[0]
        header, data = json.loads(blob[8:8 + n]), blob[8 + n:]
        result = function(header, data)
        if raw:
            blob = result
        else:
            header, data = result if result is not None else (header, data)
            text_ = json.dumps(header).encode()
            blob = struct.pack("<Q", len(text_)) + text_ + data
        (d / "model.safetensors").write_bytes(blob)
    return change


def tensor(name, key, value):
    """Set one key of one tensor's entry."""
    def function(header, data):
        header[name][key] = value
    return tensors(function)


def replace(file, function):
    """Remove a file and let a function make something else in its place."""
    def change(d):
        (d / file).unlink()
        function(d / file)
    return change


def all_of(*changes):
    def change(d):
        for c in changes:
            c(d)
    return change


def gone(*files):
    def change(d):
        for f in files:
            (d / f).unlink()
    return change


def make_socket(path):
    """A socket file; paths of sockets are short, so it is made elsewhere and moved."""
    s = socket.socket(socket.AF_UNIX)
    short = f"/tmp/lepton_socket_{os.getpid()}"
    s.bind(short)
    s.close()
    shutil.move(short, path)


# ---------------------------------------------------------------- file system

for name, path in (("no such folder", "/nonexistent/x"), ("empty path", ""), ("relative path", "test/data/tiny"), ("a device", "/dev/null"),
                   ("endless device", "/dev/zero"), ("proc", "/proc/self"), ("root", "/"), ("very long path", "/x" * 5000),
                   ("parents", "/tmp/../../../../../nonexistent")):
    CASES.append(Case("fs: " + name, None, path=path))
REAL = ("config.json", "tokenizer.json", "model.safetensors", "modules.json", "1_Pooling/config.json")
for f in REAL:
    add(f"fs: {f} is a fifo", replace(f, os.mkfifo))
    add(f"fs: {f} is a directory", replace(f, os.mkdir), may_load=f == "modules.json")
    add(f"fs: {f} is a loop of links", replace(f, lambda p: os.symlink(p.name, p)))
    add(f"fs: {f} is a dangling link", replace(f, lambda p: os.symlink("nowhere", p)), may_load=f == "modules.json")
    add(f"fs: {f} may not be read", lambda d, f=f: (d / f).chmod(0))
    add(f"fs: {f} is empty", text(f, b""))
    add(f"fs: {f} is a link to a device", replace(f, lambda p: os.symlink("/dev/zero", p)))
for f in REAL[:3] + REAL[4:]:
    add(f"fs: {f} is missing", gone(f))
add("fs: modules.json is missing", gone("modules.json"), must_load=True)
add("fs: config.json is a socket", replace("config.json", make_socket))
add("fs: an empty folder", lambda d: (shutil.rmtree(d), d.mkdir()))
add("fs: a file", lambda d: (shutil.rmtree(d), d.write_text("x")))
add("fs: a fifo", lambda d: (shutil.rmtree(d), os.mkfifo(d)))
add("fs: a folder that may not be listed", lambda d: d.chmod(0))
add("fs: a folder that contains itself", lambda d: os.symlink(".", d / "loop"), must_load=True)
add("fs: links to real files", lambda d: [((d / f).rename(d / (f + ".real")), os.symlink(f + ".real", d / f)) for f in REAL[:3]], must_load=True)
add("fs: a fifo that no model needs", lambda d: os.mkfifo(d / "notes.txt"), may_load=True)
add("fs: many other files", lambda d: [(d / f"other{i}.json").write_text("{}") for i in range(3000)], may_load=True)
add("fs: a name with odd bytes", lambda d: open(os.fsencode(d) + b"/\xff\n\x01.json", "w").close(), may_load=True)
add("fs: deep folders", lambda d: (d / "/".join(["x"] * 200)).mkdir(parents=True), may_load=True)

# ---------------------------------------------------------------- config.json

for name, content in (("no JSON", "hello"), ("an array", "[]"), ("null", "null"), ("a number", "1"), ("a string", '"bert"'), ("an empty object", "{}"),
                      ("two objects", "{}{}"), ("invalid UTF-8", b'{"model_type": "\xff\xfe"}'), ("UTF-16", '{"model_type": "bert"}'.encode("utf-16")),
                      ("NUL bytes", b"\0" * 500), ("deep nesting", "[" * 100000 + "]" * 100000), ("deep objects", '{"a":' * 100000 + "1" + "}" * 100000),
                      ("a NaN", '{"hidden_size": NaN}'), ("a huge number", '{"hidden_size": 1' + "0" * 400 + "}"), ("an open string", '{"model_type": "bert')):
    add("config: " + name, text("config.json", content))
for key in ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "max_position_embeddings",
            "layer_norm_eps", "hidden_act", "type_vocab_size", "architectures"):
    add(f"config: no {key}", drop("config.json", key), may_load=True)
for key, values in {
        "model_type": ["gpt9", "", 7, None, "x" * 100000, "caf\u00e9\n\t"],
        "hidden_size": [0, -32, 33, 64, 2 ** 31, 2 ** 63, 1e300, 32.5, "32", [32], None, True],
        "num_hidden_layers": [-1, 3, 10 ** 9, "two", None],
        "num_attention_heads": [0, -4, 5, 64, 2 ** 40, None],
        "intermediate_size": [0, -1, 128, 2 ** 62],
        "vocab_size": [0, 10, 421, 2 ** 40],
        "max_position_embeddings": [0, 1, 65, 10 ** 12],
        "type_vocab_size": [0, -1, 3],
        "layer_norm_eps": [-1, "small", 1e400],
        "hidden_act": ["none_such", 5, None],
        "position_embedding_type": ["relative_key", 5],
        "is_decoder": [True],
        "architectures": [["BertForMaskedNothing"], [], "BertModel", [5]]}.items():
    for value in values:
        shown = str(value)[:20].encode("ascii", "replace").decode().strip()
        lenient = key in ("type_vocab_size", "layer_norm_eps", "position_embedding_type", "architectures", "is_decoder") or value in (None, 32.5, 1)
        add(f"config: {key} = {shown}", put("config.json", key, value), may_load=lenient)
add("config: a key twice", text("config.json", '{"model_type": "bert", "model_type": "bert"}'))
for name, value in (("holes", {"0": "a", "2": "b", "3": "c"}), ("too few", {"0": "a"}), ("too many", {str(i): str(i) for i in range(9)}), ("empty", {}),
                    ("no numbers", {"x": "a", "y": "b", "z": "c"}), ("equal names", {"0": "a", "1": "a", "2": "a"}), ("numbers as names", {"0": 1, "1": 2, "2": 3}),
                    ("a list", ["a", "b", "c"]), ("negative", {"-1": "a", "0": "b", "1": "c"}), ("a huge index", {"0": "a", "1": "b", str(2 ** 40): "c"})):
    add("config: id2label " + name, put("config.json", "id2label", value), base="tiny_classify", may_load=name in ("equal names", "a list", "empty", "numbers as names"))
add("config: unknown problem_type", put("config.json", "problem_type", "guess"), base="tiny_classify")
add("config: regression with three labels", put("config.json", "problem_type", "regression"), base="tiny_classify", may_load=True)

# ---------------------------------------------------------------- safetensors

WORD = "embeddings.word_embeddings.weight"
for name, function in (("header longer than the file", lambda h, d: struct.pack("<Q", 1 << 40) + b"{}"), ("header length 0", lambda h, d: struct.pack("<Q", 0) + d),
                       ("header length 2^64 - 1", lambda h, d: b"\xff" * 8 + d), ("header length 2^63", lambda h, d: struct.pack("<Q", 1 << 63) + d),
                       ("seven bytes", lambda h, d: b"\1" * 7), ("header is no JSON", lambda h, d: struct.pack("<Q", 4) + b"spam" + d),
                       ("header is an array", lambda h, d: struct.pack("<Q", 2) + b"[]" + d), ("no tensors", lambda h, d: struct.pack("<Q", 2) + b"{}"),
                       ("header of nesting", lambda h, d: struct.pack("<Q", 40000) + b"[" * 20000 + b"]" * 20000), ("a zip", lambda h, d: b"PK\3\4" + d),
                       ("only text", lambda h, d: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n")):
    add("safetensors: " + name, tensors(function, raw=True))
add("safetensors: data cut short", tensors(lambda h, d: (h, d[:-1])))
add("safetensors: data too long", tensors(lambda h, d: (h, d + b"x")))
add("safetensors: no data", tensors(lambda h, d: (h, b"")))
for key, values in {
        "dtype": ["F64", "I64", "F99", "", 5, None, "F16"],
        "shape": [[420, 33], [32, 420], [420], [], [420, 32, 1], [-420, 32], [2 ** 62, 2 ** 62], [420.5, 32], "420x32", None, [[420], 32], [0, 32], [2 ** 64, 1]],
        "data_offsets": [[0, 1], [5, 0], [-1, 53759], [0, 2 ** 62], [2 ** 63, 2 ** 63 + 53760], ["0", "53760"], [0], [0, 1, 2], None, [0.0, 1.5]]}.items():
    for value in values:
        add(f"safetensors: {key} = {json.dumps(value)[:40]}", tensor(WORD, key, value))
add("safetensors: an entry is a number", tensors(lambda h, d: h.update({WORD: 5})))
add("safetensors: overlapping tensors", tensors(lambda h, d: h[WORD].update(data_offsets=h["embeddings.position_embeddings.weight"]["data_offsets"])))
for name in (WORD, "embeddings.LayerNorm.weight", "encoder.layer.0.attention.self.query.weight", "encoder.layer.1.output.dense.bias", "encoder.layer.1.intermediate.dense.weight"):
    add(f"safetensors: no {name}", tensors(lambda h, d, name=name: h.pop(name) and None))
add("safetensors: an extra tensor", tensors(lambda h, d: (h.update(extra={"dtype": "F32", "shape": [1], "data_offsets": [len(d), len(d) + 4]}), (h, d + b"\0" * 4))[1]), must_load=True)
add("safetensors: an unknown prefix", tensors(lambda h, d: ({("odd." + k if k != "__metadata__" else k): v for k, v in h.items()}, d)))
add("safetensors: metadata is a list", tensors(lambda h, d: h.update(__metadata__=[1])), may_load=True)
add("safetensors: weights are NaN", tensors(lambda h, d: (h, b"\xff" * len(d))), may_load=True)
add("classifier without its head", tensors(lambda h, d: h.pop("classifier.weight") and None), base="tiny_classify")
add("classifier with a head of another size", tensor("classifier.weight", "shape", [32, 3]), base="tiny_classify")

INDEX = "model.safetensors.index.json"
for name, change in (("no JSON", text(INDEX, "x")), ("no weight_map", drop(INDEX, "weight_map")), ("weight_map is a list", put(INDEX, "weight_map", [])), ("weight_map is empty", put(INDEX, "weight_map", {})),
                     ("a shard is missing", gone("model-00002-of-00002.safetensors")), ("a shard is damaged", text("model-00001-of-00002.safetensors", b"x" * 50)),
                     ("a shard outside", edit(INDEX, lambda v: v["weight_map"].update({k: "../" + f for k, f in v["weight_map"].items()}))),
                     ("an absolute shard", edit(INDEX, lambda v: v["weight_map"].update({k: "/etc/passwd" for k in v["weight_map"]}))),
                     ("a shard is a number", edit(INDEX, lambda v: v["weight_map"].update({k: 5 for k in v["weight_map"]}))),
                     ("tensors in the wrong shard", edit(INDEX, lambda v: v["weight_map"].update({k: "model-00001-of-00002.safetensors" for k in v["weight_map"]}))),
                     ("the index is missing", gone(INDEX))):
    add("shards: " + name, change, base="tiny_multi", may_load=name == "tensors in the wrong shard")

# ---------------------------------------------------------------- tokenizer

TOK = "tokenizer.json"
for name, content in (("no JSON", "x"), ("an array", "[]"), ("an empty object", "{}"), ("null", "null"), ("deep nesting", '{"model":' * 50000 + "1" + "}" * 50000), ("invalid UTF-8", b'{"version": "\xc3\x28"}')):
    add("tokenizer: " + name, text(TOK, content))
for key, values in {
        "model": [None, 5, {}],
        "model.type": ["BPE", "Unigram", "Nonsense", 5],
        "model.vocab": [{}, [], {"[UNK]": -1}, {"[UNK]": 2 ** 40}, {"[UNK]": "1"}, {"[UNK]": 1.5}, {"a": 0, "b": 0}, {"[UNK]": 0}],
        "model.unk_token": ["nowhere", None, 5],
        "model.continuing_subword_prefix": ["", None, 5],
        "model.max_input_chars_per_word": [-1, "many", 2 ** 64],
        "normalizer": [{"type": "Nonsense"}, {"type": "Sequence"}, 5, {"type": "Precompiled", "precompiled_charsmap": "!!"}],
        "pre_tokenizer": [{"type": "Nonsense"}, {"type": "Split"}, 5],
        "post_processor": [{"type": "Nonsense"}, {"type": "TemplateProcessing"}, {"type": "BertProcessing", "sep": ["x", -5], "cls": ["y", 10 ** 9]}, 5],
        "post_processor.special_tokens": [{}, {"[CLS]": {"id": "[CLS]", "ids": [10 ** 9], "tokens": ["[CLS]"]}}],
        "post_processor.single": [[], [{"Nonsense": 1}], "x", [{"SpecialToken": {"id": "gone", "type_id": 0}}]],
        "added_tokens": [5, [5], [{"id": -1, "content": "x", "special": True}], [{"id": 10 ** 9, "content": "x", "special": True}], [{"id": 2, "content": "", "special": True}], [{"id": 2}],
                         [{"id": 419, "content": "x" * 100000, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}]]}.items():
    for value in values:
        lenient = key in ("model.unk_token", "post_processor.single", "model.continuing_subword_prefix", "added_tokens", "model.vocab", "post_processor", "post_processor.special_tokens")
        add(f"tokenizer: {key} = {json.dumps(value)[:40]}", put(TOK, key, value), may_load=lenient)
add("tokenizer: more pieces than embeddings", edit(TOK, lambda v: v["model"]["vocab"].update({f"more{i}": 420 + i for i in range(50)})), may_load=True)
add("tokenizer: an id twice", edit(TOK, lambda v: v["model"]["vocab"].update({"again": 7})), may_load=True)
add("tokenizer: neither file", gone("vocab.txt"), base="tiny_classify")
for name, content in (("empty", b""), ("one line", b"[UNK]\n"), ("no special tokens", b"a\nb\nc\n"), ("the same line often", b"a\n" * 500), ("invalid UTF-8", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\xff\xfe\n"),
                      ("no line ends", b"x" * 100000), ("NUL bytes", b"\0" * 1000), ("binary", bytes(range(256)) * 20)):
    add("vocab.txt: " + name, text("vocab.txt", content), base="tiny_classify", may_load=name in ("the same line often", "one line"))
for key, value in (("do_lower_case", "yes"), ("model_max_length", -5), ("model_max_length", "x"), ("model_max_length", 10 ** 40), ("unk_token", 5), ("cls_token", "gone"), ("tokenizer_class", "LlamaTokenizer")):
    add(f"tokenizer_config: {key} = {str(value)[:12]}", put("tokenizer_config.json", key, value), base="tiny_classify", may_load=True)
add("tokenizer_config: no JSON", text("tokenizer_config.json", "x"), base="tiny_classify")

# ---------------------------------------------------------------- sentence-transformers

MOD = "modules.json"
for name, content in (("no JSON", "x"), ("an object", "{}"), ("an empty list", "[]"), ("a list of numbers", "[1, 2]")):
    add("modules: " + name, text(MOD, content), may_load=name == "an empty list")
for key, values in {
        "1.type": ["sentence_transformers.models.Nonsense", 5, None, "os.system", "Pooling"],
        "1.path": ["../1_Pooling", "/etc", "nowhere", 5, None, "x" * 1000, "1_Pooling/../../x"],
        "0.path": ["nowhere", "../tiny"],
        "0.type": ["sentence_transformers.models.CLIPModel", "sentence_transformers.models.Pooling"],
        "2.type": ["sentence_transformers.models.Dense", "sentence_transformers.models.Transformer"]}.items():
    for value in values:
        add(f"modules: {key} = {str(value)[:40]}", put(MOD, key, value), may_load=value == "Pooling")
add("modules: pooling twice", edit(MOD, lambda v: v.insert(2, v[1])), may_load=True)
add("modules: normalise before pooling", edit(MOD, lambda v: [v[0], v[2], v[1]]), may_load=True)
add("modules: only the transformer", edit(MOD, lambda v: v[:1]), may_load=True)
add("modules: a thousand", edit(MOD, lambda v: v[:2] + [v[2]] * 1000), may_load=True)
POOL = "1_Pooling/config.json"
add("pooling: no mode", put(POOL, "pooling_mode_mean_tokens", False), must_load=True)
add("pooling: no JSON", text(POOL, "x"))
add("pooling: an unknown mode", edit(POOL, lambda v: {"word_embedding_dimension": 32, "pooling_mode": "guess"}))
for value in (31, 0, -1, 10 ** 12, "32", None):
    add(f"pooling: {value} dimensions", put(POOL, "word_embedding_dimension", value), may_load=True)
ST = "sentence_bert_config.json"
for value in (0, -1, 10 ** 9, "many", 1.5):
    add(f"sentence_bert_config: max_seq_length {value}", put(ST, "max_seq_length", value), may_load=True)
add("sentence_bert_config: no JSON", text(ST, "x"))
