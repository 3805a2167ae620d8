"""Pattern preparation: repairs, background, noise, peaks and peak widths of a measured pattern."""

from pxrdgen.values.prepared_pattern import PeakList, PreparedPattern
from pxrdgen_crystallography.preparation.peaks import find_peaks
from pxrdgen_crystallography.preparation.prepare import prepare

__all__ = ["PeakList", "PreparedPattern", "find_peaks", "prepare"]
