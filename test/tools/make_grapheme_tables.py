#!/usr/bin/env python3
"""Write src/engine/grapheme.inc: how characters stick together, read off the oracle itself.

The Precompiled normalizer of the pinned `tokenizers` package replaces a whole grapheme of fewer than six bytes by what its
first character becomes, so that a map of two characters shows where graphemes end.  Every class is asked of it, never
of a Unicode data file.  Regional indicators take four bytes, so that no grapheme of two of them is ever that short: they
are not told apart.

usage: make_grapheme_tables.py [output file, default src/engine/grapheme.inc]
"""

import os
import sys

import charsmaps
import tokenizers
from tokenizers import normalizers

PINNED = "0.23.3"
WIDTH = 100
# The number of a class is that of enum GraphemeClass in grapheme.c.
NAMES = ["OTHER", "CONTROL", "CR", "LF", "EXTEND", "ZWJ", "SPACING", "PREPEND", "L", "V", "T", "LV", "LVT", "PICTURE",
         "CONSONANT", "INDIC_EXTEND", "INDIC_LINKER"]
NUMBER = {name: i for i, name in enumerate(NAMES)}
KA, VIRAMA, MARK, ZWJ, PICTURE = "\u0915", "\u094d", "\u0300", "\u200d", "\u00a9"
LEAD, VOWEL, TAIL = "\u1100", "\u1160", "\u11a8"


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../src/engine/grapheme.inc")
    if tokenizers.__version__ != PINNED:
        sys.exit(f"needs tokenizers {PINNED}, found {tokenizers.__version__}")

    cache = {}

    def normalize(last):
        if last not in cache:
            cache[last] = normalizers.Precompiled(charsmaps.charsmap({last: "\ue000"})).normalize_str
        return cache[last]

    def joined(before, last):
        """Is `last`, with a mark behind it, one grapheme with what stands before it?

        A grapheme of its own loses the mark; a longer one is replaced character by character.
        """
        return normalize(last)(before + last + MARK).endswith("\ue000" + MARK)

    classes = {}
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        x = chr(c)
        if x == "\r":
            name = "CR"
        elif x == "\n":
            name = "LF"
        elif normalize("a")("a" + x) == "\ue000":    # sticks to what stands before
            if joined(PICTURE + x, PICTURE):
                name = "ZWJ"
            elif joined(KA + x + KA, KA) or joined(KA + x, KA):
                name = "INDIC_LINKER"
            elif joined(KA + VIRAMA + x, KA):
                name = "INDIC_EXTEND"
            elif joined(PICTURE + x + ZWJ, PICTURE):
                name = "EXTEND"
            else:
                name = "SPACING"
        elif normalize(MARK)(x + MARK + "\u0301").endswith("\ue000"):    # no mark sticks to it
            name = "CONTROL"
        elif joined(x, "a"):
            name = "PREPEND"
        elif joined(x, LEAD):
            name = "L"
        elif joined(x, VOWEL):
            name = "V" if joined(VOWEL, x) else "LV"
        elif joined(x, TAIL):
            name = "T" if joined(VOWEL, x) else "LVT"
        elif ZWJ in normalize(PICTURE)(PICTURE + ZWJ + x):
            name = "PICTURE"
        elif joined(x + VIRAMA, KA):
            name = "CONSONANT"
        else:
            name = "OTHER"
        classes[c] = NUMBER[name]
    runs = []
    for c in range(0x110000):
        k = classes.get(c, 0)
        if not runs or runs[-1][1] != k:
            runs.append((c, k))
    with open(path, "w", encoding="ascii", newline="\n") as out:
        out.write(f"/*\n * grapheme.inc: the class of every code point in runs: where one starts << 8 | its class.\n *\n"
                  f" * Written by test/tools/make_grapheme_tables.py from tokenizers {PINNED}; never edited by hand.\n */\n"
                  "/* clang-format off */\n")
        out.write(f"static const uint32_t runs[{len(runs)}] = {{\n")
        line = ""
        for start, k in runs:
            text = f"0x{start << 8 | k:X},"
            if len(line) + len(text) > WIDTH:
                out.write(line + "\n")
                line = ""
            line += text
        out.write(line + "\n};\n")
    print({name: sum(v == i for v in classes.values()) for i, name in enumerate(NAMES)}, len(runs), "runs")


if __name__ == "__main__":
    main()
