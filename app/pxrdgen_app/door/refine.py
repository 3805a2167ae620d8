"""The Python door: ``pxrdgen.refine(...)`` takes the words of the command line and returns a :class:`Refinement`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_app.door.read import take_pattern

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry
    from pxrdgen_solver.progress import Progress
    from pxrdgen_solver.refinement.values import Refinement

_DEFAULT = ComponentSpec(plugin="least_squares")


def refine(
    pattern: PowderPattern | str | Path,
    structure: Crystal | str | Path,
    *,
    block: str | None = None,
    refiner: ComponentSpec | str = _DEFAULT,
    instrument: Instrument | str | None = None,
    wavelength: Radiation | str | float | None = None,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    impurity: Sequence[Crystal | str | Path] = (),
    texture: str | None = None,
    u_iso: str | None = None,
    background_terms: int | str | None = None,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Refinement:
    """Fit a known structure to the whole profile of a powder pattern.

    Args:
        pattern: a pattern, or a file of any format an installed reader knows.
        structure: a crystal, or its CIF.
        block: of a CIF of several structures, the data block to read; default the first.
        refiner: an installed refiner by name, or with options.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file; default: what the file says.
        wavelength: a tube or A (``"0.154 nm"``, ``"30 keV"``); has the last word over the file's.
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        impurity: crystals, or CIFs of crystals, known to be in the sample besides.
        texture: ``"auto"``, ``"none"``, or the March-Dollase axis as Miller indices of the structure's cell.
        u_iso: one displacement parameter an ``"element"``, a ``"site"``, or one ``"overall"``.
        background_terms: of the polynomial, or ``"auto"``.
        registry: of components; default: what is installed.
        progress: called with each stage.

    Raises:
        InputError: something given cannot be used; the message says what and how to mend it.
    """
    from pxrdgen import __version__
    from pxrdgen.interfaces.refinement_options import RefinementOptions
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_files.cif import read_cif, structures_note
    from pxrdgen_solver.refinement.frame import frame_of, texture_axis_in
    from pxrdgen_solver.refinement.run import refine_crystal

    registry = registry or default_registry()
    crystal = structure if isinstance(structure, Crystal) else read_cif(structure, block=block)
    several = "" if isinstance(structure, Crystal) else structures_note(structure, block)
    known = tuple(entry if isinstance(entry, Crystal) else read_cif(entry) for entry in impurity)
    pattern, notes = take_pattern(pattern, instrument=instrument, wavelength=wavelength, registry=registry)
    spec = refiner if isinstance(refiner, ComponentSpec) else ComponentSpec(plugin=refiner)
    axis = None if texture is None else _axis(texture)
    if axis is not None:
        axis = texture_axis_in(frame_of(pattern, crystal).problem, axis)
    # the fields of RefinementOptions that the words set
    asked: dict[str, object] = {} if texture is None else {"refine_texture": texture.strip().lower() != "none"}
    asked |= {} if axis is None else {"texture_axis": axis}
    asked |= {} if u_iso is None else {"u_iso": u_iso}
    asked |= {} if background_terms is None else {"background_terms": _terms(background_terms)}
    if asked and not isinstance(registry.options(ComponentKind.REFINER, spec.plugin, spec.options), RefinementOptions):
        raise OptionError(
            f"got {', '.join(asked)} for the refiner {spec.plugin!r}, whose options are no RefinementOptions; leave it "
            "out, or choose a refiner that heeds it, such as least_squares"
        )
    options = {**spec.options, **asked}
    built = registry.build(ComponentKind.REFINER, spec, options)
    found = refine_crystal(pattern, crystal, built, ranges=ranges, exclude=exclude, impurities=known, progress=progress)
    component = registry.resolve(ComponentKind.REFINER, spec.plugin)
    provenance: Mapping[str, object] = {
        **found.provenance,
        "spec": {
            "plugin": spec.plugin,
            "options": registry.options(ComponentKind.REFINER, spec.plugin, options).model_dump(mode="json"),
        },
        "versions": {"pxrdgen": __version__, f"refiner {spec.plugin}": f"{component.distribution} {component.version}"},
        "ranges": [list(pair) for pair in ranges],
        "exclude": [list(pair) for pair in exclude],
        "citations": ["pxrdgen", *(work.key for work in component.record.citations), "moyo", "spglib", "gemmi"],
    }
    return replace(
        found,
        notes=(*([several] if several else []), *notes, *found.notes),
        provenance=MappingProxyType(dict(provenance)),
    )


def _axis(texture: str) -> tuple[int, int, int] | None:
    """Three whole numbers; ``None`` for ``auto`` and ``none``.

    Raises:
        OptionError: anything else.
    """
    if texture.strip().lower() in ("auto", "none"):
        return None
    try:
        first, second, third = (int(word) for word in texture.replace(",", " ").split())
    except ValueError:
        raise OptionError(
            f"got texture {texture!r}, expected auto, none, or three Miller indices such as 0 0 1"
        ) from None
    return first, second, third


def _terms(value: int | str) -> int | None:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return None
    try:
        return int(value)
    except ValueError:
        raise OptionError(f"got {value!r} background terms, expected a whole number or auto") from None
