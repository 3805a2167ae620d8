"""Pattern preparation: repairs, background, noise, peaks and peak widths of a measured pattern."""

from pxrdgen.preparation.peaks import find_peaks
from pxrdgen.preparation.prepare import prepare
from pxrdgen.values.prepared_pattern import PeakList, PreparedPattern

__all__ = ["PeakList", "PreparedPattern", "find_peaks", "prepare"]
