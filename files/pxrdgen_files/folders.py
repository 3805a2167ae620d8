"""Result folders that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pxrdgen.errors import OutputError


def check_output_folder(path: str | Path, *, force: bool = False) -> Path:
    """``path`` as an absolute path, once it is clear that a result folder can be made there; touches nothing.

    Raises:
        OutputError: it exists (and ``force`` is off), is a file, or its parent cannot be written to.
    """
    target = Path(path).expanduser().absolute()
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError(f"got the output folder {path}, which is a file or a link; choose another name")
    if target.exists() and not force and any(target.iterdir()):
        raise OutputError(f"got the output folder {path}, which exists; choose another name, or --force to replace it")
    ancestor = target.parent
    while not ancestor.exists():
        ancestor = ancestor.parent
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK | os.X_OK):
        raise OutputError(f"got the output folder {path}, but {ancestor} cannot be written to; choose another place")
    return target


@contextmanager
def result_folder(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its name when the block ends well, and vanishes when it does not.

    With ``force`` an existing folder is replaced as a whole, and only once the new one is complete.

    Raises:
        OutputError: as :func:`check_output_folder`, or the folder cannot be written or renamed.
    """
    target = check_output_folder(path, force=force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        working = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        working.chmod(0o755)
    except OSError as error:
        raise OutputError(f"got the output folder {path}, which cannot be made ({error.strerror})") from error
    try:
        try:
            yield working
        except OSError as error:
            if error.filename is None or working in Path(os.fsdecode(error.filename)).parents:
                raise OutputError(f"cannot write into the output folder {path} ({error.strerror or error})") from error
            raise
        _put_in_place(working, target, path)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _put_in_place(working: Path, target: Path, path: str | Path) -> None:
    old: Path | None = None
    try:
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
            target.rename(old / target.name)
        working.rename(target)
    except OSError as error:
        if old is not None and not target.exists():
            (old / target.name).rename(target)
        raise OutputError(f"cannot put the results at {path} ({error.strerror}); nothing was changed") from error
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
