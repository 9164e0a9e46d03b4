"""Changes to the bytes of a file, as disks, editors and attackers make them."""

import random
import re
from collections.abc import Callable

# What has broken readers of such files somewhere: as text, as numbers, as structure.
TOKENS = (
    b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\xc3\x28", b"\xed\xa0\x80", b"\xe2\x80\xa8",
    b"\n", b"\r", b"\t", b"\t\t", b'"', b"'", b"{", b"}", b"[", b"]", b":", b"#", b"~",
    b"\x1b[31m", b"*a", b"&a ", b"<<: *a", b"!!binary ", b"!!python/object:os.system ",
    b"2020-01-01", b"**", b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1_0", b"9" * 20,
    b"NaN", b"Infinity", b"null", b"true", b"\\ud800", b"=cmd|' /C calc'!A1",
    b"../../etc/passwd", b"/dev/zero",
)  # fmt: skip
NUMBERS = (
    b"", b"-1", b"0", b"1", b"3", b"11", b"255", b"256", b"32768", b"65536", b"2147483648",
    b"9" * 20, b"-9" * 9, b"1e30", b"1e999", b"nan", b"inf", b"0x10", b"1_0", b"3.7", b"1 2", b"a",
)  # fmt: skip
Change = Callable[[random.Random, bytes], bytes]


def _place(chance: random.Random, content: bytes) -> int:
    return chance.randrange(len(content) + 1)


def flip(chance: random.Random, content: bytes) -> bytes:
    """One bit."""
    if not content:
        return content
    place = chance.randrange(len(content))
    changed = bytearray(content)
    changed[place] ^= 1 << chance.randrange(8)
    return bytes(changed)


def number(chance: random.Random, content: bytes) -> bytes:
    """Two, four or eight bytes become a number at the edge of what they can hold."""
    size = chance.choice([2, 4, 8])
    place = _place(chance, content)
    edge = chance.choice([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1])
    order = "little" if chance.random() < 0.5 else "big"
    return content[:place] + edge.to_bytes(size, order) + content[place + size :]


def cut(chance: random.Random, content: bytes) -> bytes:
    """The end is lost."""
    return content[: _place(chance, content)]


def remove(chance: random.Random, content: bytes) -> bytes:
    """A part is lost."""
    place = _place(chance, content)
    return content[:place] + content[place + chance.randrange(1, 40) :]


def repeat(chance: random.Random, content: bytes) -> bytes:
    """A part comes again, perhaps often."""
    place = _place(chance, content)
    part = content[place : place + chance.randrange(1, 60)]
    return content[:place] + part * chance.choice([2, 2, 3, 50, 2000]) + content[place:]


def insert(chance: random.Random, content: bytes) -> bytes:
    """A word that has broken readers."""
    place = _place(chance, content)
    return content[:place] + chance.choice(TOKENS) + content[place:]


def replace(chance: random.Random, content: bytes) -> bytes:
    """A word of the text becomes one that has broken readers."""
    words = content.split(b" ") if chance.random() < 0.5 else content.split(b"\t")
    words[chance.randrange(len(words))] = chance.choice(TOKENS)
    return (b" " if b" " in content else b"\t").join(words)


def spell(chance: random.Random, content: bytes) -> bytes:
    """A number that is written out becomes another, or none."""
    found = list(re.finditer(rb"-?[0-9.]+", content[:4096]))
    if not found:
        return content
    one = chance.choice(found)
    other = chance.choice((*NUMBERS, b"%d" % chance.randrange(20)))
    return content[: one.start()] + other + content[one.end() :]


def swap_lines(chance: random.Random, content: bytes) -> bytes:
    """Two lines change places, or one comes twice."""
    lines = content.split(b"\n")
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    if chance.random() < 0.5:
        lines[one], lines[two] = lines[two], lines[one]
    else:
        lines.insert(one, lines[two])
    return b"\n".join(lines)


def encode(chance: random.Random, content: bytes) -> bytes:
    """Another encoding of the same text."""
    name = chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-7", "utf-8-sig"])
    return content.decode("latin-1").encode(name, errors="ignore")


def deepen(chance: random.Random, content: bytes) -> bytes:
    """Brackets in brackets in brackets."""
    place, depth = _place(chance, content), chance.choice([10, 1000, 100_000])
    return content[:place] + chance.choice([b"[", b'{"a":', b"{a: "]) * depth + content[place:]


CHANGES: tuple[Change, ...] = (
    *(flip, flip, flip, number, number, cut, remove, repeat),
    *(insert, insert, replace, spell, spell, swap_lines, encode, deepen),
)


def mutate(chance: random.Random, content: bytes) -> bytes:
    """Some changes, mostly few."""
    if chance.random() < 0.01:
        return b""
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8])):
        content = chance.choice(CHANGES)(chance, content)
    return content
