r"""Regular expressions in RE2's syntax, which TensorFlow's string ops take, translated to Python's `re`.

Both engines prefer the same match, so what differs is the notation: `\d`, `\w`, `\s` and `\b` are ASCII, classes may be
`[[:alpha:]]` or `\p{Greek}`, `$` is the end of the text, flags may change in the middle, `\Q...\E` quotes. Look-around
and backreferences do not exist. https://github.com/google/re2/wiki/Syntax

Text is decoded with "surrogateescape": bytes that are no UTF-8 become lone surrogates, which no class and no dot matches.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable

from penstock.ops.strings.unicode_scripts import Ranges, script_ranges

_PERL: dict[str, Ranges] = {
    "d": [(48, 57)],
    "w": [(48, 57), (65, 90), (95, 95), (97, 122)],
    "s": [(9, 10), (12, 13), (32, 32)],
}
_POSIX: dict[str, Ranges] = {
    "alnum": [(48, 57), (65, 90), (97, 122)],
    "alpha": [(65, 90), (97, 122)],
    "ascii": [(0, 127)],
    "blank": [(9, 9), (32, 32)],
    "cntrl": [(0, 31), (127, 127)],
    "digit": _PERL["d"],
    "graph": [(33, 126)],
    "lower": [(97, 122)],
    "print": [(32, 126)],
    "punct": [(33, 47), (58, 64), (91, 96), (123, 126)],
    "space": [(9, 13), (32, 32)],
    "upper": [(65, 90)],
    "word": _PERL["w"],
    "xdigit": [(48, 57), (65, 70), (97, 102)],
}
_PLACES = {"A": r"(?:\A)", "z": r"(?:\Z)", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_CONTROL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAME = re.compile(r"\(\?P<(\w+)>")
_LARGEST_REPEAT = 1000
_SURROGATES = r"\ud800-\udfff"


@functools.cache
def _categories() -> dict[str, Ranges]:
    """General category, and its first letter, -> ranges of code points."""
    found: dict[str, Ranges] = {}
    start, current = 0, unicodedata.category("\0")
    for code in range(1, sys.maxunicode + 2):
        category = unicodedata.category(chr(code)) if code <= sys.maxunicode else ""
        if category != current:
            for name in (current, current[0]):
                found.setdefault(name, []).append((start, code - 1))
            start, current = code, category
    return found


def _complement(ranges: Ranges) -> Ranges:
    """All code points but those in ranges, and but the surrogates."""
    taken = sorted([*ranges, (0xD800, 0xDFFF)])
    found, next_free = [], 0
    for first, last in taken:
        if first > next_free:
            found.append((next_free, first - 1))
        next_free = max(next_free, last + 1)
    return [*found, (next_free, sys.maxunicode)] if next_free <= sys.maxunicode else found


def _literal(code: int) -> str:
    character = chr(code)
    return character if character.isalnum() and code < 128 else f"\\U{code:08x}"


def _class(ranges: Ranges, negated: bool = False) -> str:
    """A class of Python's `re`. Negated as it stands, so that ignoring case stays right."""
    inside = "".join(_literal(a) if a == b else f"{_literal(a)}-{_literal(b)}" for a, b in ranges)
    if negated:
        return f"[^{inside}{_SURROGATES}]"
    return f"[{inside}]" if inside else r"[^\s\S]"


