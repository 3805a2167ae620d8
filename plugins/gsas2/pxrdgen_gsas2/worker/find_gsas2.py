"""Import GSAS-II from wherever its installers put it, and say which one it is."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from errors import WorkerFailureError

#: what is called of GSAS-II; an installation without any of it is too old.
NEEDED = {
    "GSASIIscriptable": ("G2Project", "LoadG2fil"),
    "GSASIIstrMain": ("Refine",),
    "GSASIIstrMath": ("errRefine",),
    "GSASIIspc": ("SpcGroup", "GetCSxinel"),
    "GSASIIindex": ("DoIndexPeaks",),
    "GSASIIpath": ("GetVersionNumber",),
}
NEEDED_OF_PROJECT = ("add_powder_histogram", "add_phase", "add_EquivConstr", "add_HoldConstr", "index_ids", "reload")
NEEDED_OF_PHASE = ("add_atom", "get_cell_and_esd", "set_HAP_refinements", "set_refinements")


class Gsas2:
    """The modules that are used, and the version they belong to."""

    def __init__(self, modules: dict) -> None:
        self.scriptable = modules["GSASIIscriptable"]
        self.main = modules["GSASIIstrMain"]
        self.mathematics = modules["GSASIIstrMath"]
        self.spacegroups = modules["GSASIIspc"]
        self.indexing = modules["GSASIIindex"]
        self.path = modules["GSASIIpath"]

    def version(self) -> dict:
        """Build number, commit where it is known, and folder."""
        return {
            "version": str(self.path.GetVersionNumber()),
            "commit": self._commit(),
            "folder": str(Path(self.scriptable.__file__).resolve().parent),
            "python": sys.executable,
        }

    def _commit(self) -> str:
        try:
            return str(self.path.getSavedVersionInfo().git_version)[:8]
        except Exception:  # not every kind of installation records it
            return ""


def load(folders: list) -> Gsas2:
    """Import GSAS-II from this interpreter, else from the folders its installers use."""
    # plots are never drawn, and matplotlib takes a third of the time all imports take
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    for folder in ["", *folders, *_usual_folders()]:
        if folder and not (Path(folder) / "GSASII" / "GSASIIscriptable.py").is_file():
            continue
        if folder:
            sys.path.insert(0, str(folder))
        elif importlib.util.find_spec("GSASII") is None:
            continue
        return _check()
    if importlib.util.find_spec("GSASIIscriptable") is not None:
        raise WorkerFailureError("too_old", "found GSAS-II as loose modules, as it was before 2025; update it")
    raise WorkerFailureError("not_installed", f"{sys.executable} has no GSAS-II (no package GSASII)")


def _usual_folders() -> list:
    prefix = Path(sys.prefix)
    return [prefix / "GSAS-II", prefix / "GSASII", prefix.parent / "GSAS-II"]


def _check() -> Gsas2:
    modules, missing = {}, []
    for name, members in NEEDED.items():
        try:
            modules[name] = importlib.import_module(f"GSASII.{name}")
        except ModuleNotFoundError as error:
            if str(error.name or "").startswith("GSASII"):
                missing.append(name)
                continue
            raise WorkerFailureError("not_installed", f"GSAS-II cannot be imported: {error}") from error
        except ImportError as error:
            raise WorkerFailureError("not_installed", f"GSAS-II cannot be imported: {error}") from error
        missing += [f"{name}.{member}" for member in members if not hasattr(modules[name], member)]
    if not missing:
        project, phase = modules["GSASIIscriptable"].G2Project, modules["GSASIIscriptable"].G2Phase
        missing += [f"G2Project.{member}" for member in NEEDED_OF_PROJECT if not hasattr(project, member)]
        missing += [f"G2Phase.{member}" for member in NEEDED_OF_PHASE if not hasattr(phase, member)]
    if missing:
        raise WorkerFailureError("too_old", f"this GSAS-II has no {', '.join(missing)}; update it")
    found = Gsas2(modules)
    found.scriptable.SetPrintLevel("error")
    return found
