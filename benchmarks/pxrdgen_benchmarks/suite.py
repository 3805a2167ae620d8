"""A suite as a file: what is measured, on what, with which specs, beside which published numbers."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pxrdgen.errors import OptionError, nearest
from pxrdgen.specs.validation import validated
from pxrdgen.specs.yaml_page import load_page, read_page
from pxrdgen_benchmarks.grid import Variant, variants

SMALL, FULL = "small", "full"


class Published(BaseModel):
    """A row of somebody's table, to be read beside ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    source: str = "Li et al., Nat. Commun. 16, 7428 (2025)"
    numbers: dict[str, float | str]
    note: str = ""


class SizeOptions(BaseModel):
    """What a size changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: dict[str, JsonValue] = Field(default_factory=dict, description="options of the data that replace the suite's")
    base: dict[str, JsonValue] = Field(default_factory=dict, description="values at dotted paths of the base spec")
    grid: dict[str, list[JsonValue]] | None = Field(default=None, description="another grid")
    only: list[str] | None = Field(default=None, description="labels of the variants that are run; all by default")


class Suite(BaseModel):
    """A base spec, a grid over it and the data it is measured on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="of its results")
    title: str = Field(default="", description="one line for lists and reports")
    task: str = Field(default="solve", description="what is measured; see pxrdgen bench list")
    base: dict[str, JsonValue] = Field(default_factory=dict, description="the spec the variants are made from")
    grid: dict[str, list[JsonValue]] = Field(
        default_factory=dict, description="dotted path into the spec: values; every combination is a variant"
    )
    variants: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict, description="label: values at dotted paths; combined with the grid"
    )
    data: dict[str, JsonValue] = Field(default_factory=dict, description="options of the task's data")
    sizes: dict[str, SizeOptions] = Field(default_factory=dict, description="small and full")
    headline: list[str] | None = Field(
        default=None, description="names of the numbers that stand for it in the README; the first by default, [] none"
    )
    published: list[Published] = Field(default_factory=list, description="rows to be shown beside ours")
    notes: list[str] = Field(default_factory=list, description="sentences to be read with the tables")

    def sized(self, size: str) -> Suite:
        """The suite at a size, without sizes; ``full`` is the suite itself where it says nothing else.

        Raises:
            OptionError: an unknown size.
        """
        known = tuple(dict.fromkeys((*self.sizes, SMALL, FULL)))
        if size not in known:
            raise OptionError(f"got the size {size!r}, expected one of {', '.join(known)}{nearest(size, known)}")
        chosen = self.sizes.get(size, SizeOptions())
        for label in chosen.only or ():
            if label not in self.variants:
                raise OptionError(
                    f"size {size!r} of {self.name} keeps the variant {label!r}, which is not there; expected one of "
                    f"{', '.join(self.variants)}{nearest(label, self.variants)}"
                )
        (base,) = variants(self.base, {}, {"base": chosen.base})
        return self.model_copy(
            update={
                "base": base.spec,
                "data": {**self.data, **chosen.data},
                "grid": self.grid if chosen.grid is None else chosen.grid,
                "variants": {
                    label: changes
                    for label, changes in self.variants.items()
                    if chosen.only is None or label in chosen.only
                },
                "sizes": {},
            }
        )

    def all_variants(self) -> list[Variant]:
        """Every spec of the suite."""
        return variants(self.base, self.grid, self.variants)


def read_suite(path: Path) -> Suite:
    """The suite of a YAML file.

    Raises:
        OptionError: it cannot be read or says something unknown.
    """
    return validated(Suite, {"name": path.stem, **read_page(path, "suite")}, str(path))


def suite_from_yaml(text: str, where: str, name: str = "run") -> Suite:
    """The suite a text describes; one without a name is called ``name``.

    Raises:
        OptionError: it is no YAML, uses aliases, or says something unknown.
    """
    return validated(Suite, {"name": name, **load_page(text, where)}, where)


def shipped_suites() -> list[str]:
    """Names of the suites that come along."""
    folder = files("pxrdgen_benchmarks") / "suites"
    return sorted(entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml"))


def load_suite(name: str) -> Suite:
    """A suite that comes along.

    Raises:
        OptionError: an unknown name.
    """
    known = shipped_suites()
    if name not in known:
        raise OptionError(f"got the suite {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
    text = (files("pxrdgen_benchmarks") / "suites" / f"{name}.yml").read_text(encoding="utf-8")
    return suite_from_yaml(text, f"suite {name}", name)
