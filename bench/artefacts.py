"""Builds what the CPU peers load, from a Hugging Face folder, into the cache: ONNX and fused ONNX.

OpenVINO reads the plain ONNX file.  Measures nothing.  Only BERT encoders with mean pooling
are known here; anything else is refused.
"""
import json
import pathlib
import shutil
import sys
import warnings

import common


def facts(folder):
    """Return {heads, hidden, normalize} of a folder that the peers can run, or leave with a message."""
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
    return {"heads": config["num_attention_heads"], "hidden": config["hidden_size"], "normalize": normalize}


def home(folder):
    """Return the cache folder of a model folder."""
    folder = pathlib.Path(folder)
    return common.CACHE / common.digest(folder / "config.json", folder / "tokenizer.json",
                                        folder / "model.safetensors")


def build(folder):
    """Build what is missing; return the cache folder, with raw.onnx and fused.onnx in it."""
    shape = facts(folder)
    cache = home(folder)
    cache.mkdir(parents=True, exist_ok=True)
    raw, fused = cache / "raw.onnx", cache / "fused.onnx"
    warnings.simplefilter("ignore")
    if not raw.exists():
        export(folder, cache / "part.onnx")
        (cache / "part.onnx").rename(raw)
    if not fused.exists():
        from onnxruntime.transformers import optimizer
        model = optimizer.optimize_model(str(raw), model_type="bert", num_heads=shape["heads"],
                                         hidden_size=shape["hidden"], opt_level=0)
        model.save_model_to_file(str(cache / "part.onnx"))
        (cache / "part.onnx").rename(fused)
    return cache


def export(folder, path):
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
