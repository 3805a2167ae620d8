"""What the headings of columns mean, in English, German and French."""

from __future__ import annotations

import enum
import re
import unicodedata


class Role(enum.Enum):
    """What a column holds, with its unit where it is an axis."""

    TWO_THETA = "2theta in degrees"
    TWO_THETA_RADIANS = "2theta in radians"
    Q_PER_ANGSTROM = "Q in 1/A"
    Q_PER_NM = "Q in 1/nm"
    S_PER_ANGSTROM = "s = 1/d in 1/A"
    S_PER_NM = "s = 1/d in 1/nm"
    SINE_PER_ANGSTROM = "sin(theta)/lambda in 1/A"
    D_ANGSTROM = "d in A"
    D_NM = "d in nm"
    UNSTATED = "an axis without its unit"
    FOREIGN = "an axis that is not turned into 2theta"
    INTENSITY = "intensity"
    SIGMA = "uncertainty"
    OTHER = "something else"
    UNKNOWN = "not known"

    @property
    def is_axis(self) -> bool:
        """Whether the column may be the axis of a powder pattern."""
        return self in _AXES


_AXES = (
    Role.TWO_THETA, Role.TWO_THETA_RADIANS, Role.Q_PER_ANGSTROM, Role.Q_PER_NM, Role.S_PER_ANGSTROM, Role.S_PER_NM,
    Role.SINE_PER_ANGSTROM,    Role.D_ANGSTROM, Role.D_NM,
)  # fmt: skip
_PER_ANGSTROM = r"(?:1a|1ang\w*|a1|angstroms?1|ang1|am1|(?:inverse|reciprocal|per|inv|r)a(?:ngstr\w*)?|ainv\w*)"
_PER_NM = r"(?:1nm|nm1|nmm1|(?:inverse|reciprocal|per|inv)(?:nm|nanomet\w*)|nminv\w*)"
_Q = r"(?:(?:scatteringvector|momentumtransfer|wavevector|streuvektor|vecteurdediffusion)?q?(?:vector|value)?)"
_D = (
    r"(?:d|dspacing|dspace|dvalue|dwert|netzebenenabstand|gitterabstand|distancereticulaire|distanceinterreticulaire|"
    r"interplanar(?:spacing|distance))"
)
_PREFIX = re.compile(r"(?i)^(?:columns?|column names|spalten|colonnes|labels?|headings?|header)\s*[:=]\s*")
_NO_HEADING = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?|.*[:=]")
#: characters of a heading; longer words are sentences
_LONGEST = 60
#: heading, of its letters and digits alone; the first that fits is taken
_MEANINGS = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"(?:2th(?:eta)?|tth|twotheta)(?:angle)?rad(?:ians?)?", Role.TWO_THETA_RADIANS),
        (
            r"(?:(?:angle|winkel|pos(?:ition)?)?(?:2th(?:eta)?|2t|tth|twotheta)(?:angle|position|winkel|obs|scan|corrected)?"
            r"|(?:beugungs|diffraktions|streu)?winkel|(?:diffraction)?angle|angledediffraction|pos(?:ition)?)"
            r"(?:cuka\w?|coka\w?|moka\w?)?(?:in)?(?:deg(?:rees?|res?)?|grad|o)?",
            Role.TWO_THETA,
        ),
        (rf"{_Q}{_PER_NM}", Role.Q_PER_NM),
        (rf"{_Q}{_PER_ANGSTROM}", Role.Q_PER_ANGSTROM),
        (rf"(?:s|svector){_PER_NM}", Role.S_PER_NM),
        (rf"(?:sinthetalambda|sinthetaoverlambda|stol)(?:{_PER_ANGSTROM})?", Role.SINE_PER_ANGSTROM),
        (rf"(?:s|svector|1d){_PER_ANGSTROM}", Role.S_PER_ANGSTROM),
        (rf"{_D}(?:in)?(?:nm|nanomet\w*)", Role.D_NM),
        (rf"{_D}(?:in)?(?:a|ang\w*)?", Role.D_ANGSTROM),
        (r"q|qvector|qvalue|momentumtransferq?|scatteringvectorq?|streuvektorq?|s", Role.UNSTATED),
        (
            r"tof\w*|timeofflight\w*|flugzeit\w*|tempsdevol\w*|(?:photon)?energ(?:y|ie)\w*|ekev|channel\w*|kanal\w*|"
            r"canal\w*|d2nm2|q2\w*|radius\w*|rmm|radialdistance\w*|chi(?:deg)?|azimuth\w*|pixel\w*",
            Role.FOREIGN,
        ),
        (
            r"\w*(?:calc|ycal|backg|bkg|untergrund|fond|diff|resid|weight|gewicht)\w*|(?:meas\w*|count\w*)?time\w*|"
            r"messzeit\w*|zeit\w*|temps\w*|temp(?:erature?|eratur)?[ck]?|n[or]|num(?:ber|ero)?|index|points?|pkt|punkt|"
            r"step|schritt|monitor|moni?|i0|hkl|theta(?:deg)?|omega(?:deg)?",
            Role.OTHER,
        ),
        (
            r"\w*(?:sigma|esd|uncert|stddev|stdev|error|fehler|unsicherheit|standardabw|erreur|incertitude|ecarttype)\w*"
            r"|sig|su|std|err|e|di|dy|ierr|yerr",
            Role.SIGMA,
        ),
        (
            r"i|int|intens\w*|y|yobs\w*|iobs\w*|obs\w*|counts?\w*|cts\w*|cps|signal\w*|impuls\w*|zahl\w*|zaehl\w*|coups\w*|"
            r"comptage\w*|ymeas\w*|yexp\w*|imeas\w*|detector\w*|psd\w*|rate|totalint\w*|absint\w*|netint\w*",
            Role.INTENSITY,
        ),
    )
)


