#!/usr/bin/env python3
"""Write src/engine/unicode_*.inc: character tables read off the oracle itself.

Every property is asked of the pinned `tokenizers` package, never of a Unicode
data file, because the package's tables belong to several Unicode versions at once.

usage: make_unicode_tables.py [output directory, default src/engine]
"""

import os
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

PINNED = "0.23.3"
WIDTH = 128
TOP = 0x110000
SURROGATES = range(0xD800, 0xE000)
HANGUL = range(0xAC00, 0xAC00 + 11172)

# Bit i is LEP_UC_<name> of src/engine/unicode.h.
FLAGS = [
    ("REMOVED", "clean_text drops it"),
    ("BLANK", "clean_text makes it a space"),
    ("CJK", "handle_chinese_chars puts spaces around it"),
    ("MN", "BertNormalizer's strip_accents drops it"),
    ("MARK", "StripAccents drops it"),
    ("SPACE", "pre-tokenizers split on it and drop it"),
    ("PUNCT", "BertPreTokenizer and Punctuation isolate it"),
    ("WORD", "\\w of the regex crate"),
    ("NFD", "has a canonical decomposition, Hangul syllables not counted"),
    ("NFKD", "has a compatibility decomposition of its own"),
    ("LOWER_TWO", "lower case is two code points"),
]
BIT = {name: 1 << i for i, (name, _) in enumerate(FLAGS)}


def code_points():
    for c in range(TOP):
        if c not in SURROGATES:
            yield c


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    options.update(on)
    return normalizers.BertNormalizer(**options).normalize_str


def combining_ranks(nfd):
    """Order of the canonical combining classes, by what NFD swaps.

    A mark b after a mark a moves in front of it exactly when class(b) < class(a).
    """
    marks = [chr(c) for c in code_points()
             if c >= 0x300 and nfd(chr(c)) == chr(c) and
             (nfd("\u0301" + chr(c)) != "\u0301" + chr(c) or      # below class 230, not a starter
              nfd(chr(c) + "\u0334") != chr(c) + "\u0334" or      # above class 1
              nfd("\u0345" + chr(c)) != "\u0345" + chr(c))]       # below class 240
    representatives = []
    below = {}
    for a in marks:                       # one mark of every class, found by comparing with those known
        for b in representatives:
            if nfd(a + b) == a + b and nfd(b + a) == b + a:
                below[a] = b
                break
        else:
            representatives.append(a)
            below[a] = a
    order = {a: sum(nfd(a + b) != a + b for b in representatives) + 1 for a in representatives}
    return {ord(a): order[below[a]] for a in marks}


def gather():
    """Flags, combining rank and lower-case distance of every code point; the maps."""
    clean = bert(clean_text=True)
    chinese = bert(handle_chinese_chars=True)
    accents = bert(strip_accents=True)
    strip = normalizers.StripAccents().normalize_str
    lower = normalizers.Lowercase().normalize_str
    nfd = normalizers.NFD().normalize_str
    nfkd = normalizers.NFKD().normalize_str
    nfc = normalizers.NFC().normalize_str
    split_bert = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    split_word = pre_tokenizers.Whitespace().pre_tokenize_str
    ranks = combining_ranks(nfd)
    canonical, compatible, compose = {}, {}, {}
    classes = {}
    for c in code_points():
        s = chr(c)
        flags = 0
        distance = 0
        cleaned = clean(s)
        flags |= BIT["REMOVED"] if cleaned == "" else 0
        flags |= BIT["BLANK"] if cleaned == " " else 0
        flags |= BIT["CJK"] if len(chinese(s)) == 3 else 0
        pieces = len(split_bert("a" + s + "b"))
        flags |= {1: 0, 2: BIT["SPACE"], 3: BIT["PUNCT"]}[pieces]
        words = len(split_word("a" + s))
        if pieces != 2:
            flags |= BIT["WORD"] if words == 1 else 0
        flags |= BIT["MARK"] if strip("a" + s) == "a" else 0
        full, compat = nfd(s), nfkd(s)
        if c not in HANGUL:
            if full != s:
                flags |= BIT["NFD"]
                canonical[c] = full
                if nfc(s) == s:
                    first = nfc(full[:-1])
                    assert len(first) == 1, hex(c)
                    compose[ord(first), ord(full[-1])] = c
            if compat != full:
                flags |= BIT["NFKD"]
                compatible[c] = compat
        if full == s:
            flags |= BIT["MN"] if accents("a" + s) == "a" else 0
        small = lower(s)
        if len(small) == 2:
            flags |= BIT["LOWER_TWO"]
            assert s == "\u0130" and small == "i\u0307"
        else:
            assert len(small) == 1, hex(c)
            distance = ord(small) - c
        classes[c] = (flags, ranks.get(c, 0), distance)
    assert max(map(len, canonical.values())) <= 4 and max(map(len, compatible.values())) <= 18
    assert max(ranks.values()) < 256
    assert len(compose) > 900 and len(set(ranks.values())) > 50
    return classes, canonical, compatible, compose


