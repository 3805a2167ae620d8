"""Zip archives from strangers: nothing is unpacked to disk, every member is read through a limit."""

from __future__ import annotations

import io
import zipfile
import zlib

from pxrdgen.errors import PatternError

ZIP_MAGIC = b"PK\x03\x04"
#: Limits on one member and on the number of members.
MAX_MEMBER_BYTES = 32 * 1024 * 1024
MAX_MEMBERS = 20_000
#: Limit on all that is read from one archive.
MAX_TOTAL_BYTES = 64 * 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """Read-only view of a zip archive held in memory."""

    def __init__(self, content: bytes) -> None:
        """Raises PatternError: not a zip archive, or one with more members than a measurement has."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, IndexError) as error:
            raise PatternError(f"got a damaged zip archive ({error}), expected a complete one; copy it again") from None
        self._left = MAX_TOTAL_BYTES
        self.names = self._zip.namelist()
        if len(self.names) > MAX_MEMBERS:
            raise PatternError(f"got {len(self.names)} members, expected at most {MAX_MEMBERS}; export one scan")

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            PatternError: no such member, damaged, encrypted, compressed in an unusual way, or too large.
        """
        try:
            info = self._zip.getinfo(name)
            if info.compress_type not in _METHODS or info.flag_bits & 0x1:
                raise PatternError(f"got {name!r} encrypted or oddly compressed, expected a plain zip; export it again")
            with self._zip.open(info) as member:
                content = member.read(MAX_MEMBER_BYTES + 1)
        except KeyError:
            raise PatternError(
                f"got an archive without {name!r}, which its list names; is the file complete?"
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise PatternError(f"got {name!r} damaged ({error}), expected a complete archive; copy it again") from None
        if len(content) > MAX_MEMBER_BYTES:
            raise PatternError(f"got {name!r} of more than {MAX_MEMBER_BYTES >> 20} MiB, expected a scan; export one")
        self._left -= len(content)
        if self._left < 0:
            raise PatternError(
                f"got more than {MAX_TOTAL_BYTES >> 20} MiB in the archive, expected a few scans; export one"
            )
        return content