class Translator:
    """Translates one pattern, from left to right.

    Raises (all methods):
      ValueError: the pattern is not RE2's syntax; the message is RE2's.
    """

    def __init__(self, pattern: str):
        self.pattern, self.position = pattern, 0
        self.out: list[str] = []
        # For each open group: the four attributes below at its start.
        self.groups: list[tuple[frozenset[str], bool, bool, bool]] = []
        self.flags: frozenset[str] = frozenset()
        self.ignoring = False  # whether a group for (?i) has been opened in this group
        # Whether all alternatives of this group before the current one, and the current one so far, match no empty text.
        self.others_consume, self.consumes = True, False

    def translate(self) -> str:
        """The pattern in Python's syntax."""
        while self.position < len(self.pattern):
            self._step(self.pattern[self.position])
        if self.groups:
            raise ValueError(f"missing ): {self.pattern}")
        return "".join(self.out) + ")" * self.ignoring

    def _step(self, character: str) -> None:
        self.position += 1
        if character == "\\":
            self._escape()
        elif character == "[":
            self._bracket()
        elif character == "(":
            self._open()
        elif character == ")":
            self._close()
        elif character == "|":
            self.out.append(")" * self.ignoring + "|" + "(?i:" * self.ignoring)
            self.others_consume, self.consumes = self.others_consume and self.consumes, False
        elif character == ".":
            self._atom(_class([] if "s" in self.flags else [(10, 10)], negated=True))
        elif character == "^":
            self._atom("(?m:^)" if "m" in self.flags else r"(?:\A)", consumes=False)
        elif character == "$":
            self._atom("(?m:$)" if "m" in self.flags else r"(?:\Z)", consumes=False)
        elif character in "*+?":
            raise ValueError(f"no argument for repetition operator: {character}")
        else:
            self._atom(_literal(ord(character)))

    # Atoms and repetition.

    def _atom(self, text: str, consumes: bool = True) -> None:
        """Puts out something that may be repeated, with its repetition."""
        self.out.append(text)
        self._repetition(consumes)

    def _repetition(self, consumes: bool) -> None:
        operator = self._repetition_operator()
        if consumes and not operator.startswith(("*", "?", "{0")):
            self.consumes = True
        if not operator:
            return
        start = self.position - len(operator)
        lazy = self._take("?")
        if "U" in self.flags:
            lazy = not lazy
        self.out.append(operator + "?" * lazy)
        if self._repetition_operator():
            raise ValueError(f"bad repetition operator: {self.pattern[start : self.position]}")

    def _repetition_operator(self) -> str:
        character = self.pattern[self.position : self.position + 1]
        if character and character in "*+?":
            self.position += 1
            return character
        found = _REPEAT.match(self.pattern, self.position)
        if found is None:
            return ""
        least, most = int(found[1]), int(found[3] or found[1]) if found[2] != "," else int(found[1])
        if max(least, most) > _LARGEST_REPEAT or most < least:
            raise ValueError(f"invalid repetition size: {found[0]}")
        self.position = found.end()
        return found[0]

    def _take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    # Groups.

    def _open(self) -> None:
        if not self._take("?"):
            self._enter("(")
            return
        start = self.position - 2
        named = _NAME.match(self.pattern, start)
        if named is not None:
            self.position = named.end()
            self._enter("(")  # groups are told by number only, and RE2 lets names repeat
            return
        flags = _FLAGS.match(self.pattern, start)
        if flags is None:
            raise ValueError(f"invalid perl operator: {self.pattern[start : self.position + 1]}")
        self.position = flags.end()
        if flags[3] == ":":
            self._enter("(?:")
        self._set_flags((self.flags | set(flags[1])) - set(flags[2] or ""))

    def _enter(self, text: str) -> None:
        self.out.append(text)
        self.groups.append((self.flags, self.ignoring, self.others_consume, self.consumes))
        self.ignoring, self.others_consume, self.consumes = False, True, False

    def _set_flags(self, flags: frozenset[str]) -> None:
        """Changes flags until the group ends. Python scopes (?i) by groups, so one is opened or closed here."""
        if ("i" in flags) != ("i" in self.flags):
            if "i" in flags:
                self.out.append("(?i:")
                self.ignoring = True
            elif self.ignoring:
                self.out.append(")")
                self.ignoring = False
            else:  # an outer group ignores case
                self.out.append("(?-i:")
                self.ignoring = True
        self.flags = frozenset(flags)

    def _close(self) -> None:
        if not self.groups:
            raise ValueError(f"unexpected ): {self.pattern}")
        self.out.append(")" * self.ignoring + ")")
        group_consumes = self.others_consume and self.consumes
        self.flags, self.ignoring, self.others_consume, self.consumes = self.groups.pop()
        self._repetition(group_consumes)

    # Escapes.

    def _escape(self) -> None:
        if self.position == len(self.pattern):
            raise ValueError("trailing \\ at end of regexp")
        character = self.pattern[self.position]
        if character in "AzbB":
            self.position += 1
            self._atom(_PLACES[character], consumes=False)
        elif character == "Q":
            self.position += 1
            end = self.pattern.find("\\E", self.position)
            quoted = self.pattern[self.position :] if end < 0 else self.pattern[self.position : end]
            self.position = len(self.pattern) if end < 0 else end + 2
            for each in quoted[:-1]:
                self.out.append(_literal(ord(each)))
                self.consumes = True
            if quoted:
                self._atom(_literal(ord(quoted[-1])))
        elif character == "C":
            raise ValueError("\\C, a single byte, is not supported: matches are of whole characters")
        else:
            ranges, negated = self._set_escape()
            if ranges is not None:
                self._atom(_class(ranges, negated))
            else:
                self._atom(_literal(self._character_escape()))

    def _set_escape(self) -> tuple[Ranges | None, bool]:
        r"""The set behind `\d`, `\P{Greek}`, ... and whether it is negated; None where it is no such escape."""
        character = self.pattern[self.position]
        if character.lower() in _PERL:
            self.position += 1
            return _PERL[character.lower()], character.isupper()
        if character not in "pP":
            return None, False
        start = self.position - 1
        self.position += 1
        if self._take("{"):
            end = self.pattern.find("}", self.position)
            if end < 0:
                raise ValueError(f"invalid character class range: {self.pattern[start:]}")
            name, self.position = self.pattern[self.position : end], end + 1
        else:
            name = self.pattern[self.position : self.position + 1]
            self.position += 1
        negated = (character == "P") != name.startswith("^")
        name = name.removeprefix("^")
        ranges = (
            [(0, sys.maxunicode)] if name == "Any" else _categories().get(name) or script_ranges().get(name)
        )
        if ranges is None:
            raise ValueError(f"invalid character class range: {self.pattern[start : self.position]}")
        return ranges, negated

    def _character_escape(self) -> int:
        r"""The code point behind `\n`, `\x41`, `\.`, ..."""
        start = self.position - 1
        character = self.pattern[self.position]
        self.position += 1
        if character in _CONTROL:
            return _CONTROL[character]
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self.pattern, start + 1)
        if octal is not None:
            self.position = octal.end()
            return int(octal[0], 8)
        if character == "x":
            found = re.compile(r"x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))").match(self.pattern, start + 1)
            if found is not None and int(found[1] or found[2], 16) <= sys.maxunicode:
                self.position = found.end()
                return int(found[1] or found[2], 16)
        elif character.isascii() and not character.isalnum():
            return ord(character)
        raise ValueError(f"invalid escape sequence: {self.pattern[start : self.position]}")

    # Classes.

    def _bracket(self) -> None:
        start = self.position - 1
        negated = self._take("^")
        ranges: Ranges = []
        first = True
        while True:
            if self.position >= len(self.pattern):
                raise ValueError(f"missing ]: {self.pattern[start:]}")
            if self._take("]"):
                if not first:
                    break
                self.position -= 1
            first = False
            self._class_item(ranges, start)
        self._atom(_class(ranges, negated))

    def _class_item(self, ranges: Ranges, start: int) -> None:
        posix = re.compile(r"\[:(\^?)(\w*):\]").match(self.pattern, self.position)
        if posix is not None:
            if posix[2] not in _POSIX:
                raise ValueError(f"invalid character class range: {posix[0]}")
            self.position = posix.end()
            ranges += _complement(_POSIX[posix[2]]) if posix[1] else _POSIX[posix[2]]
            return
        item = self.position
        low = self._class_character(ranges, start)
        if low is None:
            return
        rest = self.pattern[self.position : self.position + 2]
        if rest[:1] != "-" or rest in ("-", "-]"):
            ranges.append((low, low))
            return
        self.position += 1
        high = self._class_character(ranges, start)
        if high is None or high < low:
            raise ValueError(f"invalid character class range: {self.pattern[item : self.position]}")
        ranges.append((low, high))

    def _class_character(self, ranges: Ranges, start: int) -> int | None:
        """The next character of a class; None where it was a set, which is added to `ranges`."""
        if self.position >= len(self.pattern):
            raise ValueError(f"missing ]: {self.pattern[start:]}")
        character = self.pattern[self.position]
        self.position += 1
        if character != "\\":
            return ord(character)
        if self.position >= len(self.pattern):
            raise ValueError("trailing \\ at end of regexp")
        found, negated = self._set_escape()
        if found is None:
            return self._character_escape()
        ranges += _complement(found) if negated else found
        return None


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: bytes) -> re.Pattern[str]:
    """The compiled form of an RE2 pattern.

    Raises:
      ValueError: it is not RE2's syntax.
    """
    shown = pattern.decode("utf-8", "replace")
    try:
        return re.compile(Translator(pattern.decode("utf-8")).translate())
    except (ValueError, re.error) as error:
        raise ValueError(f"Invalid pattern: {shown}, error: {error}") from None


