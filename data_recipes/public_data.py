"""The public sets that studies are compared on, fetched from Zenodo and written as files of ours.

    python data_recipes/public_data.py top-tagging --split train --split test --output-dir data
    python data_recipes/public_data.py lhc-olympics --output-dir data
    python data_recipes/public_data.py aachen --output-dir data

top-tagging: top quark tagging reference set, doi:10.5281/zenodo.2603256, arXiv:1902.09914, CC BY 4.0. Anti-kT R = 0.8
jets of 550 to 650 GeV with |eta| < 2, QCD (label 0) and tops (1): about 1.2 million in train.h5 (1.04 GB), 400,000 in
each of val.h5 and test.h5 (0.35 GB). Sizes and MD5 sums below, as public code quotes them from the record.

lhc-olympics: R&D set of the LHC Olympics 2020, doi:10.5281/zenodo.6466204, arXiv:2101.08320, CC BY 4.0.
events_anomalydetection_v2.h5 (2.9 GB): 1,000,000 QCD events (label 0) and 100,000 with a resonance W' → XY (1), each
with up to 700 particles, clustered here with anti-kT R = 1.0 above 100 GeV, which takes five to ten minutes. All jets
of an event have its label. One public package quotes its SHA-256 sum, which we have not checked:
5da8fda2ca78edf8fa5acc0af92fcb6a2d464ba7bf0fd75e3944a169b88cecc6.

aachen: QCD and semivisible jets of arXiv:2312.03067, doi:10.5281/zenodo.12801842. Read as the code of that paper does:
one row per jet, constituents E_0, PX_0, PY_0, PZ_0, ..., label is_signal_new (0 QCD, 1 dark). The names of the files,
how many jets they hold, the radius of the jets and the licence have not been seen by us: every HDF5 file of the record
is taken, and what the record states and what was found is printed.

Sizes and MD5 sums of the last two are those that the record states when it is asked; `--sha256` is checked besides. Raw
files stay in `SET/raw`; what has been written is not written again without `--force`, and what broke off goes on.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import h5py
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from jetnae.cli.options import progress_bar
from jetnae.conversion import ConvertJob, convert_file
from jetnae.download import RemoteFile, download, verify
from jetnae.errors import InputError, JetnaeError
from jetnae.io import ReadOptions, open_jets
from jetnae.io.frames import toml_layout
from jetnae.zenodo import API, read_record

TOP_TAGGING = "2603256"
TOP_TAGGING_FILES = {
    "train.h5": (1_038_496_555, "md5:45663819f47c13724f67eb0fd80bfa5c"),
    "val.h5": (347_378_076, "md5:dca4b7248027618f041f9baa86d360fc"),
    "test.h5": (347_849_376, "md5:13163479dee30a5fe546e4536cc3d04d"),
}
LHC_OLYMPICS = "6466204"
LHC_OLYMPICS_FILE = "events_anomalydetection_v2.h5"
LHC_OLYMPICS_EVENTS = 1_100_000
AACHEN = "12801842"

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Fetch and convert public sets of jets.")
console = Console(stderr=True)

OutputDir = Annotated[Path, typer.Option(envvar="JETNAE_DATA", help="Folder for the files.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="A file that is here already; may be repeated.")]
Sha256 = Annotated[str, typer.Option(help="SHA-256 sum that the file must have; for one file only.")]
Mirror = Annotated[str, typer.Option(help="URL of a folder with the same files, to fetch them from.")]
RecordUrl = Annotated[str, typer.Option(help="URL of the description of the record.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]


class Split(StrEnum):
    """The files of the top-tagging reference set."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True)
class Choices:
    """Where a set goes, where it comes from, and the options of the user."""

    folder: Path
    doi: str
    sha256: str
    force: bool

    def converted(self, raw: Path) -> Path:
        """Where a raw file is converted to."""
        return self.folder / f"{raw.stem}.h5"

    def has(self, raw: Path) -> bool:
        """Whether that is there already and stays."""
        target = self.converted(raw)
        if target.exists() and not self.force:
            console.print(f"{target}: is there already, --force makes it anew", markup=False, soft_wrap=True)
            return True
        return False


@contextmanager
def one_line() -> Iterator[None]:
    """An expected error is one line and an exit code."""
    try:
        yield
    except JetnaeError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None


