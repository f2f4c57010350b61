"""Compare lepton_train with scikit-learn's LogisticRegression on the same embeddings and strength.

    test/oracle/train.py FOLDER

Trains on 480 e-mails of the repository, predicts the other 120 with both.  More rows are bench/train.py's.
"""

import argparse
import sys

import numpy as np
import sql
from embeddings import lepton
from sklearn.linear_model import LogisticRegression


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    args = parser.parse_args()
    checks = sql.Checks()
    mails, n = sql.own_emails(), 480
    labels = np.array([label for _, label in mails])

    sql.load_model("oracle_base", args.folder)
    x = lepton("oracle_base", [t for t, _ in mails])
    # The table holds all texts now; labels of the first n beside them.
    sql.fill("oracle_labels", labels[:n])
    sql.run("SELECT lepton_drop_model('oracle_head') FROM lepton_models WHERE name = 'oracle_head'")
    answer = sql.run(
        "SELECT n_train, n_test, accuracy, c, embed_ms, fit_ms FROM lepton_train('oracle_head', 'oracle_base', "
        "'SELECT x.t, l.t FROM oracle_texts x JOIN oracle_labels l USING (n) ORDER BY n')").strip().split("|")
    n_train, n_test, accuracy, c, embed_ms, fit_ms = (float(a) for a in answer)
    print(f"{n_train:.0f} rows learned, {n_test:.0f} held out, accuracy {accuracy:.4f}, C = {c:g}, "
          f"{embed_ms:.0f} ms to embed, {fit_ms:.0f} ms to fit")

    peer = LogisticRegression(C=c, max_iter=10000, tol=1e-8).fit(x[:n], labels[:n])
    want = peer.predict(x[n:])
    got = np.array([row[0] for row in sql.rows(
        f"SELECT lepton_classify(t, 'oracle_head') FROM oracle_texts WHERE n >= {n} ORDER BY n")])
    equal = (got == want).mean()
    ours, theirs = (got == labels[n:]).mean(), (want == labels[n:]).mean()
    print(f"{len(want)} unseen e-mails: {100 * equal:.2f} % of the predictions equal scikit-learn's; "
          f"accuracy {ours:.4f}, scikit-learn {theirs:.4f}")
    checks.check(equal >= 0.999, f"only {100 * equal:.2f} % of the predictions equal scikit-learn's")
    checks.check(ours >= theirs, f"accuracy {ours:.4f} is below scikit-learn's {theirs:.4f}")
    sql.run("DROP TABLE oracle_texts, oracle_labels; SELECT lepton_drop_model('oracle_head');"
            "SELECT lepton_drop_model('oracle_base')")
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
