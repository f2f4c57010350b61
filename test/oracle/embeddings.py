"""Compare lepton_embed on e-mails of the repository with stored answers of sentence-transformers: max abs error 1e-5.

    test/oracle/embeddings.py FOLDER [--isa auto,avx2,portable]
    test/oracle/embeddings.py FOLDER --make

test/data/golden/minilm_emails.bin has float32 rows; --make writes it anew (test/requirements-peers.txt).  The live comparison is
bench/accuracy.py.
"""

import argparse
import sys

import numpy as np
import sql

GOLDEN = sql.ROOT / "test/data/golden/minilm_emails.bin"
STEP = 6  # each sixth e-mail


def peer(folder, texts):
    """Embeddings by sentence-transformers, one text at a time, so that padding plays no part."""
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(str(folder), device="cpu")
    return np.vstack([model.encode([t], batch_size=1) for t in texts]).astype(np.float32)


def lepton(name, texts, settings=""):
    """Embeddings by the server."""
    sql.fill("oracle_texts", texts)
    query = f"SELECT lepton_embed(t, '{name}') FROM oracle_texts ORDER BY n"
    return np.array([[float(x) for x in sql.array(row[0])] for row in sql.rows(query, settings)], dtype=np.float64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--isa", default="", help="names for lepton.cpu_isa, separated by commas")
    args = parser.parse_args()
    texts = [t for t, _ in sql.own_emails()][::STEP]
    if args.make:
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        peer(args.folder, texts).tofile(GOLDEN)
        return 0

    checks = sql.Checks()
    want = np.fromfile(GOLDEN, dtype=np.float32).reshape(len(texts), -1)
    sql.load_model("oracle_embed", args.folder)
    for isa in [i for i in args.isa.split(",") if i] or [""]:
        # The readable version is slow, and the judge of the others elsewhere: a few are enough.
        n = 5 if isa == "reference" else len(texts)
        got = lepton("oracle_embed", texts[:n], f"SET lepton.cpu_isa = '{isa}'" if isa else "")
        error = np.abs(got - want[:n]).max() if got.shape == want[:n].shape else np.inf
        checks.check(error <= 1e-5, f"embeddings{' on ' + isa if isa else ''}: error {error:.2e}, shape {got.shape}")
        print(f"{n} e-mails{', lepton.cpu_isa = ' + isa if isa else ''}: max abs error {error:.2e}", flush=True)
    sql.run("DROP TABLE oracle_texts; SELECT lepton_drop_model('oracle_embed')")
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
