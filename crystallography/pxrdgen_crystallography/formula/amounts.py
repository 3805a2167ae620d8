"""From a formula as typed to whole numbers of atoms, with a note on everything that had to be interpreted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from pxrdgen.errors import FormulaError, nearest
from pxrdgen.values.elements import ATOMIC_NUMBERS

_LONGEST = 300
_DEEPEST = 8
#: Fractions are cleared by multiplying by at most this; beyond it, they mean mixed or partly filled sites.
_LARGEST_FACTOR = 8

_DOT = "\N{MIDDLE DOT}"
_DOTS = str.maketrans(dict.fromkeys("·•∙⋅‧・*×", _DOT))
_SIGNS = str.maketrans({"−": "-", "–": "-", "‐": "-", "⁻": "-", "⁺": "+", "﹢": "+", "⁄": "/"})
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_SOLVENT = r"(?:H2O|D2O|\(H2O\)|\(OH2\)|NH3|CH3OH|C2H5OH)(?=$|[.)\]}" + _DOT + r"])"
_NUMBER = re.compile(r"\d+/\d+|\d+\.\d+|\.\d+|\d+")
_ELEMENT = re.compile(r"[A-Z][a-z]?")


def read_amounts(text: str, *, limit: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Atoms by element symbol (D and T among them) and the notes.

    Raises:
        FormulaError: the text is no formula of an ordered crystal, or holds more than ``limit`` atoms.
    """
    typed = text.strip()
    if not typed:
        raise FormulaError("got an empty formula; expected one such as PbSO4 or CuSO4.5H2O")
    if len(typed) > _LONGEST:
        raise FormulaError(f"got a formula of {len(typed)} characters, expected at most {_LONGEST}")
    notes: list[str] = []
    plain = _resolve_dots(_without_charges(typed, _plain_text(typed, notes), notes), notes)
    amounts = _Parser(typed, plain).parse()
    if plain[:1].isdigit() and _DOT not in plain:
        notes.append(f"the number in front of {typed} multiplies the formula unit; formula units in the cell go to --z")
    for isotope in sorted({"D", "T"} & amounts.keys()):
        notes.append(f"{isotope} is read as H: X-rays see its one electron only")
    notes += _case_notes(typed)
    return _whole_numbers(typed, amounts, limit, notes), tuple(notes)


def _plain_text(typed: str, notes: list[str]) -> str:
    """Typography undone: sub- and superscripts, dots, LaTeX and HTML marks, white space."""
    text = re.sub(r"</?sub>|\$|\\mathrm", "", typed)
    text = re.sub(r"<sup>(.*?)</sup>", r"^\1^", text)
    text = re.sub(r"[⁰¹²³⁴-⁹⁺⁻]+", lambda run: "^" + unicodedata.normalize("NFKC", run[0]) + "^", text)
    text = unicodedata.normalize("NFKC", text.translate(_DOTS).translate(_SIGNS)).translate(_SIGNS)
    text = re.sub(r"_\{([\d./]+)\}|_", r"\1", text)
    text = re.sub(r"\^\{([^{}]*)\}", r"^\1^", text)
    # the letter x as a times sign before solvent: "CuSO4 x 5 H2O"
    text = re.sub(r"(?<=[\w)\]}])(?:\s+[xX]\s*|\s*x\s*)(?=\d*\s*" + _SOLVENT + ")", _DOT, text)
    prefix = re.match(r"(?:[α-ω]|alpha|beta|gamma|delta)-", text)
    if prefix:
        text = text[prefix.end() :]
        notes.append(f"the prefix {prefix[0]!r} names a polymorph and is left out")
    if re.search(r"\s\+\s", text) or re.search(r"[,;]\s*[A-Z]", text):
        raise FormulaError(
            f"got {typed!r}, which lists alternatives or a mixture; ordered crystals only: "
            "give one formula with whole numbers, as in MgFeSiO4"
        )
    if "," in text:
        raise FormulaError(f"got a comma in {typed!r}; write fractions with a decimal point")
    if any(mark in text for mark in "□☐◻"):
        raise FormulaError(f"got a vacancy in {typed!r}; ordered crystals only: leave out sites that are always empty")
    if re.search(r"[+-]\s*[a-zδ]|[\d)\]}." + _DOT + r"]\s*[xyznδ](?![a-z])|[A-Z][a-z][xyδ](?=[A-Z0-9]|$)", text):
        raise FormulaError(f"got {typed!r}, where an amount is a letter; give a whole number for each amount")
    text = re.sub(rf"\s*{_DOT}\s*(\d*)\s*", rf"{_DOT}\1", text)
    text = re.sub(r"\s+(\d*[+-]+)(?=\s|$)", r"^\1^", text)
    text = re.sub(r"(?<=[\d)\]}])\s+(?=\d)", _DOT, text)
    return re.sub(r"\s+", "", text).rstrip(".")


