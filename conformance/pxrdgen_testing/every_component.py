"""What every component owes, whatever its kind."""

from __future__ import annotations

import subprocess
import sys

from pxrdgen.interfaces.kinds import INTERFACE_VERSION, ComponentKind
from pxrdgen.plugins.loading import load_target
from pxrdgen_testing.check import Check, Subject, expect

#: seconds within which the options module must have been imported by a fresh interpreter.
_SECONDS_TO_IMPORT = 60.0


def it_states_the_interface_it_was_written_for(subject: Subject) -> None:
    """The record carries the version spoken here."""
    version = subject.component.record.interface_version
    expect(
        version == INTERFACE_VERSION,
        f"got interface version {version}, expected {INTERFACE_VERSION}; write interface_version={INTERFACE_VERSION} "
        "in the record once the component fits it",
    )


def it_has_a_summary(subject: Subject) -> None:
    """One line for the list."""
    expect(subject.component.record.summary, "got no summary, expected one line for 'pxrdgen plugins list'")


def its_options_are_described(subject: Subject) -> None:
    """Each option says what it is."""
    silent = [name for name, field in subject.options.model_fields.items() if not field.description]
    expect(not silent, f"got options without a description: {', '.join(silent)}; add Field(description=...)")


def its_options_load_no_torch(subject: Subject) -> None:
    """Lists, help and schemas of specs import the options of every plugin, so these must be light."""
    module = subject.options.__module__
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], timeout=_SECONDS_TO_IMPORT, capture_output=True, check=False)
    expect(
        done.returncode == 0,
        f"got torch imported by {module} (or it fails alone), expected the options in a module that imports nothing "
        "heavy; import torch in the component's own module",
    )


def it_is_importable(subject: Subject) -> None:
    """The record's target exists and is of its kind."""
    load_target(subject.component)


def it_is_built_from_its_defaults(subject: Subject) -> None:
    """Naming the component in a spec is enough."""
    if subject.component.record.kind not in (ComponentKind.COMMANDS, ComponentKind.WEIGHTS):
        subject.build()


CHECKS: tuple[Check, ...] = (
    it_states_the_interface_it_was_written_for,
    it_has_a_summary,
    its_options_are_described,
    its_options_load_no_torch,
    it_is_importable,
    it_is_built_from_its_defaults,
)
