"""The recipe of the public sets: fetched from a server here, converted, and read again as the jets that they hold."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
from pathlib import Path
from types import ModuleType

import awkward as ak
import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from jetnae.errors import InputError
from jetnae.io import open_jets, read_jets
from jetnae.io.frames import column_names, toml_layout
from jetnae.jets import Jets
from tests.conftest import random_constituents
from tests.test_download import Server, server

__all__ = ["server"]  # a fixture

COUNTS = [5, 0, 17, 1, 30, 2]
LABELS = [0, 1, 0, 1, 1, 0]
N_SLOTS = 30
ORDERS = {
    "interleaved": [f"{name}_{i}" for i in range(N_SLOTS) for name in ("E", "PX", "PY", "PZ")],
    "by feature": [f"{name}_{i}" for name in ("PZ", "E", "PX", "PY") for i in range(N_SLOTS)],
    "with others": [
        "truthE", "truthPX", *(f"{name}_{i}" for i in range(N_SLOTS) for name in ("PX", "PY", "PZ", "E")), "mass",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    """The recipe as a module."""
    path = Path(__file__).parents[1] / "data_recipes" / "public_data.py"
    spec = importlib.util.spec_from_file_location("recipe_public_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(recipe: ModuleType, *arguments: object, code: int = 0) -> str:
    """What the recipe says."""
    result = CliRunner().invoke(recipe.app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def write_table(path: Path, names: list[str], *, label_in_floats: bool = False, kind: bytes | None = None) -> Path:
    """A pandas table with constituents and a label, its column names in pickles as PyTables stores them."""
    jets = random_constituents(COUNTS)
    cartesian = {"E": jets.E, "PX": jets.px, "PY": jets.py, "PZ": jets.pz}
    floats = [*names, "is_signal_new"] if label_in_floats else names
    integers = ["ttv"] if label_in_floats else ["is_signal_new", "ttv"]
    padded = {name: ak.to_numpy(ak.fill_none(ak.pad_none(each, N_SLOTS), 0.0)) for name, each in cartesian.items()}
    columns = {f"{name}_{i}": each[:, i] for name, each in padded.items() for i in range(N_SLOTS)}
    columns |= {"is_signal_new": np.array(LABELS), "ttv": np.ones(len(COUNTS))}
    row = np.dtype(
        [("index", "i8"), ("values_block_0", "i8", (len(integers),)), ("values_block_1", "f4", (len(floats),))]
    )
    table = np.zeros(len(COUNTS), dtype=row)
    for block, found in (("values_block_0", integers), ("values_block_1", floats)):
        for i, name in enumerate(found):
            table[block][:, i] = columns.get(name, np.full(len(COUNTS), 1e3))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("table/table", data=table)
        dataset.attrs["index_kind"] = np.bytes_(b"integer")
        dataset.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(integers, protocol=0))
        dataset.attrs["values_block_1_kind"] = np.bytes_(pickle.dumps(floats, protocol=0) if kind is None else kind)
    return path


def assert_same_jets(found: Jets, expected: Jets) -> None:
    assert found.layout == "jetnae"
    assert found.label is not None
    assert expected.label is not None
    assert found.constituents is not None
    np.testing.assert_array_equal(found.label, expected.label)
    np.testing.assert_array_equal(found.event_index, expected.event_index)
    assert found.n_constituents.tolist() == expected.n_constituents.tolist()
    for name in ("pt", "eta", "phi", "mass"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-6)
        ours, theirs = (ak.to_numpy(ak.flatten(jets.constituents[name])) for jets in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("label_in_floats", [False, True])
def test_aachen_jets_are_found_by_the_names_of_the_columns(
    order: str, label_in_floats: bool, recipe: ModuleType, tmp_path: Path
) -> None:
    raw = write_table(tmp_path / "aachen_constit.h5", ORDERS[order], label_in_floats=label_in_floats)
    said = run(recipe, "aachen", "--file", raw, "--output-dir", tmp_path)
    assert "6 events, 3 background and 3 signal jets" in said
    jets, expected = read_jets(tmp_path / "aachen" / "aachen_constit.h5"), random_constituents(COUNTS)
    assert jets.label is not None
    assert jets.label.tolist() == LABELS
    assert jets.n_constituents.tolist() == COUNTS
    for name, found in (("px", jets.constituents.px), ("py", jets.constituents.py), ("pz", jets.constituents.pz)):
        ours, theirs = ak.to_numpy(ak.flatten(found)), ak.to_numpy(ak.flatten(getattr(expected, name)))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_all_files_of_the_aachen_record_are_taken(recipe: ModuleType, server: Server, tmp_path: Path) -> None:
    entries = []
    for name in ("qcd_constit.h5", "aachen_constit.h5", "README.md"):
        server.files[name] = write_table(tmp_path / name, ORDERS["interleaved"]).read_bytes()
        md5 = hashlib.md5(server.files[name], usedforsecurity=False).hexdigest()
        links = {"self": f"{server.url}/{name}"}
        entries.append({"key": name, "size": len(server.files[name]), "checksum": f"md5:{md5}", "links": links})
    server.files["record"] = json.dumps({"files": entries, "metadata": {"license": {"id": "cc-by-4.0"}}}).encode()
    server.cut_after = [len(server.files["record"]), 2000]
    options = ("aachen", "--record-url", f"{server.url}/record", "--output-dir", tmp_path)
    said = run(recipe, *options)
    assert "licence, as the record states it: cc-by-4.0" in said
    assert [name for name, _ in server.asked] == ["record", "qcd_constit.h5", "qcd_constit.h5", "aachen_constit.h5"]
    assert server.asked[2] == ("qcd_constit.h5", 2000)
    written = sorted(str(each.relative_to(tmp_path)) for each in (tmp_path / "aachen").rglob("*.h5"))
    assert written == [f"aachen/{folder}{name}_constit.h5" for folder in ("", "raw/") for name in ("aachen", "qcd")]
    server.asked.clear()
    assert run(recipe, *options).count("is there already, --force makes it anew") == 2
    run(recipe, *options, "--force")
    assert {name for name, _ in server.asked} == {"record"}  # raw files whose checksum is right stay
    server.files["record"] = json.dumps({"files": entries[2:]}).encode()
    said = run(recipe, *options, code=2)
    assert "licence, as the record states it: none" in said
    assert "the record holds README.md, none of them as expected" in said


def test_tables_of_other_columns_are_refused(recipe: ModuleType, tmp_path: Path) -> None:
    names, apart = ORDERS["interleaved"], ORDERS["by feature"]
    others = {
        "no first": names[4:],
        "one missing": [each for each in apart if each != "PY_7"],
        "the last missing": names[:-1],
        "not regular": [*names[:8], "mass", *names[8:]],
        "backwards": names[::-1],
        "none": ["mass"],
    }
    for what in others.values():
        said = run(recipe, "aachen", "--file", write_table(tmp_path / "a.h5", what), "--output-dir", tmp_path, code=2)
        assert "..., expected E_0, PX_0, PY_0, PZ_0, E_1, ..., as many of each at equal distances: describe" in said
        assert said.count("\n") == 1
        assert not (tmp_path / "aachen" / "a.h5").exists()
    with pytest.raises(InputError, match="no column 'is_dark' among"):
        toml_layout(tmp_path / "a.h5", "is_dark")


class _Touch:
    """Once unpickled, it has made a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_pickles_are_read_but_never_loaded(tmp_path: Path) -> None:
    made = tmp_path / "made"
    kind = pickle.dumps([_Touch(made), *ORDERS["interleaved"]], protocol=0)
    path = write_table(tmp_path / "a.h5", ORDERS["interleaved"], kind=kind)
    with pytest.raises(InputError, match="expected a table of pandas"):
        column_names(path)
    assert not made.exists()
    pickle.loads(kind)  # noqa: S301  as other readers would
    assert made.exists()


