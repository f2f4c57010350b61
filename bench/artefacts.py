#!/usr/bin/env python3
"""Builds what the CPU peers load, from a Hugging Face folder, into the cache: ONNX, OpenVINO, CTranslate2, GGUF.

Each artefact is the best configuration of its peer that is known for BERT encoders with mean pooling;
anything else is refused.  Measures nothing.  As a program it builds all of them.
"""
import contextlib
import json
import os
import pathlib
import shutil
import sys
import warnings

import common

CALIBRATION = {"max_tokens": 128, "texts": 64}


def facts(folder):
    """Return {layers, heads, hidden, inner, normalize} of a folder that the peers can run, or leave with a message."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    if config.get("model_type") != "bert":
        sys.exit(f"the peers know BERT encoders only; {folder}/config.json says {config.get('model_type')!r}")
    normalize = False
    if (folder / "modules.json").exists():
        for module in json.loads((folder / "modules.json").read_text()):
            kind = module["type"].rpartition(".")[2]
            if kind == "Normalize":
                normalize = True
            elif kind == "Pooling":
                pooling = json.loads((folder / module["path"] / "config.json").read_text())
                if not pooling.get("pooling_mode_mean_tokens"):
                    sys.exit("the peers know mean pooling only")
            elif kind != "Transformer":
                sys.exit(f"the peers do not know the module {kind}")
    return {"layers": config["num_hidden_layers"], "heads": config["num_attention_heads"],
            "hidden": config["hidden_size"], "inner": config["intermediate_size"], "normalize": normalize}


def home(folder):
    """Return the cache folder of a model folder."""
    folder = pathlib.Path(folder)
    return common.CACHE / common.digest(folder / "config.json", folder / "tokenizer.json",
                                        folder / "model.safetensors")


# ---------------------------------------------------------------- one artefact each

def build(folder, names, sample=()):
    """Build the named artefacts that are missing; return {name: path}.

    sample: texts that a calibrated artefact is calibrated with; the file's name changes with them.
    """
    shape, cache, paths = facts(folder), home(folder), {}
    cache.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name in names:
        make, file = ARTEFACTS[name]
        paths[name] = str(cache / file.format(sample=common.digest_texts(sample)))
        if os.path.exists(paths[name]):
            continue
        print(f"building {paths[name]}", file=sys.stderr, flush=True)
        part = cache / ("part-" + pathlib.Path(paths[name]).name)
        with contextlib.redirect_stdout(sys.stderr):
            make(folder, part, shape, sample)
        with contextlib.suppress(FileNotFoundError):
            part.with_suffix(".bin").rename(pathlib.Path(paths[name]).with_suffix(".bin"))
        part.rename(paths[name])
    return paths


def export_onnx(folder, path, shape, sample):
    """Export the encoder, ids in and last hidden states out, with free batch and length."""
    import torch
    from transformers import BertModel

    class Encoder(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask,
                             token_type_ids=token_type_ids).last_hidden_state

    bert = BertModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False,
                                     dtype=torch.float32).eval()
    ids = torch.randint(5, 1000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(Encoder(bert), (ids, mask, torch.zeros_like(ids)), str(path), input_names=names,
                      output_names=["hidden"], opset_version=17, dynamo=False,
                      dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "hidden"]})


def fuse_onnx(folder, path, shape, sample):
    """Fuse attention, GELU and norms with ONNX Runtime's own optimiser."""
    from onnxruntime.transformers import optimizer
    plain = build(folder, ["onnx"])["onnx"]
    model = optimizer.optimize_model(plain, model_type="bert", num_heads=shape["heads"],
                                     hidden_size=shape["hidden"], opt_level=0)
    model.save_model_to_file(str(path))


