#!/usr/bin/env python3
"""Write src/engine/regex_properties.inc: character properties read off the oracle itself.

Categories, classes and scripts are those that the regular expressions of the pinned `tokenizers`
package (Oniguruma) know; digits and the scripts of UnicodeScripts, which belong to other Unicode
versions, those of its pre-tokenizers.

usage: make_regex_tables.py [output directory, default src/engine]
"""

import os
import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

from make_unicode_tables import PINNED, SURROGATES, TOP, numbers, write

POINTS = [c for c in range(TOP) if c not in SURROGATES]
BATCH = 60000
CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
              "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", "Cn"]
# Bit 5 + i of a kind is class i; LEP_PROPERTY_ of regex_parts.h has the same order.
CLASSES = [r"\w", "[[:alpha:]]", "[[:upper:]]", "[[:lower:]]", "[[:punct:]]", "[[:graph:]]", "[[:print:]]", "[[:blank:]]",
           r"\s"]
SCRIPTS = """Common Inherited Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi Gujarati
Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic Cherokee Canadian_Aboriginal
Ogham Runic Khmer Mongolian Hiragana Katakana Bopomofo Han Yi Old_Italic Gothic Deseret Tagalog Hanunoo Buhid Tagbanwa Limbu
Tai_Le Linear_B Ugaritic Shavian Osmanya Cypriot Braille Buginese Coptic New_Tai_Lue Glagolitic Tifinagh Syloti_Nagri
Old_Persian Kharoshthi Balinese Cuneiform Phoenician Phags_Pa Nko Sundanese Lepcha Ol_Chiki Vai Saurashtra Kayah_Li Rejang
Cham Tai_Tham Tai_Viet Avestan Egyptian_Hieroglyphs Samaritan Lisu Bamum Javanese Meetei_Mayek Adlam Newa Osage Nushu""".split()


def members(pattern):
    """Code points that match a class."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    out = set()
    for at in range(0, len(POINTS), BATCH):
        part = POINTS[at:at + BATCH]
        for _, (start, end) in split.pre_tokenize_str("".join(map(chr, part))):
            out.update(part[start:end])
    return out


def digits():
    """Code points that Digits splits at."""
    out = set()
    for at in range(0, len(POINTS), BATCH):
        part = POINTS[at:at + BATCH]
        text = "".join("a" + chr(c) + "a" for c in part)
        for _, (start, end) in pre_tokenizers.Digits(True).pre_tokenize_str(text):
            if end - start == 1 and start % 3 == 1:
                out.add(part[start // 3])
    return out


def joins(split, first, points):
    """Those of points that UnicodeScripts does not cut off behind first."""
    text = "".join(first + chr(c) for c in points)
    starts = {start for _, (start, _) in split(text)}
    return [c for i, c in enumerate(points) if 2 * i + 1 not in starts]


def splitting_scripts():
    """A number for every code point: 0 joins with all, others with their like."""
    split = pre_tokenizers.UnicodeScripts().pre_tokenize_str
    with_latin, with_han = set(joins(split, "a", POINTS)), set(joins(split, "\u4e00", POINTS))
    neutral = with_latin & with_han
    rest = [c for c in POINTS if c not in neutral]
    text = "".join(map(chr, rest))
    starts = sorted({start for _, (start, _) in split(text)})
    firsts = [rest[i] for i in starts]
    number = {}
    count = 0
    left = firsts
    while left:
        count += 1
        same = set(joins(split, chr(left[0]), left))
        for c in same:
            number[c] = count
        left = [c for c in left if c not in same]
    assert count < 255
    out, now = {}, 0
    by_first = dict(zip(firsts, firsts))
    for c in rest:
        if c in by_first:
            now = number[c]
        out[c] = now
    return out


def runs(value_of):
    """Runs of equal values as start << 8 | value."""
    out, last = [], None
    for c in range(TOP):
        value = value_of(c)
        if value != last:
            out.append(c << 8 | value)
            last = value
    return out


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../src/engine")
    if tokenizers.__version__ != PINNED:
        sys.exit(f"needs tokenizers {PINNED}, found {tokenizers.__version__}")
    category = {c: CATEGORIES.index("Cs") for c in SURROGATES}
    for i, name in enumerate(CATEGORIES):
        for c in members(rf"\p{{{name}}}"):
            assert c not in category, hex(c)
            category[c] = i
    assert len(category) == TOP
    bits = dict.fromkeys(range(TOP), 0)
    for i, name in enumerate(CLASSES):
        for c in members(name):
            bits[c] |= 1 << i
    kinds = sorted({category[c] | bits[c] << 5 for c in range(TOP)})
    kind = {k: i for i, k in enumerate(kinds)}
    script = {}
    for i, name in enumerate(SCRIPTS):
        for c in members(rf"\p{{{name}}}"):
            assert c not in script, hex(c)
            script[c] = i + 1
    numeric = digits()
    splitting = splitting_scripts()
    body = []
    numbers(body, "uint16_t", "kind_bits", kinds, "category in 5 bits, classes above")
    numbers(body, "uint32_t", "kind_runs", runs(lambda c: kind[category[c] | bits[c] << 5]), "start << 8 | kind")
    body.append("/* names of scripts; the numbers of script_runs are one more, 0 is any other */")
    body.append(f"static const char *const script_names[{len(SCRIPTS)}] = {{")
    body.extend(f'"{name}",' for name in SCRIPTS)
    body.append("};")
    numbers(body, "uint32_t", "script_runs", runs(lambda c: script.get(c, 0)), "start << 8 | script")
    numbers(body, "uint32_t", "digit_runs", runs(lambda c: c in numeric), "start << 8 | is it numeric to Digits?")
    numbers(body, "uint32_t", "splitting_runs", runs(lambda c: splitting.get(c, 0)),
            "start << 8 | script as UnicodeScripts sees it, 0 goes with all")
    write(folder, "regex_properties.inc", "properties that regular expressions and splits ask for.", body)
    print(f"{len(kinds)} kinds, {max(splitting.values())} splitting scripts")


if __name__ == "__main__":
    main()
