#!/usr/bin/env python3
"""Train the toy model of examples/entities: order numbers, companies and amounts of money in short English texts.

Usage: make_entities.py OUTPUT_DIR

It learns from sentences that this script makes up, so it is good for the examples and no more. Needs torch, tokenizers and
transformers; takes some minutes.
"""
import json
import pathlib
import random
import sys

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification

LABELS = ["O", "B-ORDER", "I-ORDER", "B-ORG", "I-ORG", "B-MONEY", "I-MONEY"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENDINGS = ["Corp", "Inc", "Group", "Bank", "Motors", "Energy", "Holdings", "Labs", "Systems", "Foods", "Airlines", "Pharma"]
SYLLABLES = "ac al an ar be bo ca co da de el en er fa fi ga gi ha ho in ka ko la le lo ma me mi na ne no on or pa pe ra re ri ro sa se si ta te ti to va ve vi za".split()
TEMPLATES = [
    "My order {ORDER} has not arrived yet.", "Order {ORDER} arrived broken , I want my money back !", "Where is my parcel ? The order is {ORDER} .",
    "I was charged {MONEY} twice for order {ORDER} .", "Please cancel order number {ORDER} and refund {MONEY} .", "Hello , the invoice for {ORDER} is wrong .",
    "This is the third time that I write about {ORDER} !", "How do I change my password ?", "I cannot log in since Monday .",
    "Thank you for the quick answer to order {ORDER} .", "The colour is not the one on the photo , order {ORDER} .", "Your service is terrible , I am very angry .",
    "{ORG} shares fall after weak quarter", "{ORG} buys {ORG} for {MONEY}", "{ORG} reports record profit of {MONEY}", "Profit warning at {ORG} sends shares lower",
    "{ORG} cuts 500 jobs after a loss of {MONEY}", "Court fines {ORG} {MONEY} over data leak", "{ORG} and {ORG} plan a joint plant in Berlin",
    "{ORG} raises its dividend as sales grow", "Regulator clears takeover of {ORG} by {ORG}", "{ORG} opens a new office in London", "Oil prices rise on Monday",
    "The central bank leaves rates unchanged", "Analysts expect {ORG} to miss its targets", "{ORG} recalls 3000 cars", "Strike at {ORG} enters second week",
    "I ordered three lamps and got two , number {ORDER} .", "When will {ORDER} be delivered ?", "{ORG} stock jumps as {MONEY} deal is signed",
]


def company(rng):
    """A made-up name of a company."""
    name = "".join(rng.choice(SYLLABLES) for _ in range(rng.choice([2, 2, 3]))).capitalize()
    return name if rng.random() < 0.4 else name + " " + rng.choice(ENDINGS)


def fill(kind, rng):
    """A value of a kind."""
    if kind == "ORDER":
        number = "".join(rng.choice("0123456789") for _ in range(rng.choice([4, 5, 6])))
        return rng.choice(["", "#", "A-", "B-"]) + number
    if kind == "MONEY":
        return rng.choice(["$", "\u20ac"]) + str(rng.randint(2, 900)) + rng.choice(["", " million", " billion", ".50"])
    return company(rng)


def sentence(rng):
    """A sentence and its entities as (start, end, kind)."""
    text, spans = "", []
    template = rng.choice(TEMPLATES)
    for piece in template.replace("{", "\0{").replace("}", "}\0").split("\0"):
        if piece.startswith("{"):
            value = fill(piece[1:-1], rng)
            spans.append((len(text), len(text) + len(value), piece[1:-1]))
            text += value
        else:
            text += piece
    if rng.random() < 0.4:
        more, others = sentence(rng)
        spans += [(s + len(text) + 1, e + len(text) + 1, k) for s, e, k in others]
        text += " " + more
    return text, spans


def tokenizer():
    """Words of the templates, and letters for all others."""
    words = sorted({w.lower() for t in TEMPLATES for w in t.replace("{", " {").split() if w.isalpha()} | {e.lower() for e in ENDINGS} |
                   {"million", "billion", "the", "a", "of", "and", "to", "is", "was", "not", "you", "we"})
    letters = [chr(c) for c in range(97, 123)] + list("0123456789")
    tokens = SPECIAL + list("#-$\u20ac.,!?':;()%/&") + letters + ["##" + c for c in letters] + ["##" + s for s in SYLLABLES] + SYLLABLES + words
    vocab = {}
    for t in tokens:
        vocab.setdefault(t, len(vocab))
    t = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(SPECIAL)
    return t


def batch(tok, rng, n):
    """Ids, mask and labels of n sentences."""
    ids, targets = [], []
    for _ in range(n):
        text, spans = sentence(rng)
        enc = tok.encode(text)
        row, before = [], None
        for (start, end), special in zip(enc.offsets, enc.special_tokens_mask):
            found = next(((s, k) for s, e, k in spans if s <= start and end <= e), None) if not special else None
            row.append(-100 if special else 0 if found is None else LABELS.index(("I-" if found == before else "B-") + found[1]))
            before = found
        ids.append(enc.ids[:128])
        targets.append(row[:128])
    size = max(map(len, ids))
    pad = lambda rows, value: torch.tensor([r + [value] * (size - len(r)) for r in rows])
    x = pad(ids, 0)
    return x, (x != 0).long(), pad(targets, -100)


def main():
    out = pathlib.Path(sys.argv[1])
    torch.manual_seed(3)
    torch.set_num_threads(1)
    rng = random.Random(3)
    tok = tokenizer()
    model = BertForTokenClassification(BertConfig(
        vocab_size=tok.get_vocab_size(), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, max_position_embeddings=128,
        id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)}, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    steps = 1500
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        x, mask, y = batch(tok, rng, 32)
        loss = model(input_ids=x, attention_mask=mask, labels=y).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0:
            print(step, round(loss.item(), 4), flush=True)
    x, mask, y = batch(tok, random.Random(99), 500)
    with torch.no_grad():
        right = (model.eval()(input_ids=x, attention_mask=mask).logits.argmax(-1) == y)[y >= 0].float().mean().item()
    print(f"{right:.4f} of the tokens of 500 new sentences are right")
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    tok.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 128, "mask_token": "[MASK]"}) + "\n")


if __name__ == "__main__":
    main()
