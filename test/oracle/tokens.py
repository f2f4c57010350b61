"""Compare lepton_tokenize with the `tokenizers` package: every code point in three forms, generated strings, e-mails.

    test/oracle/tokens.py FOLDER [--strings N] [--step N] [--cased]

FOLDER has a tokenizer.json and is readable by the server.  --cased takes its vocabulary with capitals, accents and single
characters of all scripts added, and neither lower-cases nor strips.  --step takes each Nth code point only.  `work` names a
directory that the server can read.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import sql
from tokenizers import Tokenizer

sys.path.insert(0, str(sql.ROOT / "test/tools"))
import tiny_folder  # noqa: E402
import token_cases  # noqa: E402

# The forms of token_cases.FORMS as SQL.
FORMS = {"alone": "chr(i)", "between": "'a' || chr(i) || 'b'", "thrice": "repeat(chr(i), 3)"}


def cased_folder(folder):
    """Write a small model with a cased vocabulary made from a folder's; its path."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = tokenizer["model"]["vocab"] = token_cases.cased_vocabulary(tokenizer["model"]["vocab"])
    tokenizer["normalizer"].update(lowercase=False, strip_accents=False)
    model = tiny_folder.Model()
    model.json["tokenizer.json"] = tokenizer
    model.json["tokenizer_config.json"]["do_lower_case"] = False
    model.config["vocab_size"] = len(vocab)
    model.tensors["embeddings.word_embeddings.weight"] = ["F32", [len(vocab), tiny_folder.HIDDEN], bytes(4 * len(vocab) * tiny_folder.HIDDEN)]
    path = Path(os.environ["work"]) / "cased"
    model.write(path)
    return path


def compare(checks, name, tokenizer, texts, answers):
    """One check: every answer of the server (an iterable of id lists as strings) equals the package's."""
    different = total = 0
    first = None
    batch = []

    def flush():
        nonlocal different, total, first
        for (text, ids), want in zip(batch, tokenizer.encode_batch([t for t, _ in batch])):
            total += 1
            if ids != [str(i) for i in want.ids]:
                different += 1
                first = first or (text, ids, want.ids)
        batch.clear()

    started = time.time()
    for text, ids in zip(texts, answers):
        batch.append((text, ids))
        if len(batch) == 20000:
            flush()
    flush()
    checks.check(total > 0 and different == 0,
                 f"{name}: {different} of {total} texts differ" +
                 (f", first {first[0][:60]!r}: lepton {first[1][:20]}, tokenizers {first[2][:20]}" if first else ""))
    print(f"{name}: {total} texts, {different} differences, {time.time() - started:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strings", type=int, default=100000)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--cased", action="store_true")
    args = parser.parse_args()
    checks = sql.Checks()
    folder = cased_folder(args.folder) if args.cased else args.folder
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sql.load_model("oracle_tokens", folder)
    print(f"{'cased' if args.cased else 'uncased'} vocabulary of {tokenizer.get_vocab_size()} pieces")

    points = [i for i in range(1, 0x110000, args.step) if not 0xD800 <= i <= 0xDFFF]
    series = f"generate_series(1, {0x10FFFF}, {args.step}) i WHERE i NOT BETWEEN {0xD800} AND {0xDFFF} ORDER BY i"
    for form, expression in FORMS.items():
        answers = sql.rows(f"SELECT lepton_tokenize({expression}, 'oracle_tokens') FROM {series}")
        compare(checks, f"code points, {form}", tokenizer, (token_cases.FORMS[form](chr(i)) for i in points),
                (sql.array(row[0]) for row in answers))
    words = token_cases.words_of(tokenizer.get_vocab())
    mails, which = sql.emails()
    for name, texts in (("generated strings", token_cases.generated(args.strings, sorted(words))),
                        ("long texts", token_cases.long_texts(sorted(words))), (f"e-mails of {which}", [t for t, _ in mails])):
        sql.fill("oracle_texts", texts)
        answers = sql.rows("SELECT lepton_tokenize(t, 'oracle_tokens') FROM oracle_texts ORDER BY n")
        compare(checks, name, tokenizer, texts, (sql.array(row[0]) for row in answers))
    sql.run("DROP TABLE oracle_texts; SELECT lepton_drop_model('oracle_tokens')")
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
