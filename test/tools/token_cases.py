"""Texts on which tokenizers are compared; the same ones whatever runs them.

code_points(form)   every code point but NUL and surrogates: alone, between letters, three in a row
generated(n)        Unicode strings of many kinds, from a fixed seed
long_texts(words)   a few very long texts
emails(path)        the bodies and subjects of a JSON-lines file (.xz or plain)
cased_vocabulary()  a vocabulary with upper case, accents and single characters of all scripts
"""

import json
import lzma
import random
import unicodedata

FORMS = {
    "alone": lambda c: c,
    "between": lambda c: "a" + c + "b",
    "thrice": lambda c: c + c + c,
}

RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x531, 0x58F), (0x591, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x780, 0x7BF), (0x900, 0x97F),
    (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F), (0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x13A0, 0x13FF), (0x1780, 0x17FF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x20CF), (0x20D0, 0x20FF), (0x2100, 0x218F), (0x2460, 0x24FF), (0x3000, 0x303F), (0x3040, 0x30FF),
    (0x3130, 0x318F), (0x3400, 0x3500), (0x4E00, 0x5200), (0xA000, 0xA0FF), (0xA640, 0xA69F), (0xAC00, 0xAD00),
    (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFB50, 0xFBFF), (0xFE00, 0xFE2F), (0xFF00, 0xFFEF), (0x10400, 0x1044F),
    (0x1D100, 0x1D1FF), (0x1D400, 0x1D4FF), (0x1E900, 0x1E95F), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF),
    (0x20000, 0x20100), (0x2A6D0, 0x2A710), (0x2B800, 0x2B930), (0x2F800, 0x2FA1F), (0xE0020, 0xE007F),
]
MARKS = [chr(c) for c in range(0x110000)
         if not 0xD800 <= c < 0xE000 and (unicodedata.combining(chr(c)) or unicodedata.category(chr(c)) == "Mn")]
CONTROLS = [chr(c) for c in list(range(1, 0x20)) + list(range(0x7F, 0xA1)) +
            [0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x2028, 0x2029, 0x202E, 0x2060, 0xFEFF, 0xFFF9, 0xFFFD, 0xFFFE]]
SPECIALS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "[cls]", "[MASK", "MASK]", "[[MASK]]", "[ MASK ]",
            "[unused1]", "##ing", "##", "<s>", "</s>"]
EMOJI = ["\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD", "\u2764\uFE0F", "1\uFE0F\u20E3",
         "\U0001F1E9\U0001F1EA", "\U0001F3F4\U000E0067\U000E0062\U000E007F"]
TRAPS = ["\u0130", "\u0131", "\u03a3", "\u03c2", "\u1e9e", "\u00df", "\ufb01", "\uff21", "\u01c5", "\u2126", "\u212b",
         "\u0344", "\u0340", "\u0958", "\u0f73", "\u1fee", "\ufdfa", "\u3392", "\u2163", "\u00bd", "\u0149", "\u1734",
         "\u20dd", "\u0488", "\u093e", "\u0bbe", "\u1100\u1161\u11a8", "\uac00\u11a8", "e\u0301\u0323", "q\u0307\u0323",
         "<\u0338", "=\u0338", "\u1e0b\u0323", "don't", "U.S.A.", "$3.50", "a_b", "x=y", "http://a.b/c?d=e&f", "\t\n"]


def code_points(form):
    """Every code point but NUL and surrogates, in one of FORMS."""
    make = FORMS[form]
    return [make(chr(c)) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]


def words_of(vocabulary):
    """Pieces of a vocabulary to spell words with."""
    return [w[2:] if w.startswith("##") else w for w in vocabulary][:40000]