def numbers(out, kind, name, values, note):
    """Write one array."""
    out.append(f"/* {note} */")
    out.append(f"static const {kind} {name}[{len(values)}] = {{")
    line = ""
    for value in values:
        text = f"{value},"
        if len(line) + len(text) > WIDTH:
            out.append(line)
            line = ""
        line += text
    if line:
        out.append(line)
    out.append("};")


def blocks(values, size):
    """Cut values into blocks; the distinct ones, one after another, and the index of each."""
    seen, distinct, index = {}, [], []
    for at in range(0, len(values), size):
        block = tuple(values[at:at + size])
        if block not in seen:
            seen[block] = len(seen)
            distinct.extend(block)
        index.append(seen[block])
    return distinct, index


def sequences(out, name, table, note):
    """Write a map from a code point to a sequence: sorted keys, starts, pool."""
    keys = sorted(table)
    starts, pool = [0], []
    for key in keys:
        pool.extend(ord(c) for c in table[key])
        starts.append(len(pool))
    numbers(out, "uint32_t", f"{name}_keys", keys, f"{note}: code points, ascending")
    numbers(out, "uint16_t", f"{name}_starts", starts, "where each one's sequence starts, and the end")
    numbers(out, "uint32_t", f"{name}_pool", pool, "the sequences")
    assert len(pool) < 65536


def write(folder, name, what, body):
    head = ["/*", f" * {name}: {what}",
            " *", f" * Written by test/tools/make_unicode_tables.py from tokenizers {PINNED} and",
            f" * Python's Unicode {unicodedata.unidata_version}; never edited by hand.", " */", "/* clang-format off */"]
    with open(os.path.join(folder, name), "w", encoding="ascii", newline="\n") as out:
        out.write("\n".join(head + body) + "\n")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../src/engine")
    if tokenizers.__version__ != PINNED:
        sys.exit(f"needs tokenizers {PINNED}, found {tokenizers.__version__}")
    classes, canonical, compatible, compose = gather()
    default = classes[0xE000 - 1 + 0x1000]
    records = sorted(set(classes.values()))
    index = {record: i for i, record in enumerate(records)}
    by_code = [index[classes.get(c, default)] for c in range(TOP)]
    leaves, middle = blocks(by_code, 64)
    middles, top = blocks(middle, 64)

    body = []
    numbers(body, "uint8_t", "class_top", top, "code point >> 12 to a block of class_middle")
    numbers(body, "uint16_t", "class_middle", middles, "then code point >> 6 to a block of class_leaf")
    numbers(body, "uint8_t" if len(records) <= 256 else "uint16_t", "class_leaf", leaves,
            "then code point to a class")
    numbers(body, "uint16_t", "class_flags", [r[0] for r in records], "LEP_UC_ flags of a class")
    numbers(body, "uint8_t", "class_rank", [r[1] for r in records],
            "order of the canonical combining class, 0 for starters")
    numbers(body, "int32_t", "class_lower", [r[2] for r in records], "distance to the lower case")
    write(folder, "unicode_classes.inc", "what kind of character a code point is.", body)

    body = []
    sequences(body, "nfd", canonical, "full canonical decompositions")
    pairs = sorted(compose)
    numbers(body, "uint32_t", "compose_first", [p[0] for p in pairs], "canonical compositions: first of a pair, ascending")
    numbers(body, "uint32_t", "compose_second", [p[1] for p in pairs], "second of the pair")
    numbers(body, "uint32_t", "compose_result", [compose[p] for p in pairs], "what it becomes")
    write(folder, "unicode_canonical.inc", "canonical decomposition and composition.", body)

    body = []
    sequences(body, "nfkd", compatible, "full compatibility decompositions that are not canonical")
    write(folder, "unicode_compatible.inc", "compatibility decomposition.", body)
    print(f"{len(records)} classes, {len(leaves)} leaves, {len(middles)} middles, {len(canonical)} canonical, "
          f"{len(compatible)} compatible, {len(compose)} compositions")


if __name__ == "__main__":
    main()
