"""Downloads from a server on this machine that misbehaves as real ones do."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pxrdgen.errors import DatasetError, OptionError
from pxrdgen_app.cli import main
from pxrdgen_learning.data import public_datasets
from pxrdgen_learning.data.download import CHECKSUMS, fetch
from pxrdgen_learning.data.public_datasets import DATASETS, public_dataset

CONTENT = b"material_id,cif\n" + b"".join(b"mp-%d,data_x\n" % number for number in range(20_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What it serves, how it misbehaves, what it was asked."""

    files: dict[str, bytes]
    cut_after: list[int] = field(default_factory=list)  # bytes of each answer, until the list is used up
    ranges: bool = True
    busy: int = 0  # so many answers 503 first
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(files={"train.csv": CONTENT})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append(wanted)
            content = state.files.get(self.path.lstrip("/"))
            if state.busy:
                state.busy -= 1
                self.send_error(503)
                return
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if wanted and state.ranges and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if wanted and state.ranges else 200)
            if wanted and state.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + state.cut_after.pop(0) if state.cut_after else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, *args: object) -> None:
            del args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.address = f"http://127.0.0.1:{running.server_address[1]}/"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield state
        running.shutdown()


def get(server: Server, folder: Path, **options: object) -> str:
    settings = {"sha256": SHA256, "pause": 0.01, **options}
    return fetch(server.address + "train.csv", folder / "train.csv", **settings)  # type: ignore[arg-type]


def test_a_file_comes_whole(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    assert get(server, tmp_path, progress=lambda done, total: told.append((done, total))) == SHA256
    assert (tmp_path / "train.csv").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


def test_what_was_cut_off_is_continued_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000, 70_000]
    get(server, tmp_path)
    assert (tmp_path / "train.csv").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=170000-"]


def test_a_second_command_continues_the_first(server: Server, tmp_path: Path) -> None:
    server.cut_after = [100_000]
    with pytest.raises(DatasetError, match="run the same command again"):
        get(server, tmp_path, attempts=1)
    assert (tmp_path / "train.csv.part").stat().st_size == 100_000
    assert not (tmp_path / "train.csv").exists()
    get(server, tmp_path)
    assert server.asked[1] == "bytes=100000-"
    assert (tmp_path / "train.csv").read_bytes() == CONTENT


def test_a_server_that_cannot_continue_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cut_after = False, [100_000]
    get(server, tmp_path)
    assert (tmp_path / "train.csv").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = 2
    assert get(server, tmp_path) == SHA256


def test_a_part_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train.csv.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path) == SHA256


def test_another_content_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["train.csv"] = CONTENT.replace(b"mp-7,", b"mp-8,")
    with pytest.raises(DatasetError, match=f"expected {SHA256}"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_is_noticed_at_the_end(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train.csv.part").write_bytes(b"x" * 1000)
    with pytest.raises(DatasetError, match="it was deleted"):
        get(server, tmp_path)
    assert get(server, tmp_path) == SHA256


def test_a_file_that_is_there_is_checked_and_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(CONTENT)
    assert get(server, tmp_path) == SHA256
    assert server.asked == []
    (tmp_path / "train.csv").write_bytes(CONTENT[:-1])
    with pytest.raises(DatasetError, match="delete it and fetch it again"):
        get(server, tmp_path)


def test_without_a_published_checksum_the_first_download_is_remembered(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, sha256="") == SHA256
    assert json.loads((tmp_path / CHECKSUMS).read_text()) == {"train.csv": SHA256}
    (tmp_path / "train.csv").unlink()
    server.files["train.csv"] = CONTENT + b"mp-new,data_x\n"
    with pytest.raises(DatasetError, match=f"expected {SHA256}"):
        get(server, tmp_path, sha256="")


def test_a_missing_file_is_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="404"):
        fetch(server.address + "none.csv", tmp_path / "none.csv", pause=0.01)
    assert len(server.asked) == 1


@pytest.mark.parametrize("url", ["http://example.org/train.csv", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_encrypted_addresses_are_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="https"):
        fetch(url, tmp_path / "train.csv")


def test_the_command_fetches_a_split_and_counts_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = public_datasets.RemoteFile(name="train.csv", split="train", rows=20_000, sha256=SHA256)
    dataset = public_datasets.PublicDataset(
        name="mp20", summary="", address="https://example.org/", files=(file,), licence="none", cite="nobody"
    )
    monkeypatch.setattr(public_datasets, "DATASETS", (dataset,))
    command = ["data", "fetch", "mp20", "--out", str(tmp_path / "mp20"), "--split", "train", "--mirror", server.address]
    with pytest.raises(SystemExit) as leaving:
        main(command)
    assert not leaving.value.code
    assert f"20000 crystals, sha256 {SHA256}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as leaving:
        main([*command, "--split", "trian"])
    assert leaving.value.code == 2
    assert "did you mean 'train'" in capsys.readouterr().err


def test_mp20_is_as_published() -> None:
    mp20 = public_dataset("mp20")
    assert sum(file.rows for file in mp20.files) == 45_229
    assert {file.split for file in mp20.files} == {"train", "val", "test"}
    assert all(dataset.address.startswith("https://") for dataset in DATASETS)
    with pytest.raises(OptionError, match="did you mean 'mp20'"):
        public_dataset("mp-20")