def piece(rng, words):
    kind = rng.random()
    if kind < 0.34:
        word = rng.choice(words)
        style = rng.random()
        return word.upper() if style < 0.1 else word.capitalize() if style < 0.3 else word + rng.choice(words) \
            if style < 0.45 else word
    if kind < 0.55:
        low, high = rng.choice(RANGES)
        return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8)))
    if kind < 0.66:
        base = chr(rng.choice([rng.randint(0x41, 0x7A), rng.randint(0xC0, 0x17F), rng.randint(0x1E00, 0x1EFF)]))
        return base + "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 6)))
    if kind < 0.70:
        return "".join(chr(rng.choice([rng.randint(0x1100, 0x11FF), rng.randint(0xAC00, 0xD7FF)]))
                       for _ in range(rng.randint(1, 5)))
    if kind < 0.74:
        return rng.choice(EMOJI) + rng.choice(["", "\uFE0F", "\u200D"])
    if kind < 0.79:
        return rng.choice(SPECIALS)
    if kind < 0.86:
        return rng.choice(TRAPS)
    if kind < 0.92:
        return rng.choice(CONTROLS)
    if kind < 0.96:
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randint(1, 4)))
    if kind < 0.975:
        return "".join(chr(rng.choice([rng.randint(1, 0xD7FF), rng.randint(0xE000, 0x10FFFF)]))
                       for _ in range(rng.randint(1, 6)))
    if kind < 0.985:
        return rng.choice(["a", "ab", "\u0301", "\u4e2d", "\u00e9", "\U0001F600", "[", "1"]) * rng.randint(90, 120)
    return rng.choice(MARKS) * rng.randint(1, 3) + "".join(rng.choice(MARKS) for _ in range(rng.randint(15, 40)))


def generated(n, words, seed=20260801):
    """n strings, the same for the same words and seed."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n):
        parts = [piece(rng, words) for _ in range(rng.randint(1, 14))]
        glue = [rng.choice([" ", " ", " ", "", "", "  ", "\n", "\u00a0"]) for _ in parts]
        text = "".join(p + g for p, g in zip(parts, glue)).replace("\0", "")
        texts.append(text)
    return texts


def long_texts(words, seed=20260802):
    """A few texts of tens of thousands of characters: with spaces, without ASCII spaces, without any."""
    rng = random.Random(seed)
    mixed = [c for t in TRAPS for c in t] + [chr(c) for c in range(0x4E00, 0x4E20)] + MARKS[:60] + \
        [chr(c) for c in range(0x3041, 0x3060)] + [chr(c) for c in range(0xF900, 0xF910)] + ["\U0002F800", "\U00020000"]
    wide = [c for c in mixed if c not in " \t\n"]
    return ["".join(generated(2000, words, seed)),
            " ".join(rng.choice(words) for _ in range(20000)),
            "".join(rng.choice(wide) for _ in range(30000)),
            "".join(rng.choice(wide + ["\u3000", "\u2003", "\u00a0", "\u0085", "\u2028"] * 9) for _ in range(30000)),
            "".join(rng.choice(["\u4e2d", "\uf900", "\u0301", "\u3042", "[MASK]", "\u3000"]) for _ in range(30000)),
            "x".join(rng.choice(["[MASK]", "[SEP]", " [CLS] ", "[MASK"]) for _ in range(5000))]


def emails(path, keys=("subject", "body", "text")):
    """Every text of a JSON-lines file of messages, NUL dropped."""
    opener = lzma.open if path.endswith(".xz") else open
    texts = []
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            texts.extend(message[k].replace("\0", "") for k in keys if isinstance(message.get(k), str))
    return texts


def cased_vocabulary(uncased):
    """The uncased vocabulary (word -> id) with capitals, accents and single characters of all scripts."""
    vocab = dict(uncased)

    def add(word):
        if word not in vocab:
            vocab[word] = len(vocab)

    for word in list(uncased)[:20000]:
        if word.isalpha():
            add(word.capitalize())
            add(word.upper())
    for c in range(1, 0x110000):
        if unicodedata.category(chr(c)) in ("Cn", "Co", "Cs") or 0x3500 <= c < 0x4E00 or 0x5200 <= c < 0xA000 or \
                0xAE00 <= c < 0xD700 or 0x20100 <= c < 0x2A600 or 0x2A800 <= c < 0x2B700 or 0x2BA00 <= c < 0x2F800 or \
                0x30000 <= c < 0x323B0:
            continue
        add(chr(c))
        add("##" + chr(c))
    return vocab
