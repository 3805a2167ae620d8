"""Pattern preparation: repairs, background, noise, peaks and peak widths of a measured pattern."""

from pxrdgen.preparation.peaks import PeakList, find_peaks
from pxrdgen.preparation.prepare import PreparedPattern, prepare

__all__ = ["PeakList", "PreparedPattern", "find_peaks", "prepare"]
