"""One request to GSAS-II, in a process of its own: ``python worker REQUEST RESULT``, run in an empty folder.

Needs GSAS-II and what it needs, nothing of pxrdgen. Everything printed belongs to GSAS-II and goes to whoever started
this; the answer is the result file, which appears whole or not at all.
"""

from __future__ import annotations

import errno
import json
import sys
import traceback
from pathlib import Path

from errors import WorkerFailureError

PROTOCOL = 1
DISK_FULL_EXIT = 74


def main(request_path: str, result_path: str) -> int:
    """The exit code: 0 when an answer, good or bad, was written."""
    answer = {"protocol": PROTOCOL, "status": "ok", "kind": "", "message": "", "gsas2": {}, "value": {}}
    try:
        request = json.loads(Path(request_path).read_text(encoding="utf-8"))
        if request.get("protocol") != PROTOCOL:
            raise WorkerFailureError(
                "refused", f"got protocol {request.get('protocol')}, this worker speaks {PROTOCOL}"
            )
        limit_memory(int(request["memory_bytes"]))
        from find_gsas2 import load

        gsas2 = load(request["folders"])
        answer["gsas2"] = gsas2.version()
        from verbs import VERBS

        answer["value"] = VERBS[request["verb"]](gsas2, request, Path.cwd())
    except WorkerFailureError as failure:
        answer |= {"status": "error", "kind": failure.kind, "message": str(failure)}
    except MemoryError:
        answer |= {"status": "error", "kind": "memory", "message": "the memory limit was reached"}
    except OSError as error:
        kind = "disk_full" if error.errno == errno.ENOSPC else "failed"
        answer |= {"status": "error", "kind": kind, "message": f"{error}"}
        traceback.print_exc()
    except Exception as error:  # GSAS-II raises whatever it meets
        answer |= {"status": "error", "kind": "failed", "message": f"{type(error).__name__}: {error}"}
        traceback.print_exc()
    return write(answer, Path(result_path))


def limit_memory(size: int) -> None:
    """Bound the address space, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def plain(value: object) -> object:
    """A number of numpy's as one of Python's."""
    return value.item()  # type: ignore[attr-defined]


def write(answer: dict, path: Path) -> int:
    """Write beside, then rename."""
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(answer, default=plain), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        return DISK_FULL_EXIT if error.errno == errno.ENOSPC else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
