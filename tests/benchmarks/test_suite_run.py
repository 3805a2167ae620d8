"""Suites from spec to report: resumable, broken specs named, the rest measured; tracked as parent and children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import DatasetError, OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks import subsets
from pxrdgen_benchmarks.comparing import comparison_table, stored_variants
from pxrdgen_benchmarks.outcome import all_tables, write_outcome
from pxrdgen_benchmarks.parallel import Workers
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_run import prepare_suite, run_suite
from pxrdgen_benchmarks.task import load_task
from pxrdgen_benchmarks.tracked_suite import tracked_suite
from pxrdgen_learning.data.dataset import CrystalDataset, pack

SALTS = (("CsCl", 55, 17, 4.12), ("TlCl", 81, 17, 3.83), ("CsBr", 55, 35, 4.29), ("TlBr", 81, 35, 3.97))


@pytest.fixture
def salts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four crystals of the CsCl type, packed, as the subset ``salts``."""
    crystals = [
        Crystal(
            species=np.array([anion, cation]),
            frac_coords=np.array([[0.0] * 3, [0.5] * 3]),
            basis=np.eye(3) * edge,
            name=name,
        )
        for name, cation, anion, edge in SALTS
    ]
    path = tmp_path / "salts.npz"
    pack(CrystalDataset.from_crystals(crystals, source="test", split="val", space_group=[221] * 4), path)
    known = {"salts": {"ids": [name for name, *_ in SALTS], "bucket_weights": {"1-4": 1}}}
    folder = tmp_path / "subsets"
    folder.mkdir()
    (folder / "subsets.json").write_text(json.dumps(known))
    monkeypatch.setenv(subsets.SUBSETS_VARIABLE, str(folder / "subsets.json"))
    return path


def suite(salts: Path, **changes: object) -> Suite:
    content = {
        "name": "tiny",
        "task": "sampling",
        "base": {"generator": {"plugin": "direct_space"}, "samples": 3},
        "data": data(salts),
        **changes,
    }
    return Suite.model_validate(content)


def data(salts: Path, **changes: object) -> dict[str, object]:
    """The control needs no solver, which keeps these tests quick."""
    return {"subset": "salts", "crystals": str(salts), "columns": ["random"], **changes}


def shown(result: SuiteResult) -> dict[str, str]:
    """All tables but the seconds, which differ."""
    tables = all_tables(result, load_task(result.suite.task))
    return {name: table.markdown() for name, table in tables.items() if name != "seconds" and name != "numbers"}


def run(suite: Suite, folder: Path) -> SuiteResult:
    return run_suite(prepare_suite(suite), folder, workers=Workers(count=0))


def test_a_suite_measures_every_case_under_every_spec(salts: Path, tmp_path: Path) -> None:
    both = data(salts, columns=["clean", "random"], limit=2)
    result = run(suite(salts, grid={"samples": [1, 3]}, data=both), tmp_path / "out")
    assert [variant.label for variant in result.variants] == ["samples=1", "samples=3"]
    for variant in result.variants:
        assert {(r.id, r.column) for r in variant.records} == {(s[0], c) for s in SALTS[:2] for c in both["columns"]}  # type: ignore[attr-defined]
        assert not any(record.error for record in variant.records)
        assert variant.spec["generator"]["options"]["symmetric_share"] == 0.6  # defaults are written out
        assert variant.versions["generator direct_space"].startswith("pxrdgen ")
    assert all(record.values["samples"] == 3 for record in result.variants[1].records)
    assert "| samples=1 | clean | published |" in shown(result)["rates"]


