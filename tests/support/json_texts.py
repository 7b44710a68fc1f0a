"""JSON texts, valid and not, on which two decoders are most likely to differ."""

from random import Random

NAMES = (
    *(r'"a"', r'"\u0061"', r'"A"', r'"b"', r'"a:"', r'"a\u003a"', r'"a\u003A"', r'"a\u0000"', r'"\\u0000"'),
    *(r'""', r'"\""', r'"\\"', r'"a\\"', r'"é"', r'"\u00e9"', r'"e\u0301"', r'"\ud83d\ude00"', r'"😀"'),
    *(r'"\ud800"', '"a\0"', r'"[{"', r'"method"', r'"\u0022:"', r'"\u005c"', r'"/"', r'"\/"', r'"\u002f"'),
)
"""Names, many of them the same in different spellings."""
PIECES = (
    *(r"a", r":", r"\"", r"\\", r"\n", r"\/", r"/", r"[", r"]", r"{", r"}", r",", r" ", r"\u003a", r"\u003A"),
    *(r"\u0000", r"\\u0000", r"\\u003a", r"\ud83d\ude00", r"\ud83d", r"\ude00", "é", "€", "😀", "\x7f"),
    *(r"\u001f", "Infinity", "NaN", "-", "0", "1" * 130, r"\b\f\r\t", r"\u00E9", "\ufeff", "\u2028", r"\":"),
)
BROKEN_PIECES = ("\n", "\0", '"', "\\", r"\x", r"\u00", r"\u+001", r"\u 001", r"\U0041", r"\'", "\x1f")
NUMBERS = (
    *("0", "-0", "-0.0", "0.0", "1", "-1", "1.0", "1e5", "1E5", "1e+5", "1e-5", "1E400", "-1e400", "1e308"),
    *("1e309", "0e999", "1e-400", "0.1", "1e23", "9007199254740993", "9007199254740993.0"),
    *("2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623158e308"),
    *("1.7976931348623159e308", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "18446744073709551616", "9" * 128, "-" + "9" * 128, "1" + "0" * 128),
    *("-1" + "0" * 128, "1" * 4300, "1" * 4301, "9" * 130 + ".5", "0." + "3" * 130, "1" + "0" * 308 + ".0"),
    *("1" + "0" * 309 + ".0", "1e00000000000000000000001"),
)
NO_VALUES = (
    *("NaN", "Infinity", "-Infinity", "-NaN", "nan", "01", "-01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1"),
    *("--1", "True", "None", "nul", "nulll", "'a'", "", "1 1", "//", "/* */", "\ufeff", "\u00a0", "\x0b"),
)
BLANKS = ("", "", "", "", " ", "\t", "\n", "\r", "  \r\n")
DEPTHS = (1, 2, 31, 32, 33, 62, 63, 64, 65, 66, 127, 128, 129, 199, 200, 201, 202, 300)


def random_text(random: Random) -> bytes:
    """Return a text of some hundred bytes at most; about half of them are JSON, some of that unambiguous."""
    text = random.choice(BLANKS) + _value(random, 3) + random.choice(BLANKS)
    if random.random() < 0.1:
        text = _nested(random, text)
    encoded = text.encode("utf-8", "surrogatepass")
    while random.random() < 0.3:
        encoded = _mutated(random, encoded)
    return encoded


def _number(random: Random) -> str:
    whole = str(random.randrange(10 ** random.choice((1, 2, 15, 17, 19, 20, 40, 127, 128, 129, 320))))
    number = random.choice(("", "-")) + whole
    if random.random() < 0.5:
        digits = random.choice((1, 5, 16, 17, 19, 30, 150, 400))
        number += "." + "0" * random.choice((0, 0, 0, 5, 300)) + str(random.randrange(10**digits))
    if random.random() < 0.4:
        number += random.choice("eE") + random.choice(("", "+", "-")) + str(random.randrange(340))
    return number


def _value(random: Random, depth: int) -> str:
    kind = random.random()
    if depth and kind < 0.35:
        members = (
            f"{_blank(random)}{_name(random)}{_blank(random)}:{_value(random, depth - 1)}"
            for _ in range(random.randrange(4))
        )
        return "{" + ",".join(members) + "}"
    if depth and kind < 0.5:
        return "[" + ",".join(_value(random, depth - 1) for _ in range(random.randrange(4))) + "]"
    if kind < 0.7:
        return _string(random)
    if kind < 0.8:
        return random.choice(("true", "false", "null"))
    if kind < 0.9:
        return random.choice(NUMBERS)
    return _number(random) if kind < 0.98 else random.choice(NO_VALUES)


def _name(random: Random) -> str:
    if random.random() < 0.2:
        return _string(random)
    return random.choice(NAMES[: random.choice((3, 6, len(NAMES)))])


def _blank(random: Random) -> str:
    return random.choice(BLANKS)


def _string(random: Random) -> str:
    pieces = [random.choice(PIECES) for _ in range(random.randrange(5))]
    if random.random() < 0.03:
        pieces.append(random.choice(BROKEN_PIECES))
    return '"' + "".join(pieces) + '"'


def _nested(random: Random, text: str) -> str:
    shapes = [random.choice((("[", "]"), ('{"a":', "}"), ('["]",', "]"), ('{"[\\"":', ',"b":[]}')))]
    shapes *= random.choice(DEPTHS)
    if random.random() < 0.5:
        shapes = [random.choice((("[", "]"), ('{"a":', "}"))) for _ in shapes]
    return "".join(opening for opening, _ in shapes) + text + "".join(end for _, end in reversed(shapes))


def _mutated(random: Random, text: bytes) -> bytes:
    at, until = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
    until = min(until, at + 12)
    kind = random.randrange(6)
    if kind == 0:
        return text[:at] + text[until:]
    if kind == 1:
        return text[:until] + text[at:]
    if kind == 2:
        inserted = random.choice(b'"\\:,[]{}0-.eE \n\0\xff\xc3\xa9\xed\xa0')
        return text[:at] + bytes([inserted]) + text[at:]
    if kind == 3:
        return text[:at]
    if kind == 4:
        return random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b" ", b"\x00")) + text
    return text[:at] + random.choice(PIECES).encode() + text[until:]
