"""What simulated patterns go through before a model sees them; torch-free."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Range = tuple[float, float]


class SimulationOptions(BaseModel):
    """Ranges that augmentation draws from; angles in degrees of 2theta for Cu K-alpha."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clean_fraction: float = Field(default=0.3, ge=0, le=1, description="crystals whose pattern is left ideal")
    d_min: float = Field(default=1.2, gt=0, description="smallest d used, A")
    u_iso: Range = Field(default=(0.002, 0.03), description="displacement per element, A^2, log-uniform")
    strain: Range = Field(default=(0.001, 0.003), description="relative error of the given cell")
    march_dollase: Range = Field(default=(0.7, 1.3), description="texture about a low-index axis")
    resolution: Range = Field(default=(0.03, 0.2), description="width within which reflections merge")
    two_theta_min: Range = Field(default=(5.0, 15.0), description="start of the measured range")
    two_theta_max: Range = Field(default=(60.0, 90.0), description="end of the measured range")
    gain: Range = Field(default=(1e-5, 1e-3), description="variance of a peak over (peak x strongest peak)")
    floor: Range = Field(default=(0.0, 0.005), description="standard deviation of any peak over the strongest")
    relative_error: Range = Field(default=(0.0, 0.1), description="relative error of every peak")
    detection: Range = Field(default=(1e-4, 1e-2), description="peaks below this share of the strongest may be lost")
    zero: Range = Field(default=(-0.03, 0.03), description="error of the detector zero, where the cell is not known")
