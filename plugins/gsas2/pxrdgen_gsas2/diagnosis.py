"""Whether GSAS-II can be used here, for ``pxrdgen doctor``."""

from __future__ import annotations

import os

from pxrdgen.plugins.components import Diagnosis
from pxrdgen_gsas2.client import PYTHON_VARIABLE, Answer, Call, call, interpreter
from pxrdgen_gsas2.failures import FailureKind, Gsas2Error
from pxrdgen_gsas2.options import Gsas2WorkerOptions

#: seconds GSAS-II may take to be imported and to compute two small patterns.
TIMEOUT = 60.0


def diagnose(call: Call = call) -> Diagnosis:
    """Version, interpreter and known defects, or what is wrong."""
    options = Gsas2WorkerOptions(timeout=TIMEOUT, retries=0)
    wanted = bool(os.environ.get(PYTHON_VARIABLE))
    try:
        answer = call("check", {}, options)
    except Gsas2Error as error:
        absent = error.kind is FailureKind.NOT_INSTALLED and not wanted
        detail = f"optional: {error}" if absent else f"{interpreter(options)}: {error}"
        return Diagnosis(subject="GSAS-II", detail=detail, found=False, wanted=not absent)
    return Diagnosis(subject="GSAS-II", detail=f"{answer.gsas2} in {answer.gsas2.python}{_defects(answer)}", found=True)


def _defects(answer: Answer) -> str:
    if answer.value.get("averages_friedel_mates", True):
        return ""
    return "; its powder intensities are off for structures without a centre of symmetry that scatter anomalously"