@pytest.mark.parametrize("kind", [b"", b"(lp0\nVE_0", b"\x80\x05X\xff\xff\xff\x7f", b"q" * 40, b"integer"])
def test_damaged_names_are_one_line(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a table of pandas"):
        column_names(write_table(tmp_path / "a.h5", ["mass"], kind=kind))
    (tmp_path / "b.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected a table of pandas"):
        column_names(tmp_path / "b.h5")


def test_the_top_tagging_set_is_converted(recipe: ModuleType, real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "toptag" / "sample_blosc.h5"
    said = run(recipe, "top-tagging", "--file", raw, "--output-dir", tmp_path)
    assert "3000 events, 1500 background and 1500 signal jets" in said
    assert_same_jets(read_jets(tmp_path / "top_tagging" / "sample_blosc.h5"), read_jets(raw))


def test_names_and_positions_find_the_same_jets(recipe: ModuleType, real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "toptag" / "sample_blosc.h5"
    run(recipe, "aachen", "--file", raw, "--output-dir", tmp_path)
    assert_same_jets(read_jets(tmp_path / "aachen" / "sample_blosc.h5"), read_jets(raw))


def test_other_files_are_not_taken_for_the_top_tagging_set(
    recipe: ModuleType, server: Server, real_data: Path, tmp_path: Path
) -> None:
    sample = (real_data / "toptag" / "sample_blosc.h5").read_bytes()
    server.files["val.h5"] = sample
    options = ("top-tagging", "--split", "val", "--mirror", server.url, "--output-dir", tmp_path)
    assert f"{len(sample)} bytes on the server, expected 347378076" in run(recipe, *options, code=2)
    said = run(recipe, *options, "--file", real_data / "toptag/sample_blosc.h5", "--sha256", "0" * 64, code=2)
    assert f"expected sha256:{'0' * 64}" in said
    assert "--sha256 with 3 files" in run(recipe, *(options[0], *options[3:]), "--sha256", "0" * 64, code=2)
    assert not list(tmp_path.rglob("*.h5"))


def test_the_lhc_olympics_set_is_fetched_and_converted(
    recipe: ModuleType, server: Server, real_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fastjet")
    name, content = recipe.LHC_OLYMPICS_FILE, (real_data / "lhco/events_anomalydetection_tiny.h5").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    links = {"self": f"{server.url}/{name}"}
    entry = {"key": name, "size": len(content), "checksum": f"md5:{md5}", "links": links}
    server.files |= {name: content, "record": json.dumps({"files": [entry]}).encode()}
    options = ("lhc-olympics", "--output-dir", tmp_path)
    raw = tmp_path / "lhc_olympics" / "raw" / name
    said = run(recipe, *options, "--record-url", f"{server.url}/record", code=2)
    assert "1000 events, the set has 1100000: this is another file" in said
    assert raw.read_bytes() == content
    sha256 = hashlib.sha256(content).hexdigest()
    said = run(recipe, *options, "--file", raw, "--sha256", sha256)
    assert "1000 events, 2276 background and 216 signal jets" in said
    converted = tmp_path / "lhc_olympics" / name
    assert_same_jets(read_jets(converted), read_jets(raw))
    with open_jets(converted) as jets:
        first = next(jets.chunks)
        assert (first.radius, jets.n_events) == (1.0, 1000)
    assert "give the raw one" in run(recipe, *options, "--file", converted, "--force", code=2)
    with h5py.File(converted) as file:
        provenance = json.loads(file.attrs["provenance"])
    assert (provenance["layout"], provenance["input"]) == ("lhco", name)
    assert "doi:10.5281/zenodo.6466204" in provenance["command"]