def _without_charges(typed: str, text: str, notes: list[str]) -> str:
    """``Fe3+``, ``SO4^2-``, ``(NH4)+``, ``Fe(III)``: charges and oxidation states left out."""
    found: list[str] = []

    def drop(match: re.Match[str]) -> str:
        found.append(match[0].strip("^"))
        return "|"

    text = re.sub(r"(?<=[a-zA-Z])\((?:II|III|IV|VI|VII|VIII)\)", drop, text)
    text = re.sub(r"\^\(?(?:\d*[+-]+|[+-]\d+)\)?\^?", drop, text)
    text = re.sub(r"\((?:\d*[+-]+|[+-]\d+)\)", drop, text)
    if "^" in text:
        raise FormulaError(f"got a raised number without a sign in {typed!r}; expected a charge such as ^2-")
    pieces: list[str] = []
    rest = text
    while match := re.search(r"(\d*)([+-]+)(\d*)", rest):
        before, sign, after = match.groups()
        head = re.split(r"[\[({|" + _DOT + r"]", rest[: match.start()])[-1]
        alone = bool(re.fullmatch(r"[A-Z][a-z]?|.*[)\]}]", head))
        if alone and len(before) == 1:
            count, charge, keep = "", before + sign, after
        elif after:
            count, charge, keep = before, sign + after, ""
        elif len(before) > 1 and before[-1] not in "01":
            count, charge, keep = before[:-1], before[-1] + sign, ""
        else:
            count, charge, keep = before, sign, ""
        found.append(charge)
        pieces += [rest[: match.start()], count, "|" if not keep else ""]
        rest = keep + rest[match.end() :]
    plain = "".join([*pieces, rest]).replace("|", "")
    if found:
        notes.append(f"charges are left out ({', '.join(found)}): read as {plain}")
    return plain


def _resolve_dots(text: str, notes: list[str]) -> str:
    """Every full stop made a middle dot (``CuSO4.5H2O``) or left as a decimal point (``Fe0.5Ni0.5``)."""
    hydrate = re.sub(r"(?<![A-Za-z)\]}]0)(?<!^0)\.(\d+(?:\.\d+)?|\d+/\d+)?(?=" + _SOLVENT + ")", _DOT + r"\1", text)
    hydrate = re.sub(r"\.(?=[A-Z(\[{])", _DOT, hydrate)
    if re.search(r"\d\.\d", hydrate) and not re.search(r"(?<!\d)0\.\d|\d\.\d+(?:$|[)\]}])", hydrate):
        segments = re.split(r"\.|" + _DOT, hydrate)
        if all(len(set(_ELEMENT.findall(segment))) >= 2 for segment in segments):
            hydrate = hydrate.replace(".", _DOT)
    if hydrate != text and re.search(r"\d\.\d", text):
        notes.append(f"read as {hydrate}: the full stop separates two parts of the formula")
    return hydrate


