"""What a component rests on."""

from __future__ import annotations

from dataclasses import dataclass

from pxrdgen.errors import BrokenPluginError


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One work: its key, what it is cited for in a few words, its BibTeX entry ``@type{key, ...}``.

    Raises:
        BrokenPluginError: the entry is not one of that key.
    """

    key: str
    reason: str
    bibtex: str

    def __post_init__(self) -> None:
        begins = self.bibtex.partition(",")[0].replace(" ", "")
        if not begins.startswith("@") or begins.partition("{")[2] != self.key or not self.key:
            raise BrokenPluginError(f"the BibTeX entry of citation {self.key!r} begins {begins!r}; expected its key")