def test_a_spec_that_cannot_run_is_named_and_the_rest_goes_on(salts: Path, tmp_path: Path) -> None:
    named = {
        "unknown": {"generator.plugin": "flwo"},
        "no weights": {"generator": {"plugin": "flow", "options": {"weights": "nowhere.safetensors"}}},
        "wrong option": {"generator.options.steps": 3},
        "fine": {},
    }
    result = run(suite(salts, variants=named), tmp_path / "out")
    errors = {variant.label: variant.error for variant in result.variants}
    assert "did you mean 'flow'" in errors["unknown"]
    assert "nowhere" in errors["no weights"]
    assert "steps" in errors["wrong option"]
    assert errors["fine"] == ""
    assert [len(variant.records) for variant in result.variants] == [0, 0, 0, 4]
    failures = shown(result)["failures"]
    assert all(f"| {label} | all | not run |" in failures for label in list(named)[:3])


def test_run_again_nothing_is_repeated(salts: Path, tmp_path: Path) -> None:
    first = run(suite(salts), tmp_path / "out")
    (file,) = (tmp_path / "out" / "records").glob("*.jsonl")
    before = file.read_text()
    again = run(suite(salts), tmp_path / "out")
    assert file.read_text() == before
    assert again == first


def test_a_changed_spec_is_another_run(salts: Path, tmp_path: Path) -> None:
    run(suite(salts), tmp_path / "out")
    with pytest.raises(OptionError, match="another run"):
        run(suite(salts, base={"samples": 2}), tmp_path / "out")


def test_a_variant_more_is_added_to_those_that_are_done(salts: Path, tmp_path: Path) -> None:
    run(suite(salts, grid={"samples": [1]}), tmp_path / "out")
    more = run(suite(salts, grid={"samples": [1, 2]}), tmp_path / "out")
    assert [len(variant.records) for variant in more.variants] == [4, 4]


def test_the_same_seed_gives_the_same_tables(salts: Path, tmp_path: Path) -> None:
    wanted = suite(salts, data=data(salts, columns=["clean"], limit=1))
    assert shown(run(wanted, tmp_path / "one")) == shown(run(wanted, tmp_path / "two"))


def test_the_data_hash_follows_the_crystals(salts: Path, tmp_path: Path) -> None:
    full = run(suite(salts), tmp_path / "one")
    fewer = run(suite(salts, data=data(salts, limit=2)), tmp_path / "two")
    assert full.data_sha256 != fewer.data_sha256
    assert full.spec_sha256 == fewer.spec_sha256


COMMAND = [sys.executable, "-c", "from pxrdgen_app.cli import main; main()", "bench", "run"]


def command(file: Path, out: Path, *more: str, workers: int = 2) -> list[str]:
    return [*COMMAND, str(file), "--out", str(out), "--workers", str(workers), "--tracker", "none", *more]


def records_in(folder: Path) -> list[Record]:
    return [record for stored in stored_variants(folder).values() for record in stored.records]


