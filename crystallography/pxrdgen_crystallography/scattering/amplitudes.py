"""X-ray form factors f0(s), f' and f'' by atomic number.

f0(s) = sum_i a_i exp(-b_i s^2) + c with s = sin(theta) / lambda (International Tables C 1992, 6.1.1.4);
f' and f'' after Cromer & Liberman (1981, doi:10.1107/S0567739481000600): gemmi's at any wavelength; at Cu K-alpha1 a
shipped table of the values GSAS-II uses, which reaches Pu and lacks the later Kissel-Pratt correction.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import torch
from torch import Tensor

from pxrdgen.errors import StructureError
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.instrument import Radiation
from pxrdgen_crystallography.scattering.radiation import check_radiation

#: heaviest element of gemmi's dispersion table; uranium's values stand in beyond it.
LAST_WITH_DISPERSION = 92
#: wavelengths (A) within this of Cu K-alpha1 use the shipped table.
CU_KA1, CU_KA1_TOLERANCE = 1.54056, 1e-4
#: heaviest element of the f0 table.
LAST_ELEMENT = 98


@dataclass(frozen=True, kw_only=True)
class Scattering:
    """Amplitudes f0(s) + f' + i f'' of a radiation, electrons.

    Tables indexed by atomic number, in double precision; row 0 (no atom) is zero.

    Args:
        a, b: [Z + 1, 4] amplitudes and exponents (A^2) of f0.
        c: [Z + 1] constant of f0.
        f_prime, f_double_prime: [Z + 1] dispersion corrections at the radiation's first wavelength.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    f_prime: Tensor
    f_double_prime: Tensor

    def to(self, *, dtype: torch.dtype, device: torch.device | str) -> Scattering:
        """The tables on a device, in a precision."""
        return Scattering(
            a=self.a.to(device=device, dtype=dtype),
            b=self.b.to(device=device, dtype=dtype),
            c=self.c.to(device=device, dtype=dtype),
            f_prime=self.f_prime.to(device=device, dtype=dtype),
            f_double_prime=self.f_double_prime.to(device=device, dtype=dtype),
        )

    def f0(self, species: Tensor, s_squared: Tensor) -> Tensor:
        """f0 of ``species`` [B, E] at ``s_squared`` [B, H] (1/A^2): [B, E, H], electrons."""
        amplitudes, exponents = self.a[species], -self.b[species]
        total = self.c[species].unsqueeze(-1).expand(-1, -1, s_squared.shape[1])
        for term in range(4):
            gaussian = torch.exp(s_squared[:, None, :] * exponents[:, :, term, None])
            total = torch.addcmul(total, amplitudes[:, :, term, None], gaussian)
        return total

    def normal(self, species: Tensor, s_squared: Tensor) -> Tensor:
        """f0 + f' of ``species`` [B, E] at ``s_squared`` [B, H] (1/A^2): [B, E, H], electrons."""
        return self.f0(species, s_squared) + self.f_prime[species].unsqueeze(-1)

    def squared(self, species: Tensor, s_squared: Tensor) -> Tensor:
        """|f|^2 = (f0 + f')^2 + f''^2 of ``species`` [B, E] at ``s_squared`` [B, H]: [B, E, H], electrons^2."""
        return self.normal(species, s_squared).square() + self.f_double_prime[species].square().unsqueeze(-1)

    def with_dispersion(self, dispersion: Mapping[int, tuple[float, float]]) -> Scattering:
        """The same tables with (f', f'') of some atomic numbers replaced, as another program uses them."""
        f_prime, f_double_prime = self.f_prime.clone(), self.f_double_prime.clone()
        for atomic_number, (real, imaginary) in dispersion.items():
            f_prime[atomic_number], f_double_prime[atomic_number] = real, imaginary
        return Scattering(a=self.a, b=self.b, c=self.c, f_prime=f_prime, f_double_prime=f_double_prime)


@lru_cache(maxsize=16)
def scattering_of(radiation: Radiation) -> Scattering:
    """The library's amplitudes for a radiation: the one door of every model that scatters.

    Raises:
        InstrumentError: the radiation is not modelled.
    """
    import gemmi

    check_radiation(radiation)
    energy = gemmi.hc / radiation.wavelength
    rows = LAST_ELEMENT + 1
    a, b = torch.zeros(rows, 4, dtype=torch.float64), torch.zeros(rows, 4, dtype=torch.float64)
    c, f_prime, f_double_prime = (torch.zeros(rows, dtype=torch.float64) for _ in range(3))
    for atomic_number in range(1, rows):
        table = gemmi.Element(SYMBOLS[atomic_number]).it92
        a[atomic_number] = torch.tensor(table.a, dtype=torch.float64)
        b[atomic_number] = torch.tensor(table.b, dtype=torch.float64)
        c[atomic_number] = table.c
        real, imaginary = gemmi.cromer_liberman(z=min(atomic_number, LAST_WITH_DISPERSION), energy=energy)
        f_prime[atomic_number], f_double_prime[atomic_number] = real, imaginary
    tables = Scattering(a=a, b=b, c=c, f_prime=f_prime, f_double_prime=f_double_prime)
    if abs(radiation.wavelength - CU_KA1) < CU_KA1_TOLERANCE:
        return tables.with_dispersion(_cu_ka1_dispersion())
    return tables


def _cu_ka1_dispersion() -> dict[int, tuple[float, float]]:
    """(f', f'') by atomic number from the shipped table."""
    text = resources.files("pxrdgen_crystallography").joinpath("data/dispersion_cu_ka1.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {int(row["atomic_number"]): (float(row["f_prime"]), float(row["f_double_prime"])) for row in rows}


def check_species(species: Tensor) -> None:
    """Refuse atomic numbers without a form factor.

    Raises:
        StructureError: names the element.
    """
    heaviest = int(species.max()) if species.numel() else 0
    if heaviest > LAST_ELEMENT:
        raise StructureError(
            f"got {SYMBOLS[heaviest]} (Z = {heaviest}), expected elements up to {SYMBOLS[LAST_ELEMENT]}: "
            "no X-ray form factor is tabulated beyond"
        )