def role_of(heading: str) -> Role:
    """The role of a column headed so: ``2th_deg``, ``Q (Inverse Nanometres)``, ``d-Wert [Å]``, ``Intensität``."""
    if len(heading) > _LONGEST:
        return Role.UNKNOWN
    text = unicodedata.normalize(
        "NFKD", heading.replace("\u00e5", "a").replace("\u03c3", "sigma").replace("\u0394", "d")
    )
    text = text.casefold().replace("\u03b8", "theta").replace("\u03d1", "theta")
    key = "".join(letter for letter in text if letter.isascii() and letter.isalnum())
    return next((role for pattern, role in _MEANINGS if pattern.fullmatch(key)), Role.UNKNOWN)


def headings_of(line: str, width: int) -> tuple[str, ...]:
    """``width`` headings in a line of words, or none: split at delimiters, at wide gaps, at blanks outside brackets."""
    plain = _PREFIX.sub("", line.strip().lstrip("#!;%/*'$@> \t").strip())
    if not plain or len(plain) > _LONGEST * width:
        return ()
    whole = role_of(plain)
    if whole.is_axis or (whole is Role.FOREIGN and plain[-1] in ")]"):
        return ()  # one axis of two words, as in Fit2D's second line
    joined = re.sub(r"\b2\s+(?=[Tt]h|\u03b8)", "2", plain)
    joined = re.sub(r"\s+(?=[(\[])", "\x01", joined)
    joined = re.sub(r"[(\[][^)\]]*[)\]]", lambda found: found[0].replace(" ", "\x01"), joined)
    for text, pattern in ((plain, r"[,;\t]"), (plain, r"\t|\s{2,}"), (joined, r"\s+")):
        fields = [field.replace("\x01", " ").strip().strip("\"'") for field in re.split(pattern, text.rstrip(",;"))]
        fields = [field for field in fields if field]
        if len(fields) == width and not any(_NO_HEADING.fullmatch(field) for field in fields):
            return tuple(fields)
    return ()


def axis_in(header: str) -> Role | None:
    """The axis a line of the header names on its own, with its unit (Fit2D's second line), ``None`` for none."""
    for line in header.splitlines()[:40]:
        words = re.sub(r"(?i)^\W*(?:x[- _]?)?(?:axis|label|units?|x)\s*[:=]\s*", "", line.strip(" #!;%*'\"\t"))
        if len(words) <= 60 and re.search(r"[(\[_/]|(?i:inverse|degrees|radians)", words):
            role = role_of(words)
            if role.is_axis or role is Role.FOREIGN:
                return role
    return None