@app.command()
def top_tagging(
    split: Annotated[list[Split] | None, typer.Option(help="Which files; may be repeated [default: all].")] = None,
    *,
    output_dir: OutputDir = Path("data"),
    file: Files = None,
    sha256: Sha256 = "",
    mirror: Mirror = f"https://zenodo.org/records/{TOP_TAGGING}/files",
    force: Force = False,
) -> None:
    """Top quark tagging reference set: QCD and top jets."""
    choices = Choices(output_dir / "top_tagging", f"10.5281/zenodo.{TOP_TAGGING}", sha256, force)
    with one_line():
        names = [f"{each.value}.h5" for each in split or list(Split)]
        remote = {name: RemoteFile(f"{mirror.rstrip('/')}/{name}", *TOP_TAGGING_FILES[name]) for name in names}
        for path in raw_files(choices, remote, file or ()):
            convert(choices, path, ReadOptions(layout="toptag"))


@app.command()
def lhc_olympics(
    *,
    output_dir: OutputDir = Path("data"),
    file: Files = None,
    sha256: Sha256 = "",
    record_url: RecordUrl = f"{API}/{LHC_OLYMPICS}",
    force: Force = False,
) -> None:
    """LHC Olympics R&D set: dijet events, some with a resonance."""
    choices = Choices(output_dir / "lhc_olympics", f"10.5281/zenodo.{LHC_OLYMPICS}", sha256, force)
    with one_line():
        remote = {} if file else in_record(record_url, lambda name: name == LHC_OLYMPICS_FILE)
        for path in raw_files(choices, remote, file or ()):
            if not file:
                require_events(path, LHC_OLYMPICS_EVENTS)
            convert(choices, path, ReadOptions(layout="lhco"))


@app.command()
def aachen(
    *,
    output_dir: OutputDir = Path("data"),
    file: Files = None,
    sha256: Sha256 = "",
    layout: Annotated[str, typer.Option(help="TOML file that describes the files, should they be others.")] = "",
    record_url: RecordUrl = f"{API}/{AACHEN}",
    force: Force = False,
) -> None:
    """Aachen set: QCD and semivisible jets."""
    choices = Choices(output_dir / "aachen", f"10.5281/zenodo.{AACHEN}", sha256, force)
    with one_line(), tempfile.TemporaryDirectory() as scratch:
        remote = {} if file else in_record(record_url, lambda name: name.endswith((".h5", ".hdf5")))
        for path in raw_files(choices, remote, file or ()):
            described = Path(scratch) / f"{path.stem}.toml"
            if not layout:
                described.write_text(toml_layout(path, "is_signal_new"), encoding="utf-8")
            convert(choices, path, ReadOptions(layout=layout or str(described)))


def in_record(url: str, wanted: Callable[[str], bool]) -> dict[str, RemoteFile]:
    """The files of a record that are wanted; says what the record states of its licence."""
    record = read_record(url)
    console.print(f"licence, as the record states it: {record.license or 'none'}", markup=False)
    found = {name: each for name, each in record.files.items() if wanted(name)}
    if not found:
        raise InputError(
            f"{url}: the record holds {', '.join(record.files) or 'no files'}, none of them as expected: "
            "get what you need by hand and give it with --file"
        )
    return found


def raw_files(choices: Choices, remote: Mapping[str, RemoteFile], given: Sequence[Path]) -> Iterator[Path]:
    """The files to convert, one after the other: those given, else the remote ones, fetched where they are not here."""
    if choices.sha256 and len(given or remote) != 1:
        raise InputError(f"--sha256 with {len(given or remote)} files: give it with one")
    for path in given or [choices.folder / "raw" / name for name in remote]:
        if choices.has(path):
            continue
        if not given:
            fetch(remote[path.name], path, force=choices.force)
        if choices.sha256:
            verify(path, f"sha256:{choices.sha256.lower()}")
        yield path


def fetch(remote: RemoteFile, path: Path, *, force: bool) -> None:
    """Download a file with a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(f"fetching {path.name}", total=remote.size)
        download(remote, path, force=force, report=lambda done, total: bar.update(task, completed=done, total=total))


def require_events(path: Path, expected: int) -> None:
    """Raises `InputError` for another number of events."""
    with open_jets(path, ReadOptions(layout="lhco")) as jets:
        if jets.n_events != expected:
            raise InputError(f"{path}: {jets.n_events} events, the set has {expected}: this is another file")


def convert(choices: Choices, path: Path, options: ReadOptions) -> None:
    """Write a file of ours, and say what is in it."""
    target = choices.converted(path)
    if target.resolve() == path.resolve():
        raise InputError(f"{path}: is where the converted file goes, give the raw one")
    command = f"{shlex.join(['python', *sys.argv])}  # doi:{choices.doi}"
    with progress_bar(f"converting {path.name}") as update:
        summary = convert_file(ConvertJob(path, target, options, choices.force, command), update)
    with h5py.File(target) as written:
        n_signal = int((written["events/Jet_label"][:] == 1).sum())
    console.print(
        f"{target}: {summary.n_events} events, {summary.n_jets - n_signal} background and {n_signal} signal jets",
        markup=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    app()