def quantize_onnx(folder, path, shape, sample):
    """Quantise the fused graph: dynamic activations, weights by channel, the fused attention too."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    fused = build(folder, ["onnx-fused"])["onnx-fused"]
    quantize_dynamic(fused, str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=False,
                     op_types_to_quantize=["MatMul", "Attention"], extra_options={"DefaultTensorType": 1})


def quantize_openvino(folder, path, shape, sample):
    """Quantise with NNCF after training, in its mode for transformers, calibrated on the sample."""
    import nncf
    import numpy as np
    import openvino
    tokenizer = common.tokenizer(folder, CALIBRATION["max_tokens"])

    def inputs(text):
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    plain = openvino.Core().read_model(build(folder, ["onnx"])["onnx"])
    made = nncf.quantize(plain, nncf.Dataset(list(sample), inputs), model_type=nncf.ModelType.TRANSFORMER,
                         subset_size=CALIBRATION["texts"])
    openvino.save_model(made, str(path), compress_to_fp16=False)


def convert_ctranslate2(folder, path, shape, sample):
    """Convert in f32; CTranslate2 quantises as it loads."""
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(str(folder)).convert(str(path), force=True)


def convert_gguf(kind):
    """Return a maker of a GGUF file as llama.cpp's own converter writes BERT, matrices in one type."""
    def make(folder, path, shape, sample):
        import gguf
        import numpy as np
        from safetensors.numpy import load_file
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text())
        vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        words = sorted(vocab, key=vocab.get)
        writer = gguf.GGUFWriter(str(path), "bert")
        writer.add_name(folder.name)
        writer.add_block_count(shape["layers"])
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(shape["hidden"])
        writer.add_feed_forward_length(shape["inner"])
        writer.add_head_count(shape["heads"])
        writer.add_layer_norm_eps(config["layer_norm_eps"])
        writer.add_causal_attention(False)
        writer.add_pooling_type(gguf.PoolingType.MEAN)
        writer.add_tokenizer_model("bert")
        writer.add_tokenizer_pre("default")
        writer.add_token_list([gguf_word(word) for word in words])
        writer.add_token_types([gguf.TokenType.CONTROL if gguf_special(word) else gguf.TokenType.NORMAL
                                for word in words])
        writer.add_token_type_count(config["type_vocab_size"])
        for name, word in (("unk", "[UNK]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("mask", "[MASK]"),
                           ("bos", "[CLS]"), ("eos", "[SEP]")):
            getattr(writer, f"add_{name}_token_id")(vocab[word])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, shape["layers"])
        for name, tensor in load_file(folder / "model.safetensors").items():
            name = name.removeprefix("bert.")
            if name.startswith("pooler.") or name.endswith("position_ids"):
                continue
            matrix = tensor.ndim == 2 and name not in ("embeddings.position_embeddings.weight",
                                                       "embeddings.token_type_embeddings.weight")
            stored = kind if matrix else "F32"
            data = gguf.quants.quantize(tensor.astype(np.float32), gguf.GGMLQuantizationType[stored])
            writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), data,
                              raw_dtype=gguf.GGMLQuantizationType[stored])
        writer.add_file_type(gguf.LlamaFileType[{"Q8_0": "MOSTLY_Q8_0", "F16": "MOSTLY_F16"}[kind]])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return make


def gguf_special(word):
    """Tell whether a word of the vocabulary is a special token."""
    return word.startswith("[") and word.endswith("]")


def gguf_word(word):
    """Spell a word as llama.cpp's tokenizer expects it: a bar before what begins a word, nothing before what goes on."""
    if gguf_special(word):
        return word
    return word[2:] if word.startswith("##") else "\u2581" + word


ARTEFACTS = {
    "onnx": (export_onnx, "raw.onnx"),
    "onnx-fused": (fuse_onnx, "fused.onnx"),
    "onnx-int8": (quantize_onnx, "int8.onnx"),
    "openvino-int8": (quantize_openvino, "int8-{sample}.xml"),
    "ctranslate2": (convert_ctranslate2, "ctranslate2"),
    "gguf-f16": (convert_gguf("F16"), "f16.gguf"),
    "gguf-q8": (convert_gguf("Q8_0"), "q8_0.gguf"),
}


# ---------------------------------------------------------------- folders for the server

def cut_folder(folder, max_tokens):
    """Return a copy of a folder whose embeddings are cut at max_tokens (made once, readable by a server)."""
    copy = home(folder) / f"cut{max_tokens}"
    if not copy.exists():
        part = copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        settings = part / "sentence_bert_config.json"
        values = json.loads(settings.read_text()) if settings.exists() else {}
        settings.write_text(json.dumps({**values, "max_seq_length": max_tokens}))
        part.rename(copy)
    return copy


def main():
    parser = common.options(__doc__, "folder", "emails")
    args = parser.parse_args()
    sample = common.sample(common.emails(args.emails))
    for name, path in build(args.folder, list(ARTEFACTS), sample).items():
        print(f"{name}: {path}")


if __name__ == "__main__":
    main()
