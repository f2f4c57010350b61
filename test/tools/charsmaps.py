"""Make and take apart SentencePiece's precompiled character maps: a double array of u32 and a blob of texts that end with NUL."""

import struct


class DoubleArray:
    """Units of the map's trie: 31 bits of value, or offset << 10 | extension << 9 | leaf << 8 | label."""

    def __init__(self, keys):
        """keys: bytes to the number that they give."""
        self.units = {}
        self.used = {0}
        tree = {}
        for key, value in keys.items():
            node = tree
            for byte in key:
                node = node.setdefault(byte, {})
            node[None] = value
        stack = [(tree, 0)]
        base = 1
        while stack:
            node, at = stack.pop()
            labels = [byte for byte in node if byte is not None] + ([0] if None in node else [])
            while base in self.used:
                base += 1
            base_here = base
            while any(base_here ^ label in self.used for label in labels) or (base_here ^ at) >= 1 << 21:
                base_here += 1
            for label in labels:
                self.used.add(base_here ^ label)
            self.units[at] = self.units.get(at, 0) & 0x800000FF | (base_here ^ at) << 10 | (None in node) << 8
            if None in node:
                self.units[base_here] = node[None] | 1 << 31
            for byte, child in node.items():
                if byte is not None:
                    self.units[base_here ^ byte] = byte
                    stack.append((child, base_here ^ byte))

    def pack(self):
        n = (max(self.units, default=0) + 256) // 256 * 256
        return struct.pack(f"<{n}I", *[self.units.get(i, 0) for i in range(n)])


def charsmap(replacements):
    """The bytes of a map from texts to texts."""
    blob, keys = b"", {}
    for text, content in replacements.items():
        keys[text.encode("utf-8")] = len(blob)
        blob += content.encode("utf-8") + b"\0"
    trie = DoubleArray(keys).pack()
    return struct.pack("<I", len(trie)) + trie + blob
