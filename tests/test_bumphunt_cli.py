"""`jetnae bumphunt` as a user meets it, and where its spectra come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from jetnae.bumphunt import Hunt, HuntOptions, Spectrum, hunt
from jetnae.bumphunt.signal import SignalFit, gaussian
from jetnae.errors import InputError
from jetnae.io.scores import write_scores
from jetnae.io.spectra import crop, read_csv_spectrum, read_root_spectrum
from jetnae.plotting import bumphunt as figures
from jetnae.plotting import save_figure
from jetnae.results import from_json
from tests.test_cli import fails, jetnae

EDGES = np.linspace(100, 500, 41)
SHAPE = -np.diff(np.exp(-EDGES / 60))
FIGURES = ("--sqrt-s", 1000, "--toys", 50)
OPTIONS = (*FIGURES, "--no-figures")


def counts(n_events: int = 20_000, n_signal: int = 0) -> np.ndarray:
    bump = np.exp(-0.5 * ((EDGES[:-1] + 5 - 250) / 10) ** 2)
    return np.random.default_rng(1).poisson(n_events * SHAPE / SHAPE.sum() + n_signal * bump / bump.sum())


def write_csv(path: Path, values: np.ndarray, header: str = "low,high,count", **more: np.ndarray) -> Path:
    columns = [EDGES[:-1], EDGES[1:], values, *more.values()]
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join([header, *more]), *lines]) + "\n")
    return path


def write_score_file(path: Path, n_events: int = 8000, weight: float = 1.0) -> Path:
    """Events with one or two jets of falling mass; the score knows nothing of the mass."""
    rng = np.random.default_rng(1)
    jets_per_event = rng.integers(0, 3, n_events)
    n_jets = int(jets_per_event.sum())
    jets = {
        "score": rng.uniform(0, 1, n_jets).astype(np.float32),
        "mass": (100 + rng.exponential(60, n_jets)).astype(np.float32),
        "in_range": rng.uniform(0, 1, n_jets) < 0.9,
    }
    events = {"jetnae_weight": np.full(n_events, weight), "mjj": 100 + rng.exponential(60, n_events)}
    jets["reversed"] = -jets["score"]
    with write_scores(path, {"format_version": 1}) as writer:
        writer.append(jets, jets_per_event, events)
    return path


def read(path: Path) -> Hunt:
    return from_json(Hunt, json.loads(path.read_text()))


@pytest.fixture(scope="module")
def bump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data.csv`, which has a bump, and the result of the search in it."""
    folder = tmp_path_factory.mktemp("bump")
    write_csv(folder / "data.csv", counts(n_signal=400))
    done = jetnae("bumphunt", "data.csv", *FIGURES, "--widths", 2, 8, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_search_writes_its_result_and_figures_and_says_what_it_found(bump: Path, tmp_path: Path) -> None:
    names = {path.name for path in bump.iterdir()}
    figures_ = {f"data.bumphunt{part}.{kind}" for part in ("", ".windows", ".toys") for kind in ("pdf", "png")}
    assert names >= {"data.bumphunt.json", *figures_}
    found = read(bump / "data.bumphunt.json")
    low, high = (found.edges[i] for i in found.scan.window)
    assert low <= 250 <= high
    assert found.scan.global_p == pytest.approx(1 / 51)
    assert found.options.max_width == 8
    again = jetnae("bumphunt", "scan", bump / "data.csv", *OPTIONS, "--widths", 2, 8, "--output", "x", cwd=tmp_path)
    assert f"[{low:g}, {high:g}]" in again.stdout
    assert read(tmp_path / "x.json").scan.toy_t.tolist() == found.scan.toy_t.tolist()


@pytest.mark.slow
def test_every_result_is_drawn_again_to_the_byte(bump: Path, tmp_path: Path) -> None:
    style = ("--style", "ATLAS", "--title", "Simulation", "--label", "Private work")
    few, signal = ("--experiments", 5), ("--mean", 250, "--width", 10)
    search = (
        "scan",
        bump / "data.csv",
        *FIGURES,
        "--widths",
        2,
        5,
        "--observable",
        "Dijet mass [TeV]",
        "--output",
        "x",
    )
    checks = {
        "x": search,
        "x.coverage": ("coverage", "x.json", *few, "--toys", 9),
        "x.injection": ("inject", "x.json", *signal, *few, "--yield", 0, "--yield", 100),
        "x.bias": ("bias", "x.json", *signal, *few),
        "x.signal_fit": ("limit", "x.json", *signal),
    }
    for name, arguments in checks.items():
        done = jetnae("bumphunt", *arguments, *style, cwd=tmp_path)
        assert done.returncode in {0, 4}, done.stderr
        figures_ = sorted(tmp_path.glob("*.p*"))
        before = {path: path.read_bytes() for path in figures_}
        assert f"{name}.json" in done.stdout.split()
        assert {f"{name}.pdf", f"{name}.png"} <= {path.name for path in figures_}
        for path in figures_:
            assert path.name in done.stdout.split()
            path.unlink()
        again = jetnae("plot", f"{name}.json", *style, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert {path: path.read_bytes() for path in tmp_path.glob("*.p*")} == before
        for path in before:
            path.unlink()
    found = read(tmp_path / "x.json")
    assert (found.observable, found.unit) == ("Dijet mass", "TeV")
    limit = from_json(SignalFit, json.loads((tmp_path / "x.signal_fit.json").read_text()))
    assert (limit.observable, limit.unit) == ("Dijet mass", "TeV")


def test_nothing_is_overwritten_and_nothing_begun_before_that_is_known(bump: Path) -> None:
    refused = jetnae("bumphunt", "data.csv", *FIGURES, cwd=bump)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert jetnae("bumphunt", "data.csv", *FIGURES, "--widths", 2, 8, "--force", cwd=bump).returncode == 0


def test_checks_start_from_the_result(bump: Path, tmp_path: Path) -> None:
    result, signal = bump / "data.bumphunt.json", ("--mean", 250, "--width", 10)
    few = ("--experiments", 10)
    limit = jetnae("bumphunt", "limit", result, *signal, "--output", "limit.json", cwd=tmp_path)
    assert limit.returncode == 0
    assert "95 % CLs upper limit" in limit.stdout
    shape = write_csv(tmp_path / "shape.csv", 1000 * gaussian(EDGES, mean=250, width=10))
    by_template = jetnae("bumphunt", "limit", result, "--template", shape, "--output", "t.json", cwd=tmp_path)
    assert by_template.stdout.splitlines()[:3] == limit.stdout.splitlines()[:3]
    short = tmp_path / "short.csv"
    short.write_text("low,high,count\n100,110,1\n")
    wrongs = ("--mean", 250), ("--template", shape, *signal), ("--template", "x.txt"), ("--template", short)
    for wrong in wrongs:
        refused = jetnae("bumphunt", "limit", result, *wrong, "--output", "no.json", cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    injected = jetnae("bumphunt", "inject", result, *signal, *few, "--yield", 100, "--output", "i.json", cwd=tmp_path)
    assert injected.returncode == 0
    assert "injected 100" in injected.stdout
    options = ("--toys", 49, "--output", "c.json")
    covered = jetnae("bumphunt", "coverage", result, *few, *options, cwd=tmp_path)
    assert covered.returncode in {0, 4}
    assert covered.stdout.count("P(p <") == 2
    assert (covered.returncode == 4) == ("the check failed" in covered.stdout)
    spurious = jetnae("bumphunt", "bias", result, *signal, *few, "--output", "b.json", cwd=tmp_path)
    assert spurious.returncode in {0, 4}
    assert {"ua2:", "svj:"} <= set(spurious.stdout.split())
    kinds = {json.loads(path.read_text())["kind"] for path in tmp_path.glob("*.json")}
    assert kinds == {"signal_fit", "injection", "coverage", "bias"}


def test_a_failed_check_has_its_own_exit_code(tmp_path: Path) -> None:
    # two humps, which no power law describes: a signal between them is fitted negative in every spectrum
    write_csv(tmp_path / "data.csv", counts(n_signal=20_000))
    done = jetnae("bumphunt", "data.csv", *OPTIONS, "--family", "dijet2", cwd=tmp_path)
    assert done.returncode == 0
    assert "fits the spectrum poorly" in done.stdout
    signal = ("--mean", 250, "--width", 10, "--experiments", 5, "--alternative", "dijet5")
    assert jetnae("bumphunt", "bias", "data.bumphunt.json", *signal, cwd=tmp_path).returncode == 4


def test_blinded_searches_export_and_refuse_limits(tmp_path: Path) -> None:
    values = counts()
    values[12:18] = 98765
    write_csv(tmp_path / "data.csv", values)
    done = jetnae("bumphunt", "data.csv", *OPTIONS, "--blind", 220, 280, cwd=tmp_path)
    assert done.returncode == 0
    assert "98765" not in done.stdout + (tmp_path / "data.bumphunt.json").read_text()
    signal = ("--mean", 250, "--width", 10)
    refused = jetnae("bumphunt", "limit", "data.bumphunt.json", *signal, cwd=tmp_path)
    assert (refused.returncode, "blinded" in refused.stderr) == (2, True)
    exported = jetnae(
        "bumphunt", "export", "data.bumphunt.json", "--hepdata", "hep", "--pyhf", "w.json", *signal, cwd=tmp_path
    )
    assert exported.returncode == 0, exported.stderr
    table = yaml.safe_load((tmp_path / "hep" / "spectrum.yaml").read_text())
    assert [each["value"] for each in table["dependent_variables"][0]["values"]][12:18] == ["-"] * 6
    assert len(json.loads((tmp_path / "w.json").read_text())["observations"][0]["data"]) == 6


def test_a_workspace_of_an_open_search_fits_the_sidebands_again(bump: Path, tmp_path: Path) -> None:
    result = bump / "data.bumphunt.json"
    arguments = ("bumphunt", "export", result, "--pyhf", "w.json", "--mean", 250, "--width", 10)
    refused = jetnae(*arguments, cwd=tmp_path)
    assert (refused.returncode, "--region" in refused.stderr) == (2, True)
    assert jetnae(*arguments, "--region", 220, 280, cwd=tmp_path).returncode == 0
    assert len(json.loads((tmp_path / "w.json").read_text())["observations"][0]["data"]) == 6


def test_a_cut_from_sidebands_needs_a_signal_region(tmp_path: Path) -> None:
    write_score_file(tmp_path / "x.scores.root")
    cut = ("x.scores.root", "--range", 100, 500, "--bins", 40, *OPTIONS, "--background-efficiency", 0.3)
    refused = jetnae("bumphunt", *cut, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force-cut" in refused.stderr
    for name, more in {"a": ("--signal-region", 200, 250), "b": ("--blind", 200, 250), "c": ("--force-cut",)}.items():
        done = jetnae("bumphunt", *cut, *more, "--output", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "score > 0.7" in done.stdout or "score > 0.69" in done.stdout
    both = jetnae("bumphunt", *cut, "--score-above", 0.5, "--output", "d", cwd=tmp_path)
    assert (both.returncode, "give one" in both.stderr) == (2, True)


@pytest.mark.parametrize("suffix", ["root", "h5"])
def test_spectra_of_jets_and_of_events_are_what_passes_the_cut(tmp_path: Path, suffix: str) -> None:
    file = write_score_file(tmp_path / f"x.scores.{suffix}")
    common = ("bumphunt", file, "--range", 100, 500, "--bins", 40, "--sqrt-s", 1000, "--toys", 0, "--no-figures")
    jets = jetnae(*common, "--score-above", 0.5, "--output", "jets", cwd=tmp_path)
    events = jetnae(*common, "--score-above", 0.5, "--column", "mjj", "--all", "--output", "events", cwd=tmp_path)
    assert jets.returncode == events.returncode == 0, jets.stderr + events.stderr
    rng = np.random.default_rng(1)
    per_event = rng.integers(0, 3, 8000)
    n = int(per_event.sum())
    score, mass = rng.uniform(0, 1, n).astype(np.float32), (100 + rng.exponential(60, n)).astype(np.float32)
    in_range, mjj = rng.uniform(0, 1, n) < 0.9, 100 + rng.exponential(60, 8000)
    bins = np.linspace(100, 500, 41)
    passing = np.bincount(np.repeat(np.arange(8000), per_event), weights=score > 0.5, minlength=8000) > 0
    expected = np.histogram(mass[(score > 0.5) & in_range], bins)[0]
    assert read(tmp_path / "jets.json").counts == tuple(expected.tolist())
    assert read(tmp_path / "events.json").counts == tuple(np.histogram(mjj[passing], bins)[0].tolist())
    reversed_ = jetnae(*common, "--score", "reversed", "--score-above", -0.5, "--output", "other", cwd=tmp_path)
    assert "reversed > -0.5" in reversed_.stdout
    expected = np.histogram(mass[(score <= 0.5) & in_range], bins)[0]
    assert read(tmp_path / "other.json").counts == tuple(expected.tolist())
    absent = jetnae(*common, "--score", "score_decorrelated", "--output", "no", cwd=tmp_path)
    assert (absent.returncode, "no column 'score_decorrelated'" in absent.stderr) == (2, True)
    unknown = jetnae(*common, "--column", "tau21", "--output", "no", cwd=tmp_path)
    assert (unknown.returncode, "it has" in unknown.stderr) == (2, True)


def test_weighted_spectra_are_refused_or_become_pseudo_data(tmp_path: Path) -> None:
    write_score_file(tmp_path / "x.scores.root", weight=0.5)
    common = ("bumphunt", "x.scores.root", "--range", 100, 500, "--bins", 40, *OPTIONS)
    refused = jetnae(*common, cwd=tmp_path)
    assert (refused.returncode, "--pseudo-data" in refused.stderr) == (2, True)
    done = jetnae(*common, "--pseudo-data", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # 8000 events with one jet on average, 90 % in range, twice a weight of 0.5
    assert sum(read(tmp_path / "x.scores.bumphunt.json").counts) == pytest.approx(7200, abs=600)


def test_histograms_in_root_files_are_read_by_name(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "h.root") as file:
        file["folder/mass"] = (counts().astype(float), EDGES)
        file["two"] = (np.ones((2, 2)), np.arange(3.0), np.arange(3.0))
    done = jetnae("bumphunt", "h.root:folder/mass", *OPTIONS, "--range", 120, 400, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(next(tmp_path.glob("*.json"))).counts == tuple(counts()[2:30].tolist())
    for name, message in (("mas", "it has folder/mass"), ("two", "no one-dimensional")):
        with pytest.raises(InputError, match=message):
            read_root_spectrum(tmp_path / "h.root", name)
    (tmp_path / "text.root").write_text("no")
    for path, message in ((tmp_path / "text.root", "cannot be read"), (tmp_path / "none.root", "no such file")):
        with pytest.raises(InputError, match=message):
            read_root_spectrum(path, "x")


def test_tables_are_read_by_the_names_of_their_columns(tmp_path: Path, real_data: Path) -> None:
    table = read_csv_spectrum(write_csv(tmp_path / "a.csv", counts(), "low [GeV],high [GeV],counts", extra=counts()))
    assert table.counts.tolist() == counts().tolist()
    assert table.edges.tolist() == EDGES.tolist()
    weighted = read_csv_spectrum(write_csv(tmp_path / "b.csv", counts(), variance=2.0 * counts()))
    assert weighted.weighted
    dijet = read_csv_spectrum(real_data / "dijet" / "cms_dijet_137fb_ins1764471.csv")
    assert (dijet.counts[0], dijet.edges[0], dijet.edges[-1], len(dijet.counts)) == (1580502, 1530, 8752, 42)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("low,high\n1,2\n", "0 columns 'count'"),
        ("low,high,count,counts\n1,2,3,3\n", "2 columns 'count'"),
        ("low,high,count\n1,2,x\n", "something else than numbers"),
        ("low,high,count\n1,2\n", "something else than numbers"),
        ("low,high,count\n1,2,3\n3,4,5\n", "bin 1 starts at 3, expected 2"),
        ("low,high,count\n1,2,-3\n", "-3 in bin 0"),
        ("low,high,count\n1,2,nan\n", "nan in bin 0"),
        ("low,high,count\n", "0 bins"),
        ("", "0 bins"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_csv_spectrum(tmp_path / "x.csv")
    done = jetnae("bumphunt", "x.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.csv",), "cannot be read"),
        (("none.root",), "no such file"),
        (("data.csv", "--score-above", 0.5), "score files only"),
        (("data.csv", "--range", 1, 2), "no bin"),
        (("data.csv", "--family", "cubic"), "no family"),
        (("data.csv", "--widths", 5, 2), "windows of 5 to 2"),
        (("data.csv", "--sqrt-s", 300), "sqrt"),
        (("data.csv", "--blind", 0, 50), "holds no bin"),
        (("x.scores.root",), "--range"),
        (("coverage", "data.csv"), "cannot be read as JSON"),
        (("coverage", "other.json"), "expected 'hunt'"),
        (("export", "other.json"), "nothing to export"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, arguments: tuple, message: str) -> None:
    write_csv(tmp_path / "data.csv", counts())
    write_score_file(tmp_path / "x.scores.root", n_events=20)
    (tmp_path / "other.json").write_text('{"kind": "auc"}')
    before = sorted(tmp_path.iterdir())
    done = jetnae("bumphunt", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_fit_that_finds_nothing_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    lonely = np.zeros(40, dtype=int)
    lonely[7] = 5
    write_csv(tmp_path / "data.csv", lonely)
    done = jetnae("bumphunt", "data.csv", *OPTIONS, "--family", "dijet4", cwd=tmp_path)
    assert done.returncode == 4
    assert "did not converge" in done.stderr


def test_cropping_keeps_whole_bins() -> None:
    spectrum = Spectrum(np.arange(4.0), np.arange(5.0), np.arange(4.0))
    assert crop(spectrum, 0.5, 3.2).counts.tolist() == [1, 2]
    assert crop(spectrum, 0.5, 3.2).variances.tolist() == [1, 2]


@pytest.mark.parametrize("blind", [None, (220.0, 280.0)])
def test_figures_show_the_numbers_of_the_result(tmp_path: Path, blind: tuple[float, float] | None) -> None:
    values = counts(2000)
    options = HuntOptions(family="dijet3", sqrt_s=1000, n_toys=30, max_width=5, blind=blind)
    found = hunt(Spectrum(values, EDGES), options, np.random.default_rng(1))
    figure = figures.hunt_figure(found)
    upper, lower = figure.axes
    drawn = next(each for each in upper.containers if each.get_label() == "Data")[0].get_data()
    shown = [i for i, n in enumerate(found.counts) if n]
    np.testing.assert_allclose(drawn[0], (EDGES[:-1] + 5)[shown])
    np.testing.assert_allclose(drawn[1], values[shown] / 10)
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert ("Blinded" in labels) == (blind is not None)
    assert upper.get_ylabel() == "Events / GeV"
    pulls = lower.patches[0].get_data().values
    hidden = np.array([n is None for n in found.counts])
    assert (pulls[hidden] == 0).all()
    bottom, top = upper.get_ylim()
    assert bottom < drawn[1].min()
    assert top > drawn[1].max()
    tomography = figures.windows_figure(found).axes[0]
    n_lines = len(tomography.collections[0].get_segments())
    assert n_lines == np.sum(found.scan.window_p < 1)
    drawn_toys = figures.toys_figure(found)
    assert drawn_toys is not None
    toys = drawn_toys.axes[0]
    assert sum(patch.get_height() for patch in toys.patches) == 30
    assert len(save_figure(figure, tmp_path / "figure")) == 2


def test_an_empty_spectrum_between_blinded_bins_is_drawn(tmp_path: Path) -> None:
    values = np.zeros(40, dtype=int)
    values[:6] = 40, 20, 11, 5, 2, 1
    found = hunt(Spectrum(values, EDGES), HuntOptions(sqrt_s=1000, n_toys=0, max_width=3, family="dijet2"))
    for figure in (figures.hunt_figure(found), figures.windows_figure(found)):
        assert len(save_figure(figure, tmp_path / f"figure{id(figure)}")) == 2
    assert figures.toys_figure(found) is None


def falling_scores(path: Path, *, hidden_factor: float = 1.0) -> Path:
    """Jets of falling mass with a random score; that of jets between 150 and 170 GeV is scaled."""
    rng = np.random.default_rng(1)
    mass = 60 + rng.exponential(60, 6000)
    score = rng.exponential(1, 6000) * np.where((mass >= 150) & (mass < 170), hidden_factor, 1.0)
    jets = {"mass": mass, "score": score, "in_range": np.ones(6000, dtype=bool), "status": np.zeros(6000, np.int32)}
    with write_scores(path, {"format_version": 1, "kind": "scores", "model": "m"}) as writer:
        writer.append(jets, np.full(6000, 1), {"event": np.arange(6000)})
    return path


def test_what_is_blinded_chooses_no_cut(tmp_path: Path) -> None:
    """Whatever the scores of the jets in the blinded bins, of which 152 to 168 GeV is a part: the cut is the same."""
    sources = []
    for name, factor in (("plain", 1.0), ("large", 100.0)):
        path = falling_scores(tmp_path / f"{name}.root", hidden_factor=factor)
        cut = ("--background-efficiency", "0.5", "--signal-region", "60", "61", "--blind", "152", "168")
        options = ("--range", "60", "260", "--bins", "20", *FIGURES[2:], "--sqrt-s", 1000, "--no-figures")
        result = jetnae("bumphunt", path, *cut, *options, "--output", name, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        sources.append(read(tmp_path / f"{name}.json").source.split("score > ")[1])
    assert sources[0] == sources[1]


def test_options_of_a_cut_that_is_not_made_are_refused(tmp_path: Path) -> None:
    search = ("bumphunt", falling_scores(tmp_path / "s.root"), "--range", "60", "260")
    for options in (("--force-cut",), ("--signal-region", "100", "120")):
        assert "--background-efficiency" in fails(*search, *options, cwd=tmp_path)
    forced = ("--background-efficiency", "0.5", "--force-cut", "--blind", "100", "120")
    assert "give one of them" in fails(*search, *forced, cwd=tmp_path)
    assert "% of the values" not in fails(*search[:2], "--blind", "100", "120", cwd=tmp_path)
    assert "finite ends" in fails(*search[:3], "60", "inf", cwd=tmp_path)
