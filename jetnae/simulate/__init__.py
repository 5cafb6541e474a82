"""Simulated jets: Pythia 8 events, a parametrised detector, FastJet clustering, ROOT and HDF5 files.

Needs the extra `jetnae[simulate]` (pythia8mc, fastjet). The recipes in `data_recipes/` are built from these
parts.
"""

from importlib.util import find_spec

from jetnae.errors import MissingExtraError

_missing = [name for name in ("pythia8mc", "fastjet") if find_spec(name) is None]
if _missing:
    raise MissingExtraError(
        f"simulation needs {' and '.join(_missing)}, which is not installed: pip install 'jetnae[simulate]'"
    )

from jetnae.simulate.chunks import Chunk, Job, iter_chunks, simulate_chunk  # noqa: E402
from jetnae.simulate.clustering import JetCuts, cluster  # noqa: E402
from jetnae.simulate.console import run_recipe  # noqa: E402
from jetnae.simulate.detector import Calorimeter, Detector, Objects, reconstruct  # noqa: E402
from jetnae.simulate.generator import Events, Particles, Truth, generate, new_pythia  # noqa: E402
from jetnae.simulate.processes import Process, qcd, semivisible, top, weighted_qcd  # noqa: E402
from jetnae.simulate.run import Request, Summary, produce  # noqa: E402
from jetnae.simulate.writing import RootWriter  # noqa: E402

__all__ = [
    "Calorimeter",
    "Chunk",
    "Detector",
    "Events",
    "JetCuts",
    "Job",
    "Objects",
    "Particles",
    "Process",
    "Request",
    "RootWriter",
    "Summary",
    "Truth",
    "cluster",
    "generate",
    "iter_chunks",
    "new_pythia",
    "produce",
    "qcd",
    "reconstruct",
    "run_recipe",
    "semivisible",
    "simulate_chunk",
    "top",
    "weighted_qcd",
]
