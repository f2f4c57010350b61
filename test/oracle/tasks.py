"""Compare the task functions with transformers' pipelines, CrossEncoder and SparseEncoder on tiny models and many texts.

    test/oracle/tasks.py [--folders DIR] [--texts N] [--answers DIR] [NAME ...]

Makes the folders of test/tools/make_task_models.py, for the server to read, and loads them. Labels, spans, answers and their order
must be equal, scores within 1e-4. Equal answers may stand in either order where their scores are nearer than 1e-5. The question
answering pipeline is gone from transformers 5: --answers is a directory with packages of version 4 (pip install --target DIR
--no-deps transformers==4.57.1 tokenizers==0.22.1 huggingface_hub==0.36.2 requests==2.34.2 urllib3==2.8.0 idna==3.20
certifi==2026.10.18 charset-normalizer==3.5.2), without which answers are left out.
Needs the packages of test/requirements-peers.txt.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import sql

WORDS = (
    "My name is Sarah Miller and I live in London The order 4711 of Acme Corp arrived late in New York Angela Merkel met Tim Cook "
    "at Apple in Berlin last Monday who sent the invoice when did jumping jumped unhappiness microsoft angry great company"
).split()
ODD = ["caf\u00e9", "na\u00efve", "Z\u00fcrich", "\u6771\u4eac", "\u4f60\u597d", "\ufb01n", "\u0130", "\U0001f600", "\u00a0", "\u200b", "\t", "\n", "  ", "-",
       "(x)", "'s", "a.b", "e\u0301", "\u1100\u1161", "x" * 30, "##ing", "\u2581", "O'Neil", "\u00df", "\u03a3"]
LABEL_SETS = [["angry", "happy"], ["one"], ["London", "New York", "caf\u00e9", "invoice", "a"]]


def make_texts(n, seed):
    """Texts of words and odd pieces: short, empty, white space, much longer than the models."""
    rng = random.Random(seed)
    texts = ["", " ", "\n", "a", "My name is Sarah Miller.", " Sarah  Miller ", "\u6771\u4eac", ". . .", "O"]
    while len(texts) < n:
        size = rng.choice([1, 2, 5, 9, 15, 40, 90])
        words = [rng.choice(ODD) if rng.random() < 0.2 else rng.choice(WORDS) for _ in range(size)]
        texts.append("".join(w + rng.choice([" ", " ", " ", ". ", "", ", "]) for w in words))
    return texts[:n]


def entities(folder, texts):
    """Every aggregation, alone (truncated texts left out) and in windows."""
    from transformers import pipeline
    out = []
    for aggregation in ("none", "simple", "first", "average", "max"):
        for stride in (None, 0, 5):
            if aggregation == "none" and stride is not None:
                continue
            kwargs = {} if stride is None else {"stride": stride}
            pipe = pipeline("token-classification", model=str(folder), aggregation_strategy=aggregation, device="cpu", **kwargs)
            for i, text in enumerate(texts):
                if stride is None and len(pipe.tokenizer(text)["input_ids"]) > pipe.tokenizer.model_max_length:
                    continue
                got = pipe(text) if text else []
                rows = [[text[e["start"]:e["end"]], e.get("entity_group", e.get("entity")), float(e["score"]), e["start"], e["end"]]
                        for e in got]
                out.append([f"lepton_entities($1, 'm', {-1 if stride is None else stride}, '{aggregation}')", [i], rows])
    return out


def answers(folder, texts):
    """One and several answers, with and without the null answer, long contexts."""
    from transformers import PreTrainedTokenizerFast, pipeline
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]  # as transformers 5 has it for tokenizers of no family
    pipe = pipeline("question-answering", model=str(folder), tokenizer=tokenizer, device="cpu")
    out = []
    questions = [i for i, t in enumerate(texts) if 0 < len(t) < 30 and len(pipe.tokenizer(t)["input_ids"]) < 12]
    for i, text in enumerate(texts):
        if not text.strip():
            continue
        question = questions[i % len(questions)]
        for k, null, length, stride in ((1, False, 15, -1), (3, True, 5, 4)):
            kwargs = {} if stride < 0 else {"doc_stride": stride}
            got = pipe(question=texts[question], context=text, top_k=k, handle_impossible_answer=null, max_answer_len=length, **kwargs)
            got = got if isinstance(got, list) else [got]
            # Where there are fewer answers than asked for, the pipeline fills up with empty ones of score 0.
            rows = [[a["answer"], float(a["score"]), a["start"], a["end"]] for a in got if a["score"] > 0 or a is got[0]]
            out.append([f"lepton_answer($1, $2, 'm', {k}, {null}, {length}, {stride})", [question, i], rows])
    return out


def pairs(texts):
    """Numbers of texts to compare with each other."""
    return [(i, (i * 7 + 3) % len(texts)) for i in range(len(texts))]


def classify(folder, texts):
    """Labels of texts and of pairs."""
    from transformers import pipeline
    pipe = pipeline("text-classification", model=str(folder), top_k=None, truncation=True, device="cpu")
    out = []
    for i, j in pairs(texts):
        got = pipe(texts[i])
        got = got[0] if isinstance(got[0], list) else got
        out.append(["lepton_classify_scores($1, 'm')", [i], [[s["label"], s["score"]] for s in got]])
        got = pipe({"text": texts[i], "text_pair": texts[j]})
        got = got[0] if isinstance(got[0], list) else got
        out.append(["lepton_classify_scores($1, pair => $2, model => 'm')", [i, j], [[s["label"], s["score"]] for s in got]])
    return out


def zero_shot(folder, texts):
    """Labels given with the text."""
    from transformers import pipeline
    pipe = pipeline("zero-shot-classification", model=str(folder), device="cpu")
    out = []
    for i, text in enumerate(texts):
        labels = LABEL_SETS[i % len(LABEL_SETS)]
        if not text:
            continue
        for multi, template in ((False, "This example is {}."), (True, "{} it is")):
            got = pipe(text, candidate_labels=labels, multi_label=multi, hypothesis_template=template)
            array = "ARRAY[" + ", ".join("'" + w + "'" for w in labels) + "]"
            out.append([f"lepton_zero_shot($1, {array}, 'm', {multi}, '{template}')", [i],
                        [list(p) for p in zip(got["labels"], got["scores"])]])
    return out


def rerank(folder, texts):
    """Scores of pairs by CrossEncoder."""
    from sentence_transformers import CrossEncoder
    model = CrossEncoder(str(folder), device="cpu")
    wanted = pairs(texts)
    scores = model.predict([(texts[i], texts[j]) for i, j in wanted], show_progress_bar=False)
    return [["(SELECT lepton_rerank($1, $2, 'm'))", [i, j], [[float(s)]]] for (i, j), s in zip(wanted, scores)]


def fill_mask(folder, texts):
    """One mask and several, the best tokens and given ones."""
    from transformers import pipeline
    pipe = pipeline("fill-mask", model=str(folder), device="cpu", tokenizer_kwargs={"truncation": True})
    mask = pipe.tokenizer.mask_token
    out = []
    for i, text in enumerate(texts):
        masked = mask + " " + text if i % 2 else text[:20] + mask + " and " + mask
        got = pipe(masked, top_k=4)
        got = got if isinstance(got[0], list) else [got]
        rows = [[c["token_str"], c["score"], n + 1] for n, g in enumerate(got) for c in g]
        out.append(["lepton_fill_mask($1, 'm', 4)", [masked], rows])
    return out


def sparse(folder, texts):
    """Tokens and weights by SparseEncoder."""
    from sentence_transformers import SparseEncoder
    model = SparseEncoder(str(folder), device="cpu")
    out = []
    for i, text in enumerate(texts):
        rows = model.decode(model.encode([text], show_progress_bar=False)[0])
        out.append(["lepton_sparse_embed($1, 'm')", [i], [[t, float(w)] for t, w in rows]])
    return out


PEERS = {"entities": [entities], "answer": [answers], "nli": [classify, zero_shot], "nli_first": [zero_shot], "multi": [classify],
         "regression": [classify], "rank": [rerank], "rank_plain": [rerank], "rank_old": [rerank], "mask": [fill_mask], "sparse": [sparse]}
TASK = {"mask": "'fill_mask'"}


def near(a, b, i):
    """Tell whether two rows are the same answer."""
    return all(abs(x - float(y)) <= 1e-4 if isinstance(x, float) else str(x) == str(y) for x, y in zip(a[i], b[i]))


def same(want, got):
    """Tell whether two lists of rows are the same, but for the order of answers with equal scores."""
    if len(want) != len(got):
        return False
    score = next((c for c, v in enumerate(want[0]) if isinstance(v, float)), None) if want else None
    left = list(got)
    for i, row in enumerate(want):
        j = next((j for j, g in enumerate(left) if near([row], [g], 0)), None)
        if j is None or (j > 0 and abs(float(left[j][score]) - float(left[0][score])) > 1e-5):
            return False
        left.pop(j)
    return True


def compare(checks, name, folder, cases, texts):
    """Run the calls of all cases in one session."""
    task = TASK.get(name.split("_", 2)[-1].replace("level_", ""), "NULL")
    script = ["SET client_min_messages = warning; SET client_encoding = utf8;",
              "SELECT lepton_drop_model(name::text, true) FROM lepton_models;",
              f"SELECT name FROM lepton_load_model('m', '{folder}', {task});"]
    for call, args, _ in cases:
        for n, a in enumerate(args):
            tag = "$lepton$"
            call = call.replace(f"${n + 1}", tag + (a if isinstance(a, str) else texts[a]) + tag)
        script.append(f"\\echo =\nSELECT coalesce(json_agg(to_json(r)), '[]') FROM {call} r;")
    chunks = sql.run("\n".join(script)).split("\n=\n")[1:]
    if not checks.check(len(chunks) == len(cases), f"{name}: {len(chunks)} answers, expected {len(cases)}"):
        return
    for (call, args, want), chunk in zip(cases, chunks):
        got = [list(r.values()) if isinstance(r, dict) else [r] for r in json.loads(chunk)]
        shown = [a if isinstance(a, str) else texts[a] for a in args]
        checks.check(same(want, got), f"{name}: {call} of {shown!r}: expected {want}, found {got}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folders")
    parser.add_argument("--texts", type=int, default=60)
    parser.add_argument("--answers")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    texts = make_texts(args.texts, 5)
    if args.peer:
        json.dump(answers(Path(args.peer[0]), texts), open(args.peer[1], "w"))
        return 0
    os.environ["HF_HUB_OFFLINE"] = "1"
    import warnings
    warnings.filterwarnings("ignore")
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    checks = sql.Checks()
    with tempfile.TemporaryDirectory() as scratch:
        folders = Path(args.folders or scratch)
        os.chmod(scratch, 0o755)
        if not args.folders:
            subprocess.run([sys.executable, str(sql.ROOT / "test/tools/make_task_models.py"), str(folders)], check=True)
            subprocess.run(["chmod", "-R", "a+rX", str(folders)], check=True)
        for folder in sorted(folders.iterdir()):
            kind = next(k for k in ("wordpiece_", "byte_level_", "unigram_") if folder.name.startswith(k))
            if args.names and folder.name not in args.names:
                continue
            for peer in PEERS[folder.name[len(kind):]]:
                if peer is not answers:
                    cases = peer(folder, texts)
                elif args.answers:
                    found = Path(scratch) / "answers.json"
                    subprocess.run([sys.executable, __file__, "--texts", str(args.texts), "--peer", str(folder), str(found)], check=True,
                                   env={**os.environ, "PYTHONPATH": args.answers})
                    cases = json.loads(found.read_text())
                else:
                    print(f"{folder.name}: answers are left out")
                    continue
                before = checks.failed
                compare(checks, folder.name, folder, cases, texts)
                print(f"{folder.name} {peer.__name__}: {len(cases)} calls, {checks.failed - before} differ", flush=True)
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
