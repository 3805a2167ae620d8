"""One refinement at a time on a project, with guards; a step that breaks one is undone."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import numpy as np
from errors import WorkerFailureError
from find_gsas2 import Gsas2
from geometry import metric

#: relative change of a cell length or angle, shift of an atom (A), and range of Uiso (A^2) that end a step.
MOST_STRAIN, MOST_SHIFT, U_RANGE = 0.06, 1.5, (-0.01, 0.15)
#: goodness of fit may rise by this share before a step counts as worse.
RISE = 1e-3


class Session:
    """The project, and the last state of it that was good."""

    def __init__(self, gsas2: Gsas2, project, histogram, phase, seconds: float) -> None:
        self.deadline, self.out_of_time = time.monotonic() + seconds, False
        self.gsas2, self.project, self.histogram, self.phase = gsas2, project, histogram, phase
        self.file = Path(project.filename)
        self.good = self.file.with_name("good.gpx")
        self.notes: list = []
        self.start_cell = self._cell()
        self.start_places = self._places()
        self.values: dict = {}
        self.fresh = False
        self.keep(fresh=False)

    def keep(self, *, fresh: bool) -> None:
        """This state is good; ``fresh`` tells whether the profile in it was calculated with what is set now."""
        self.fresh = fresh
        self.project.save()
        shutil.copyfile(self.file, self.good)

    def impurities(self) -> list:
        """The phases that are not the structure."""
        return [phase for phase in self.project.phases() if phase.name != self.phase.name]

    def state(self) -> bytes:
        """The last good state, to go back to."""
        return self.good.read_bytes()

    def back_to(self, state: bytes) -> None:
        """An earlier good state, with the agreement it had."""
        self.good.write_bytes(state)
        self.undo("", "")
        self.values = self.project.data["Covariance"]["data"]["Rvals"]
        self.fresh = True

    def undo(self, step: str, complaint: str) -> None:
        """Back to the last good state, with a note where the step has a name."""
        if step:
            self.notes.append(f"{step} undone: {complaint}")
        shutil.copyfile(self.good, self.file)
        self.project.reload()

    def refine(self, step: str, cycles: int, tolerance: float = 1e-3) -> bool:
        """Refine what the flags say until chi^2 falls by less than ``tolerance`` a cycle; whether it was kept."""
        if self.fresh and (self.out_of_time or time.monotonic() > self.deadline):
            if not self.out_of_time:
                self.notes.append("time ran out; the last good step is kept")
            self.out_of_time = True
            return False
        self.project.set_Controls("cycles", cycles)
        self.project.data["Controls"]["data"]["min dM/M"] = tolerance
        self.project.index_ids()
        outcome = self.gsas2.main.Refine(self.project.filename, makeBack=False)
        # nothing or True is success: what is returned differs between versions
        if isinstance(outcome, tuple) and not outcome[0]:
            message = str(outcome[1].get("msg", "")).strip() if isinstance(outcome[1], dict) else str(outcome[1])
            raise_if_out_of_resources(message)
            self.undo(step, f"GSAS-II stopped: {message or 'no reason given'}")
            return False
        self.project.reload()
        values = self.project.data["Covariance"]["data"].get("Rvals", {})
        complaint = self._complaint(values)
        if complaint:
            self.undo(step, complaint)
            return False
        self.values = values
        self.keep(fresh=True)
        return True

    @property
    def goodness(self) -> float:
        """sqrt(chi^2 / (N - P)) of the last good step."""
        return float(self.values.get("GOF", math.inf))

    def _complaint(self, values: dict) -> str:
        goodness, before = values.get("GOF"), values.get("GOF0")
        if goodness is None or not math.isfinite(goodness):
            return "no agreement factor came out"
        if before is not None and math.isfinite(before) and goodness > before * (1.0 + RISE):
            return f"the goodness of fit rose from {before:.3g} to {goodness:.3g}"
        strain = float(np.abs(self._cell() / self.start_cell - 1.0).max())
        if not strain <= MOST_STRAIN:
            return f"the cell changed by {100 * strain:.2g} %"
        shift = self._places() - self.start_places
        farthest = float(np.sqrt(np.einsum("ni,ij,nj->n", shift, metric(self.start_cell), shift)).max())
        if not farthest <= MOST_SHIFT:
            return f"an atom moved by {farthest:.2g} A"
        u_iso = [float(atom.uiso) for atom in self.phase.atoms()]
        if not (min(u_iso) >= U_RANGE[0] and max(u_iso) <= U_RANGE[1]):
            return f"Uiso became {min(u_iso):.3g} to {max(u_iso):.3g} A^2"
        if not self._widths_are_possible():
            return "the peak widths became impossible"
        scale = float(self.histogram.SampleParameters["Scale"][0])
        return "" if scale > 0.0 else "the scale became negative"

    def _cell(self):
        return np.array([float(value) for value in self.phase.data["General"]["Cell"][1:7]])

    def _places(self):
        return np.array([[float(x) for x in atom.coordinates] for atom in self.phase.atoms()])

    def _widths_are_possible(self) -> bool:
        values = self.histogram.InstrumentParameters
        low, high = (math.radians(limit / 2.0) for limit in self.histogram.data["Limits"][1])
        theta = np.linspace(low, high, 50)
        tangent = np.tan(theta)
        gauss = values["U"][1] * tangent**2 + values["V"][1] * tangent + values["W"][1]
        return bool((gauss > 0.05).all())


def raise_if_out_of_resources(message: str) -> None:
    """GSAS-II hands on errors of the machine as text."""
    if "No space left" in message:
        raise WorkerFailureError("disk_full", "no space left on the disk that holds temporary files")
    if "Unable to allocate" in message or "MemoryError" in message:
        raise WorkerFailureError("memory", "the memory limit was reached")
