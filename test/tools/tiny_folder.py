"""A small valid model folder in plain Python, to be changed before it is written (make_bad_folders.py)."""
import json
import os
import random
import struct

HIDDEN, LAYERS, HEADS, INTER, POSITIONS = 16, 2, 2, 32, 40
VOCAB = (
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    + ["##" + chr(c) for c in range(ord("a"), ord("z") + 1)]
    + [".", ",", "!", "?", "the", "mail"]
)


class Raw(str):
    """JSON text that is written as it stands."""


def dump(value):
    """JSON text of value; Raw parts stay as they are."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(json.dumps(k) + ": " + dump(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dump(v) for v in value) + "]"
    return json.dumps(value)


class Model:
    """A folder under construction: JSON values, tensors, other files."""

    def __init__(self):
        rng = random.Random(1)
        self.json = {
            "config.json": {
                "architectures": ["BertModel"],
                "model_type": "bert",
                "vocab_size": len(VOCAB),
                "hidden_size": HIDDEN,
                "num_hidden_layers": LAYERS,
                "num_attention_heads": HEADS,
                "intermediate_size": INTER,
                "max_position_embeddings": POSITIONS,
                "type_vocab_size": 2,
                "hidden_act": "gelu",
                "layer_norm_eps": 1e-12,
                "pad_token_id": 0,
            },
            "tokenizer.json": tokenizer_json(),
            "tokenizer_config.json": {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": True,
                "model_max_length": POSITIONS,
            },
        }
        self.files = {}
        self.tensors = {}
        self.metadata = {"format": "pt"}
        self.weights = "model.safetensors"
        self.after = []

        def tensor(name, *shape, scale=0.3, offset=0.0):
            n = 1
            for d in shape:
                n *= d
            data = struct.pack(f"<{n}f", *(offset + rng.gauss(0, scale) for _ in range(n)))
            self.tensors[name] = ["F32", list(shape), data]

        def norm(name):
            tensor(name + ".weight", HIDDEN, scale=0.1, offset=1.0)
            tensor(name + ".bias", HIDDEN, scale=0.1)

        def linear(name, d_out, d_in):
            tensor(name + ".weight", d_out, d_in)
            tensor(name + ".bias", d_out, scale=0.1)

        tensor("embeddings.word_embeddings.weight", len(VOCAB), HIDDEN)
        tensor("embeddings.position_embeddings.weight", POSITIONS, HIDDEN)
        tensor("embeddings.token_type_embeddings.weight", 2, HIDDEN)
        norm("embeddings.LayerNorm")
        for i in range(LAYERS):
            at = f"encoder.layer.{i}."
            for part in ("query", "key", "value"):
                linear(at + "attention.self." + part, HIDDEN, HIDDEN)
            linear(at + "attention.output.dense", HIDDEN, HIDDEN)
            norm(at + "attention.output.LayerNorm")
            linear(at + "intermediate.dense", INTER, HIDDEN)
            linear(at + "output.dense", HIDDEN, INTER)
            norm(at + "output.LayerNorm")
        linear("pooler.dense", HIDDEN, HIDDEN)

    @property
    def config(self):
        return self.json["config.json"]

    @property
    def tokenizer(self):
        return self.json["tokenizer.json"]

    def classifier(self, n=2, **config):
        """Turn the encoder into a classifier of n labels."""
        rng = random.Random(2)
        self.tensors = {"bert." + k: v for k, v in self.tensors.items()}
        data = struct.pack(f"<{n * HIDDEN}f", *(rng.gauss(0, 0.5) for _ in range(n * HIDDEN)))
        self.tensors["classifier.weight"] = ["F32", [n, HIDDEN], data]
        self.tensors["classifier.bias"] = ["F32", [n], bytes(4 * n)]
        self.config["architectures"] = ["BertForSequenceClassification"]
        self.config["id2label"] = {str(i): "ab"[i % 2] * (i // 2 + 1) for i in range(n)}
        self.config.update(config)

    def sentence_transformer(self, *modules, at=""):
        """Add modules.json with the transformer at a folder and other (class, path, config)."""
        entries = [("Transformer", at, None)] + list(modules)
        self.json["modules.json"] = [
            {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
            for i, (kind, path, _) in enumerate(entries)
        ]
        for _, path, config in modules:
            if config is not None:
                self.json[path + "/config.json"] = config
        self.json["sentence_bert_config.json"] = {"max_seq_length": 32, "do_lower_case": False}

    def pooling(self, **config):
        return ("Pooling", "1_Pooling", {"word_embedding_dimension": HIDDEN, **config})

    def dense(self, d_out=8, **config):
        """A Dense module with its weights."""
        config = {
            "in_features": HIDDEN,
            "out_features": d_out,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
            **config,
        }
        self.files["2_Dense/model.safetensors"] = safetensors(
            {
                "linear.weight": ["F32", [d_out, HIDDEN], struct.pack(f"<{d_out * HIDDEN}f", *([0.1] * d_out * HIDDEN))],
                "linear.bias": ["F32", [d_out], bytes(4 * d_out)],
            }
        )
        return ("Dense", "2_Dense", config)

    def write(self, path):
        """Write all files below path."""
        files = {name: dump(value).encode("utf-8", "surrogatepass") for name, value in self.json.items()}
        if self.tensors is not None:
            files[self.weights] = safetensors(self.tensors, self.metadata)
        files.update(self.files)
        for name, data in files.items():
            if data is None:
                continue
            full = os.path.join(path, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(data)
        for function in self.after:
            function(path)


def tokenizer_json():
    """tokenizer.json of an uncased BERT tokenizer."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": VOCAB[i],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i in range(5)
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            ],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(VOCAB)},
        },
    }


def safetensors(tensors, metadata=None, header=None, tail=b"", length=None):
    """Bytes of a safetensors file; header replaces the JSON text, length its announced size."""
    entries = {}
    data = b""
    if metadata is not None:
        entries["__metadata__"] = metadata
    for name, (dtype, shape, values) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = (dump(entries) if header is None else header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text) if length is None else length) + text + data + tail