@dataclass
class _Parser:
    """Recursive descent: parts joined by dots; a part is a factor and units; a unit is an element or a bracket."""

    typed: str
    text: str
    position: int = 0
    depth: int = field(default=0)

    def parse(self) -> dict[str, Fraction]:
        amounts = self._parts(closing="")
        if not amounts:
            raise FormulaError(f"got {self.typed!r}, which names no element; expected a formula such as PbSO4")
        return amounts

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _number(self) -> Fraction | None:
        match = _NUMBER.match(self.text, self.position)
        if not match:
            return None
        if len(match[0]) > 12 or match[0].endswith("/0"):
            raise FormulaError(f"got the amount {match[0]} in {self.typed!r}; expected a small number")
        self.position = match.end()
        value = Fraction(match[0])
        if value == 0:
            raise FormulaError(f"got an amount of zero in {self.typed!r}; leave the element out")
        return value

    def _parts(self, closing: str) -> dict[str, Fraction]:
        totals: dict[str, Fraction] = {}
        while True:
            start = self.position
            factor = self._number() or Fraction(1)
            found = False
            while (char := self._peek()) and char not in (_DOT, closing):
                found = True
                for symbol, amount in self._unit().items():
                    totals[symbol] = totals.get(symbol, Fraction(0)) + amount * factor
            if not found:
                raise FormulaError(f"got {self.typed!r} with nothing {self._where(start)}; expected an element")
            if self._peek() != _DOT:
                break
            self.position += 1
        if self._peek() != closing:
            raise FormulaError(f"got {self.typed!r} with an unclosed bracket; expected another {closing!r}")
        return totals

    def _where(self, start: int) -> str:
        return f"after {self.text[:start]!r}" if start else "in front"

    def _unit(self) -> dict[str, Fraction]:
        char = self._peek()
        if char in _BRACKETS:
            self.depth += 1
            if self.depth > _DEEPEST:
                raise FormulaError(f"got {self.typed!r}, brackets nested more than {_DEEPEST} deep")
            self.position += 1
            amounts = self._parts(closing=_BRACKETS[char])
            self.position += 1
            self.depth -= 1
        else:
            amounts = {self._element(): Fraction(1)}
        factor = self._number() or Fraction(1)
        return {symbol: amount * factor for symbol, amount in amounts.items()}

    def _element(self) -> str:
        match = _ELEMENT.match(self.text, self.position)
        hint = _respelled_text(self.text)
        if not match:
            char = self._peek()
            if char in _BRACKETS.values():
                raise FormulaError(f"got {self.typed!r} with a {char!r} that closes no bracket; remove it or open one")
            what = "a lower-case letter where an element begins" if char.islower() else f"the character {char!r}"
            raise FormulaError(f"got {what} in {self.typed!r}{hint}; expected a formula such as PbSO4 or CuSO4.5H2O")
        symbol = match[0]
        if symbol not in ATOMIC_NUMBERS:
            raise FormulaError(
                f"got {symbol!r} in {self.typed!r}, which is no element{hint or nearest(symbol, ATOMIC_NUMBERS)}"
            )
        self.position = match.end()
        return symbol


def _respellings(letters: str) -> Iterator[str]:
    """Ways to write the text with capitals where elements begin, longest symbols first."""
    if not letters:
        yield ""
        return
    if not letters[0].isalpha():
        yield from (letters[0] + rest for rest in _respellings(letters[1:]))
        return
    for length in (2, 1):
        symbol = letters[:length].capitalize()
        if len(symbol) == length and symbol in ATOMIC_NUMBERS and symbol not in ("D", "T"):
            yield from (symbol + rest for rest in _respellings(letters[length:]))


def _respelled_text(text: str) -> str:
    """``"; did you mean 'Co' or 'CO'?"``, or nothing where no capitals make it a formula."""
    if len(text) > 24 or not text.isascii():
        return ""
    found: list[str] = []
    for spelling in _respellings(text):
        if spelling != text:
            found.append(repr(spelling))
        if len(found) == 3:
            break
    return f"; did you mean {' or '.join(found)}?" if found else ""


#: Metals and semimetals whose symbol in capitals reads as two other elements.
_EASILY_MISREAD = {"CO", "CS", "CU", "HF", "HO", "IN", "NB", "NI", "OS", "PB", "SB", "SC", "SI", "SN", "BI", "YB"}


def _case_notes(typed: str) -> list[str]:
    """A formula all in capitals may have meant ``Co`` where it says ``CO``."""
    if any(char.islower() for char in typed):
        return []
    pairs = sorted(pair for pair in _EASILY_MISREAD if re.search(pair + r"(?!\d)", typed))
    return [f"{pair} is read as {pair[0]} and {pair[1]}; {pair.capitalize()} is one element" for pair in pairs]


def _whole_numbers(typed: str, amounts: dict[str, Fraction], limit: int, notes: list[str]) -> dict[str, int]:
    """The amounts times the smallest factor that makes them whole; 0.33 and 0.67 count as thirds."""
    for factor in range(1, _LARGEST_FACTOR + 1):
        tolerance = Fraction(12, 1000) if factor in (3, 6) else Fraction(0)
        scaled = {symbol: round(amount * factor) for symbol, amount in amounts.items()}
        if all(n >= 1 and abs(amounts[symbol] * factor - n) <= tolerance * n for symbol, n in scaled.items()):
            break
    else:
        parts = ", ".join(f"{symbol} {float(amount):g}" for symbol, amount in amounts.items() if amount.denominator > 1)
        raise FormulaError(
            f"got fractional amounts in {typed!r} ({parts}): mixed or partly filled sites; ordered crystals only: "
            "give the whole numbers of an ordered model"
        )
    total = sum(scaled.values())
    if total > limit:
        raise FormulaError(f"got {total} atoms in {typed!r}, expected at most {limit} in a formula unit")
    if factor > 1:
        whole = "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in scaled.items())
        notes.append(f"fractions are scaled by {factor}, as an ordered crystal: {whole}")
    return scaled