def test_killed_in_mid_suite_and_run_again_gives_the_same_table(salts: Path, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    file = tmp_path / "tiny.yml"
    content = suite(salts, base={"samples": 15}, grid={"seed": [0, 1, 2]}).model_dump(mode="json")
    file.write_text(json.dumps(content))
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    process = subprocess.Popen(command(file, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline and sum(
        len(part.read_text().splitlines()) - 1 for part in (killed / "records").glob("*.jsonl")
    ) < 3:  # fmt: skip
        assert process.poll() is None, "finished before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = records_in(killed)
    assert 3 <= len(before) < 12
    run_of = Suite.model_validate(content)
    again, whole = run(run_of, killed), run(run_of, undisturbed)
    after = records_in(killed)
    assert len({record.key for record in after}) == len(after) == 12
    assert {record.key: record for record in before}.items() <= {record.key: record for record in after}.items()
    assert shown(again) == shown(whole)


BAD_PLUGINS = """
    import numpy, torch
    from pxrdgen.plugins import ComponentKind, ComponentRecord, Diagnosis, hookimpl
    from pxrdgen.interfaces import StructureGenerator
    from pxrdgen.values.candidates import CandidateBatch

    class NotANumber(StructureGenerator):
        def generate(self, problem, target, count, rng):
            coords = torch.full((count, problem.num_atoms, 3), float("nan"))
            return CandidateBatch(frac_coords=coords, origin=("nan",) * count)

    class WrongShape(StructureGenerator):
        def generate(self, problem, target, count, rng):
            return CandidateBatch(frac_coords=torch.rand(count, 1, 3), origin=("shape",) * count)

    class Nothing(StructureGenerator):
        def generate(self, problem, target, count, rng):
            return None

    class Sometimes(StructureGenerator):
        def generate(self, problem, target, count, rng):
            if 81 in problem.species:
                raise ZeroDivisionError("no thallium here")
            coords = torch.rand((count, problem.num_atoms, 3), generator=rng)
            return CandidateBatch(frac_coords=coords, origin=("sometimes",) * count)

    def absent():
        return Diagnosis(subject="Fortran", detail="not here", found=False)

    @hookimpl
    def pxrdgen_components():
        def record(name, target, version=2, **more):
            return ComponentRecord(
                kind=ComponentKind.GENERATOR, name=name, target="{module}:" + target, interface_version=version, **more
            )
        return [
            record("nan", "NotANumber"), record("shape", "WrongShape"), record("nothing", "Nothing"),
            record("sometimes", "Sometimes"), record("ancient", "Sometimes", -7), record("gone", "NoSuchClass"),
            record("clash", "Sometimes"), record("needy", "Sometimes", diagnosis="{module}:absent"),
        ]
"""


def install(folder: Path, distribution: str, module: str, text: str) -> None:
    """What ``pip install --target`` would leave: a module and its entry point."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(textwrap.dedent(text).replace("{module}", module))
    about = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[pxrdgen.plugins]\n{module} = {module}\n")


def test_bad_plugins_are_named_and_the_rest_goes_on(salts: Path, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    site = tmp_path / "site"
    install(site, "pxrdgen-bad", "pxrdgen_bad", BAD_PLUGINS)
    install(site, "pxrdgen-twin", "pxrdgen_twin", BAD_PLUGINS)
    install(site, "pxrdgen-raises", "pxrdgen_raises", "raise RuntimeError('half installed')\n")
    names = ["nan", "shape", "nothing", "sometimes", "ancient", "gone", "needy"]
    content = suite(
        salts,
        grid={"generator.plugin": [*(f"pxrdgen-bad:{name}" for name in names), "clash", "raiser", "direct_space"]},
        data=data(salts, columns=["clean"], limit=2),
    ).model_dump(mode="json")
    file, out = tmp_path / "bad.yml", tmp_path / "out"
    file.write_text(json.dumps(content))
    finished = subprocess.run(
        command(file, out),
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])},
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    report = (out / "report.md").read_text()
    for label, reason in {
        "generator=pxrdgen-bad:ancient": "interface version -7",
        "generator=pxrdgen-bad:gone": "NoSuchClass",
        "generator=pxrdgen-bad:needy": "needs Fortran: not here",
        "generator=clash": "is offered by 2 plugins",
        "generator=raiser": "not loaded: pxrdgen_raises",
    }.items():
        (line,) = [line for line in report.splitlines() if line.startswith(f"| {label} | all | not run |")]
        assert reason in line
    said = {"nan": "not finite", "shape": "of shape [3, 1, 3]; expected [M, 2, 3]", "nothing": "a NoneType"}
    for name, reason in said.items():
        label = f"generator=pxrdgen-bad:{name}"
        (line,) = [line for line in report.splitlines() if line.startswith(f"| {label} | clean | 2 of 2 |")]
        assert f"'pxrdgen-bad:{name}' returned" in line
        assert reason in line
    by_label = stored_variants(out)
    failed = {record.id: record.error for record in by_label["generator=pxrdgen-bad:sometimes"].records}
    assert failed == {"CsCl": "", "TlCl": "ZeroDivisionError: no thallium here"}
    assert not any(record.error for record in by_label["generator=direct_space"].records)


def test_a_suite_is_a_run_and_each_spec_its_child(salts: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    tracker = default_registry().build(ComponentKind.TRACKER, "mlflow", {"folder": str(tmp_path / "store")})
    wanted = suite(salts, variants={"fine": {}, "gone": {"generator.plugin": "nobody"}})
    task, folder = load_task(wanted.task), tmp_path / "out"
    for _ in range(2):  # as after a kill: the same runs go on
        with tracked_suite(tracker, wanted, task, folder, "small") as told:
            result = run_suite(prepare_suite(wanted), folder, workers=Workers(count=0), on_variant=told.log_variant)
            told.log_outcome(result, write_outcome(result, task, folder))
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "pxrdgen-benchmarks"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == ["fine", "gone", "tiny small"]
    parent, child, failed = runs["tiny small"], runs["fine"], runs["gone"]
    assert {child.data.tags["mlflow.parentRunId"], failed.data.tags["mlflow.parentRunId"]} == {parent.info.run_id}
    assert child.data.params["spec.generator.options.symmetric_share"] == "0.6"
    assert child.data.params["version.generator direct_space"].startswith("pxrdgen")
    assert child.data.metrics["random.n/1-4"] == child.data.metrics["random.n/all"] == 4.0
    rate = np.mean([record.flag("any_published") for record in result.variants[0].records if record.column == "random"])
    assert child.data.metrics["random.any_published/all"] == pytest.approx(rate)
    assert failed.info.status == "FAILED"
    assert "nobody" in failed.data.params["error"]
    kept = [item.path for item in client.list_artifacts(parent.info.run_id)]
    assert set(kept) == {"about.json", "figures", "records.parquet", "report.md", "suite.yml", "tables"}
    assert parent.data.params["selection"].startswith("salts")
    assert len(parent.data.params["code"]) == 12
    (records,) = client.list_artifacts(child.info.run_id)
    assert records.path.endswith(".parquet")


def test_every_record_is_in_the_parquet_file(salts: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    result = run(suite(salts, grid={"samples": [1, 2]}), tmp_path / "out")
    outcome = write_outcome(result, load_task("sampling"), tmp_path / "out")
    files = {path.name: path for _, path in outcome.files}
    table = pq.read_table(files["records.parquet"]).to_pylist()
    assert len(table) == 8
    assert {row["variant"] for row in table} == {"samples=1", "samples=2"}
    assert {row["id"] for row in table} == {name for name, *_ in SALTS}
    assert all(path.stat().st_size > 2000 for inside, path in outcome.files if inside == "figures")
    csv = (tmp_path / "out" / "tables" / "rates.csv").read_text().splitlines()
    assert csv[0] == "variant,column,hit,1-4,all"


def test_two_runs_are_compared_case_by_case(salts: Path, tmp_path: Path) -> None:
    run(suite(salts, grid={"samples": [1, 3]}), tmp_path / "out")
    folder = str(tmp_path / "out")
    rows = comparison_table(f"{folder}:samples=1", f"{folder}:samples=3", "any_published").rows
    assert [(row[2], row[4]) for row in rows] == [("random", "4")]
    assert comparison_table(folder, folder, None).rows[0][7] == "0.0 %"
    with pytest.raises(OptionError, match="did you mean 'samples=1'"):
        comparison_table(f"{folder}:sample=1", folder, None)
    with pytest.raises(OptionError, match="any_published"):
        comparison_table(folder, folder, "any_publishd")
    with pytest.raises(DatasetError, match="holds no results"):
        comparison_table(str(tmp_path / "nowhere"), folder, None)


def test_a_bench_without_data_says_what_to_do_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("task: sampling\n")
    finished = subprocess.run(
        [*COMMAND, "mine.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PXRDGEN_SHARED": str(tmp_path / "nowhere")},
        check=False,
    )
    assert finished.returncode == 2
    assert "pxrdgen data fetch mp20" in finished.stderr
    assert "--crystals" in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yml"]
