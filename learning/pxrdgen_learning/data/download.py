"""Files from the network: resumed where they were cut off, checked against their SHA-256, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pxrdgen.errors import DatasetError, OutputError

#: nothing larger is fetched.
MAX_BYTES = 2 * 2**30
#: checksums of files that nobody publishes, as first seen; beside the files.
CHECKSUMS = "checksums.json"
_CHUNK = 1 << 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: called with bytes so far and in all (0 when unknown).
Progress = Callable[[int, int], None]


def fetch(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    progress: Progress | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> str:
    """Bring a file here and return its SHA-256; one that is here already is checked, not fetched again.

    What a broken connection or a kill left is continued. A file without a published checksum is compared with the one
    it had when it was first fetched.

    Args:
        url: https, or http on this machine.
        target: the file; its folder must exist.
        sha256: what its content must be; empty where unknown.
        attempts: tries in all, ``pause`` seconds and then twice as long apart.

    Raises:
        DatasetError: it cannot be fetched, or its content is not what it must be.
        OutputError: it cannot be written.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DatasetError(f"got the address {url}, expected one that begins with https://")
    expected = sha256 or _remembered(target)
    if target.exists():
        return _check(target, expected, url)
    partial = target.with_name(f"{target.name}.part")
    reason: BaseException | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _download(url, partial, progress, timeout)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                raise DatasetError(
                    f"got the answer {error.code} {error.reason} from {url}; is the address right?"
                ) from error
            if error.code == 416:
                partial.unlink(missing_ok=True)
            reason = error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = error
        except OSError as error:
            raise OutputError(f"got the file {partial}, which cannot be written ({error.strerror})") from error
    else:
        raise DatasetError(
            f"got no whole file from {url} in {attempts} attempts ({reason}); what came is kept in {partial.name}: run "
            "the same command again to continue"
        ) from reason
    found = _check(partial, expected, url)
    partial.replace(target)
    if not sha256:
        _remember(target, found)
    return found


def sha256_of(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(url: str, partial: Path, progress: Progress | None, timeout: float) -> None:
    """Append to ``partial`` what it lacks; begin anew where the server does not continue."""
    done = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "pxrdgen", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
    with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 - the scheme was checked
        continued = reply.status == http.HTTPStatus.PARTIAL_CONTENT and _begins_at(reply) == done
        if not continued:
            done = 0
        length = reply.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else 0
        if total > MAX_BYTES:
            raise DatasetError(f"got {url} of {total} bytes, expected at most {MAX_BYTES}")
        with partial.open("ab" if continued else "wb") as stream:
            while chunk := reply.read(_CHUNK):
                stream.write(chunk)
                done += len(chunk)
                if done > MAX_BYTES:
                    raise DatasetError(f"got more than {MAX_BYTES} bytes from {url}")
                if progress is not None:
                    progress(done, total)
    if total and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _begins_at(reply: Any) -> int:
    """First byte of a partial answer; -1 where it does not say."""
    said = str(reply.headers.get("Content-Range", "")).removeprefix("bytes ").split("-")[0]
    return int(said) if said.isdigit() else -1


def _check(path: Path, expected: str, url: str) -> str:
    found = sha256_of(path)
    if expected and found != expected:
        hint = "delete it and fetch it again"
        if path.suffix == ".part":
            path.unlink()
            hint = "it was deleted; fetch it again, and if that does not help, the file at its home has changed"
        raise DatasetError(f"got {path.name} from {url} with SHA-256 {found}, expected {expected}; {hint}")
    return found


def _remembered(target: Path) -> str:
    try:
        known = json.loads((target.parent / CHECKSUMS).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(known.get(target.name, "")) if isinstance(known, dict) else ""


def _remember(target: Path, sha256: str) -> None:
    file = target.parent / CHECKSUMS
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**known, target.name: sha256}, indent=1, sort_keys=True) + "\n", "utf-8")