@functools.lru_cache(maxsize=512)
def matches_empty(pattern: bytes) -> bool:
    """Whether a valid RE2 pattern may match an empty text; False only where it is sure that it does not."""
    translator = Translator(pattern.decode("utf-8"))
    translator.translate()
    return not (translator.others_consume and translator.consumes)


def rewriting(rewrite: str, groups: int) -> list[str | int] | None:
    r"""The parts of a rewrite string: text, and numbers of groups. None where it names a group that is not there.

    It ends at the first escape that is neither `\` nor a digit.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(rewrite):
        character = rewrite[position]
        position += 1
        if character != "\\":
            parts.append(character)
            continue
        following = rewrite[position : position + 1]
        position += 1
        if following == "\\":
            parts.append("\\")
        elif following and following in "0123456789":
            if int(following) > groups:
                return None
            parts.append(int(following))
        else:
            break
    return parts


def replacement(parts: list[str | int]) -> str | Callable[[re.Match[str]], str]:
    """What `re.sub` takes for the parts of a rewrite string."""
    text = [each for each in parts if isinstance(each, str)]
    if len(text) == len(parts):
        return "".join(text).replace("\\", "\\\\")
    return lambda match: "".join([each if isinstance(each, str) else match[each] or "" for each in parts])


def replace(pattern: re.Pattern[str], parts: list[str | int], text: str) -> str:
    """`text` with all matches rewritten. No empty match is taken where the last one ended, unlike in `re.sub`."""
    out: list[str] = []
    position, last_end = 0, -1
    while position <= len(text):
        match = pattern.search(text, position)
        if match is None:
            break
        out.append(text[position : match.start()])
        if match.start() == match.end() == last_end:
            out.append(text[last_end : last_end + 1])
            position = last_end + 1
            continue
        out += [each if isinstance(each, str) else match[each] or "" for each in parts]
        position = last_end = match.end()
    out.append(text[position:])
    return "".join(out)
