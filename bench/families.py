#!/usr/bin/env python3
"""Compare int8 with f32, by family, on models of BERT-base's shape with random weights, on one core.

Usage: families.py RUN_MODEL COMPRESS_FOLDER FOLDER [--layers N] [--precision NAME] [FAMILY ...]

The tools are those of `make tools`. Models are made in FOLDER with transformers (test/requirements-peers.txt); one is a few
hundred megabytes and goes when it has been measured. Prints by family the least and mean cosine of the embeddings of 64 texts
that compression has not seen, both speeds in tokens/s and their ratio; fails below a mean cosine of 0.995 or a ratio of 2.
"""
import argparse
import pathlib
import random
import re
import shutil
import subprocess
import sys

import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test" / "tools"))
import make_tiny_families as tiny  # noqa: E402
from make_tiny_models import vocab, write_tokenizer  # noqa: E402

SHAPE = dict(hidden_size=768, num_attention_heads=12, intermediate_size=3072, max_position_embeddings=514,
             vocab_size=len(vocab()))
OTHERS = {
    "albert": dict(embedding_size=128),
    "distilbert": dict(dim=768, n_heads=12, hidden_dim=3072),
    "electra": dict(embedding_size=768),
    "deberta_v2": dict(pos_att_type=["p2c", "c2p"], relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
                       share_att_key=True, position_biased_input=False, max_relative_positions=-1),
    "modernbert": dict(intermediate_size=1152, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2,
                       sep_token_id=3),
    "mpnet": dict(pad_token_id=1),
    "roberta": dict(pad_token_id=1),
}
DEFAULT = ["bert", "distilbert", "roberta", "albert", "electra", "mpnet", "deberta_v2", "modernbert"]
STEMS = {**{name: stem for name, (stem, _) in tiny.FAMILIES.items()}, "deberta_v2": "DebertaV2", "modernbert": "ModernBert",
         "mpnet": "MPNet"}


def make(path, family, layers):
    """A model whose rows keep their size from layer to layer and differ from text to text."""
    kind = getattr(transformers, STEMS[family] + "Model")
    settings = {**SHAPE, **OTHERS.get(family, {})}
    settings["n_layers" if family == "distilbert" else "num_hidden_layers"] = layers
    torch.manual_seed(7)
    model = kind(kind.config_class(**settings)).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.copy_((1 if name.endswith("weight") else 0) + 0.1 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.5 if "embeddings" in name else p.shape[1] ** -0.5))
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path)
    write_tokenizer(path, max_length=512)


def texts(n):
    """Texts of seeded words, of 8 to 120 of them."""
    words = [w for w in vocab()[5:] if w.isalpha() and len(w) > 1]
    chance = random.Random(3)
    return [" ".join(chance.choices(words, k=chance.randint(8, 120))) for _ in range(n)]


def run(tool, *args, lines):
    """What a tool prints on these texts."""
    return subprocess.run([tool, *map(str, args)], input="\n".join(lines) + "\n", text=True, capture_output=True,
                          check=True).stdout


def measure(args, path, lines):
    """Embeddings and tokens/s of a folder."""
    rows = torch.tensor([[float(x) for x in line.split()] for line in run(args.run_model, path, lines=lines).splitlines()])
    speed = re.search(r"best (\d+) tokens/s", run(args.run_model, "--bench", 5, path, lines=lines))
    return rows, int(speed.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run_model")
    parser.add_argument("compress_folder")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--precision", default="i8")
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    lines = texts(64)
    missed = 0
    for family in args.families or DEFAULT:
        plain, small = args.folder / family, args.folder / (family + "-" + args.precision)
        make(plain, family, args.layers)
        shutil.rmtree(small, ignore_errors=True)
        subprocess.run([args.compress_folder, plain, small, args.precision], check=True, capture_output=True)
        rows, speed = measure(args, plain, lines)
        rows_small, speed_small = measure(args, small, lines)
        cosine = torch.cosine_similarity(rows, rows_small)
        shutil.rmtree(plain)
        shutil.rmtree(small)
        good = cosine.mean() >= 0.995 and speed_small >= 2 * speed
        missed += not good
        print(f"{family}: cosine {cosine.mean():.5f}, least {cosine.min():.5f}; {speed} and {speed_small} tokens/s, "
              f"{speed_small / speed:.2f} x{'' if good else ' MISSED'}", flush=True)
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
