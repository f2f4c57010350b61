#!/usr/bin/env python3
"""lepton from SQL against Hugging Face in f32: embeddings, labels and probabilities, and the bits of one text among others."""
import os
import sys

import common

BATCH = 64


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "json")
    parser.add_argument("--classifier", default=os.environ.get("LEPTON_CLASSIFIER"),
                        help="Hugging Face folder of a text classifier (default: $LEPTON_CLASSIFIER, else left out)")
    parser.add_argument("--classifier-name", default="minilm_spam", help="its name as a loaded model")
    parser.add_argument("--embed", type=int, default=500, help="e-mails to embed")
    parser.add_argument("--check", action="store_true", help="exit with status 1 where a bar is missed")
    args = parser.parse_args()
    texts = [row["text"] for row in common.emails(args.emails)]
    figures, rows = {}, []
    with common.connect(args.dsn) as conn:
        common.have_model(conn, args.name, args.folder)
        some = texts[:args.embed]
        error = embeddings(conn, args, some)
        rows.append([f"embeddings of {len(some)} e-mails: max abs error", f"{error:.1e}", "<= 1e-5", error <= 1e-5])
        differ, tried = neighbours(conn, args.name, some)
        rows.append([f"one text among {tried} sets of neighbours: other bits", differ, "0", differ == 0])
        if args.classifier:
            common.have_model(conn, args.classifier_name, args.classifier)
            unlike, error = classes(conn, args, texts)
            rows.append([f"labels of {len(texts)} e-mails: different", unlike, "0", unlike == 0])
            rows.append([f"probabilities of {len(texts)} e-mails: max abs error", f"{error:.1e}", "<= 1e-4",
                         error <= 1e-4])
    common.table(["figure", "found", "bar", "held"], [[*row[:3], "yes" if row[3] else "NO"] for row in rows])
    common.save(args.json, {row[0]: row[1] for row in rows})
    sys.exit(1 if args.check and not all(row[3] for row in rows) else 0)


def embeddings(conn, args, texts):
    """Return the largest difference to sentence-transformers."""
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer
    judge = SentenceTransformer(args.folder, device="cpu", model_kwargs={"dtype": torch.float32})
    expected = judge.encode(texts, batch_size=32, show_progress_bar=False)
    return float(np.abs(common.embed(conn, args.name, texts, BATCH) - expected).max())


def neighbours(conn, model, texts):
    """Count texts whose vector, in arrays of several sizes and places, has other bits than alone; and the sets tried."""
    import numpy as np
    differ, tried = 0, 0
    for i in range(0, min(len(texts), 320), 32):
        with conn.cursor(binary=True) as cursor:
            cursor.execute("SELECT lepton_embed(%s::text, %s)", (texts[i], model))
            alone = common.real_array(cursor.pgresult.get_value(0, 0))
        for size, place in ((2, 1), (7, 0), (33, 16), (64, 63)):
            others = [texts[(i + 1 + k) % len(texts)] for k in range(size - 1)]
            array = others[:place] + [texts[i]] + others[place:]
            found = common.embed(conn, model, array, size)[place]
            differ += not np.array_equal(found.view(np.uint32), alone.view(np.uint32))
            tried += 1
    return differ, tried


def classes(conn, args, texts):
    """Compare labels and probabilities with the transformers pipeline: differing labels, largest difference."""
    import torch
    from transformers import pipeline
    judge = pipeline("text-classification", model=args.classifier, dtype=torch.float32, device="cpu")
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    expected = [None] * len(texts)
    for i, found in zip(order, judge([texts[i] for i in order], truncation=True, top_k=None, batch_size=32)):
        expected[i] = {one["label"]: one["score"] for one in found}
    unlike, error = 0, 0.0
    for start in range(0, len(texts), BATCH):
        part = texts[start:start + BATCH]
        labels = conn.execute("SELECT lepton_classify(%s::text[], %s)", (part, args.classifier_name)).fetchone()[0]
        unlike += sum(label != max(expected[start + i], key=expected[start + i].get)
                      for i, label in enumerate(labels))
        scores = conn.execute("SELECT input, label, score FROM lepton_classify_scores(%s::text[], %s)",
                              (part, args.classifier_name)).fetchall()
        if len(scores) != sum(len(expected[start + i]) for i in range(len(part))):
            sys.exit("lepton_classify_scores returned another number of rows than the model has labels")
        error = max([error] + [abs(score - expected[start + number - 1][label]) for number, label, score in scores])
    return unlike, error


if __name__ == "__main__":
    main()
