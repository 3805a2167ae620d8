"""The files of a new plugin distribution, from templates."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from pxrdgen.errors import OptionError, nearest
from pxrdgen.interfaces.kinds import INTERFACE_VERSION, ComponentKind
from pxrdgen_files.folders import result_folder

#: What the component of each kind's template is, in one line.
_SUMMARIES: Mapping[ComponentKind, str] = {
    ComponentKind.CELL_PREDICTOR: "cubic cells from ratios of 1/d^2",
    ComponentKind.CELL_SCORER: "share of the intensity on the cell's lines",
    ComponentKind.ENCODER: "a deep set of peaks",
    ComponentKind.GENERATOR: "atoms anywhere in the cell",
    ComponentKind.READER: "two columns of text below a first line of its own",
    ComponentKind.REFINER: "coordinates and a scale by scipy",
}
#: What else the distribution of a kind has, by place; it is appended where every kind has a file already.
_FURTHER: Mapping[ComponentKind, Mapping[str, str]] = {
    ComponentKind.ENCODER: {
        "README.md": "encoder/README.md",
        "specs/pretrain.yml": "encoder/pretrain.yml",
        "specs/flow.yml": "encoder/flow.yml",
    }
}
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def template_kinds() -> tuple[ComponentKind, ...]:
    """The kinds there is a template for."""
    return tuple(_SUMMARIES)


def distribution_files(name: str, kind: ComponentKind) -> dict[str, str]:
    """Path inside the distribution and content of each of its files.

    Raises:
        OptionError: a name that is no component's, or a kind without a template.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name.replace("-", "_")):
        raise OptionError(
            f"got the name {name!r}, expected lower-case words and digits joined by '-' or '_', like 'my-encoder'"
        )
    if kind not in _SUMMARIES:
        kinds = [each.value for each in _SUMMARIES]
        raise OptionError(
            f"got the kind {kind.value!r}, for which there is no template; expected one of {', '.join(kinds)}"
            f"{nearest(kind.value, kinds)}"
        )
    words = _words(name, kind)
    package = words["package"]
    places = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        f"src/{package}/__init__.py": "common/init.py",
        f"src/{package}/options.py": f"{kind.value}/options.py",
        f"src/{package}/component.py": f"{kind.value}/component.py",
        "tests/test_conformance.py": "common/test_conformance.py",
    }
    written = {place: _filled(source, words) for place, source in places.items()}
    for place, source in _FURTHER.get(kind, {}).items():
        written[place] = written.get(place, "") + _filled(source, words)
    return written


def write_distribution(name: str, kind: ComponentKind, folder: Path) -> list[str]:
    """Write a new distribution into ``folder``, which must not exist or be empty; returns the paths inside it.

    Raises:
        OptionError: see :func:`distribution_files`.
        OutputError: the folder is not empty or cannot be written.
    """
    contents = distribution_files(name, kind)
    with result_folder(folder) as working:
        for place, text in contents.items():
            path = working / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return sorted(contents)


def _words(name: str, kind: ComponentKind) -> dict[str, str]:
    summary = _SUMMARIES[kind]
    return {
        "name": name,
        "distribution": f"pxrdgen-{name.replace('_', '-')}",
        "package": f"pxrdgen_{name.replace('-', '_')}",
        "class_name": "".join(word.capitalize() for word in re.split(r"[-_]", name)),
        "kind": kind.value,
        "article": "An" if kind.value[0] in "aeiou" else "A",
        "kind_member": kind.name,
        "interface_version": str(INTERFACE_VERSION),
        "summary": summary,
        "summary_sentence": f"{summary[0].upper()}{summary[1:]}, as a plugin of pxrdgen.",
    }


def _filled(source: str, words: Mapping[str, str]) -> str:
    template = files("pxrdgen_testing.plugin_template").joinpath("files", f"{source}.txt").read_text(encoding="utf-8")
    return Template(template).substitute(words)
