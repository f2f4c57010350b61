#!/usr/bin/env python3
"""lepton_train beside scikit-learn's LogisticRegression: same embeddings, same rows, same strength.

The first --rows e-mails train both; all others are unseen.  Equal predictions are counted on every e-mail.
"""
import sys
import time

import common

NAME = "bench_head"


def main():
    parser = common.options(__doc__, "dsn", "name", "folder", "emails", "core", "json")
    parser.add_argument("--rows", type=int, help="e-mails to train on (default: 3,000, of few e-mails five sevenths)")
    args = parser.parse_args()
    rows = common.emails(args.emails)
    n = args.rows or min(3000, len(rows) * 5 // 7)
    if not 0 < n < len(rows):
        sys.exit(f"{len(rows)} e-mails: --rows must leave some unseen")
    with common.connect(args.dsn) as conn:
        common.have_model(conn, args.name, args.folder)
        common.pin(common.backend_pid(conn), args.core)
        if conn.execute("SELECT 1 FROM lepton_models WHERE name = %s", (NAME,)).fetchone():
            conn.execute("SELECT lepton_drop_model(%s)", (NAME,))
        conn.execute("CREATE TEMP TABLE mail (n int, text text, label text)")
        with conn.cursor() as cursor, cursor.copy("COPY mail FROM STDIN") as copy:
            for i, row in enumerate(rows):
                copy.write_row((i, row["text"], row["label"]))
        start = time.perf_counter()
        vectors = common.embed(conn, args.name, [row["text"] for row in rows])
        embed_s = (time.perf_counter() - start) * n / len(rows)
        start = time.perf_counter()
        cursor = conn.execute("SELECT * FROM lepton_train(%s, %s, %s)",
                              (NAME, args.name, f"SELECT text, label FROM mail WHERE n < {n} ORDER BY n"))
        trained = dict(zip([c.name for c in cursor.description], cursor.fetchone()))
        train_s = time.perf_counter() - start
        labels = conn.execute("SELECT lepton_classify(array_agg(text ORDER BY n), %s) FROM mail",
                              (NAME,)).fetchone()[0]
        conn.execute("SELECT lepton_drop_model(%s)", (NAME,))
    compare(args, rows, n, vectors, labels, trained, train_s, embed_s)


def compare(args, rows, n, vectors, labels, trained, train_s, embed_s):
    """Fit scikit-learn on the same vectors at the strength that lepton chose, and print both."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    truth = np.array([row["label"] for row in rows])
    labels = np.array(labels)
    start = time.perf_counter()
    peer = LogisticRegression(C=trained["c"], tol=1e-6, max_iter=10000).fit(vectors[:n], truth[:n])
    peer_s = time.perf_counter() - start
    theirs = peer.predict(vectors)
    figures = {"rows": n, "unseen": len(rows) - n, "c": trained["c"],
               "equal": float((labels == theirs).mean()), "equal unseen": float((labels == theirs)[n:].mean()),
               "accuracy": float((labels == truth)[n:].mean()), "peer accuracy": float((theirs == truth)[n:].mean()),
               "held-out accuracy": trained["accuracy"], "seconds": train_s,
               "fit seconds": trained["fit_ms"] / 1e3, "embed seconds": trained["embed_ms"] / 1e3,
               "seconds beyond separate embedding": train_s - embed_s, "peer fit seconds": peer_s}
    print(f"{n} rows, {len(rows) - n} unseen, strength {trained['c']:g}, {common.machine(args.core)}\n")
    common.table(["", "lepton_train", "scikit-learn", "bar"], [
        ["equal predictions, all rows", f"{100 * figures['equal']:.3f} %", "", ">= 99.9 %"],
        ["equal predictions, unseen rows", f"{100 * figures['equal unseen']:.3f} %", "", ">= 99.9 %"],
        ["accuracy on unseen rows", f"{figures['accuracy']:.4f}", f"{figures['peer accuracy']:.4f}", ">= scikit-learn"],
        ["accuracy on its held-out fifth", f"{trained['accuracy']:.4f}", "", ""],
        ["seconds, all", f"{train_s:.2f}", "", ""],
        ["seconds beyond embedding (strength chosen, fitted)", f"{figures['fit seconds']:.2f}",
         f"{peer_s:.2f} (one fit)", "<= 2"],
        ["the same, all less embedding apart", f"{train_s - embed_s:.2f}", "", ""],
    ])
    common.save(args.json, figures)


if __name__ == "__main__":
    main()
