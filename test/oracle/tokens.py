"""Compare lepton_tokenize with the `tokenizers` package: every code point, generated strings, e-mails.

    test/oracle/tokens.py FOLDER [--strings N] [--step N]

FOLDER has a tokenizer.json and is readable by the server.  --step takes each Nth code point only.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import sql
from tokenizers import Tokenizer

PIECES = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "##", "'s", "...", "\r\n", "\t", "\u00a0", "\u200d", "\u2028",
          "\ufeff", "\u3000", "I\u0307", "\u00df", "\u0130", "\u1e9e", "\ufb01", "\u0958", "\u212b", "\uac00\u11a8", "\u1100\u1161"]
RANGES = [(0x20, 0x7e, 12), (0xa0, 0x24f, 4), (0x300, 0x36f, 3), (0x370, 0x52f, 3), (0x590, 0x7ff, 2), (0x900, 0xdff, 2),
          (0xe00, 0x1fff, 2), (0x2000, 0x206f, 2), (0x2100, 0x2bff, 1), (0x3000, 0x30ff, 2), (0x3400, 0x9fff, 3),
          (0xac00, 0xd7a3, 2), (0xf900, 0xfaff, 1), (0xfb00, 0xffff, 1), (0x1, 0x1f, 1), (0x10000, 0x1ffff, 2),
          (0x20000, 0x2fa1f, 1), (0xe0000, 0x10ffff, 1)]


def generated(n, seed=7):
    """n strings that mix scripts, marks, controls, special tokens and long runs."""
    rng = random.Random(seed)
    ranges = [r[:2] for r in RANGES]
    weights = [r[2] for r in RANGES]
    words = "the mail server un##able running naïve Zürich İstanbul 東京 kitten's 3.14 foo_bar e-mail".split()
    out = []
    while len(out) < n:
        parts = []
        for _ in range(rng.choice((1, 2, 3, 5, 8, 13, 30))):
            kind = rng.random()
            if kind < 0.45:
                low, high = rng.choices(ranges, weights)[0]
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
            elif kind < 0.75:
                parts.append(rng.choice(words))
            elif kind < 0.9:
                parts.append(rng.choice(PIECES))
            else:
                parts.append(rng.choice("abcxyzéß") * rng.choice((1, 2, 50, 99, 100, 101, 120)))
            parts.append(rng.choice(("", " ", " ", "  ", "\n")))
        text = "".join(parts)
        if any(0xD800 <= ord(c) <= 0xDFFF or c == "\0" for c in text):
            continue
        out.append(text)
    return out


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
    parser.add_argument("folder")
    parser.add_argument("--strings", type=int, default=100000)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    checks = sql.Checks()
    tokenizer = Tokenizer.from_file(str(Path(args.folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sql.load_model("oracle_tokens", args.folder)

    points = [i for i in range(1, 0x110000, args.step) if not 0xD800 <= i <= 0xDFFF]
    series = (f"generate_series(1, {0x10FFFF}, {args.step}) i WHERE i NOT BETWEEN {0xD800} AND {0xDFFF} ORDER BY i")
    for name, expression, make in (
            ("code points alone", "chr(i)", chr),
            ("code points between letters", "'a' || chr(i) || 'b'", lambda i: "a" + chr(i) + "b"),
            ("code points three in a row", "repeat(chr(i), 3)", lambda i: chr(i) * 3)):
        answers = sql.rows(f"SELECT lepton_tokenize({expression}, 'oracle_tokens') FROM {series}")
        compare(checks, name, tokenizer, map(make, points), (sql.array(row[0]) for row in answers))

    texts = generated(args.strings)
    mails, which = sql.emails()
    for name, texts in (("generated strings", texts), (f"e-mails of {which}", [t for t, _ in mails])):
        sql.fill("oracle_texts", texts)
        answers = sql.rows("SELECT lepton_tokenize(t, 'oracle_tokens') FROM oracle_texts ORDER BY n")
        compare(checks, name, tokenizer, texts, (sql.array(row[0]) for row in answers))
    sql.run("DROP TABLE oracle_texts; SELECT lepton_drop_model('oracle_tokens')")
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
