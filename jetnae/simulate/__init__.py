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
from jetnae.simulate.collisions import Collisions, measure  # noqa: E402
from jetnae.simulate.console import Report, run_recipe, with_progress  # noqa: E402
from jetnae.simulate.crossings import CrossingsRequest, write_crossings  # noqa: E402
from jetnae.simulate.detector import Calorimeter, Detector, Objects, reconstruct  # noqa: E402
from jetnae.simulate.generator import Events, Particles, Truth, generate, new_pythia  # noqa: E402
from jetnae.simulate.overlay import Crossings, Draw, Overlay, PileUp, overlay  # noqa: E402
from jetnae.simulate.pool import Pool, Sampled, Slice, inelastic, make_pool, read_pool  # noqa: E402
from jetnae.simulate.processes import (  # noqa: E402
    Process,
    four_bottom,
    hard,
    in_crossing,
    qcd,
    semivisible,
    soft,
    top,
    w,
    weighted_qcd,
)
from jetnae.simulate.run import Request, Summary, produce  # noqa: E402
from jetnae.simulate.writing import RootWriter  # noqa: E402

__all__ = [
    "Calorimeter",
    "Chunk",
    "Collisions",
    "Crossings",
    "CrossingsRequest",
    "Detector",
    "Draw",
    "Events",
    "JetCuts",
    "Job",
    "Objects",
    "Overlay",
    "Particles",
    "PileUp",
    "Pool",
    "Process",
    "Report",
    "Request",
    "RootWriter",
    "Sampled",
    "Slice",
    "Summary",
    "Truth",
    "cluster",
    "four_bottom",
    "generate",
    "hard",
    "in_crossing",
    "inelastic",
    "iter_chunks",
    "make_pool",
    "measure",
    "new_pythia",
    "overlay",
    "produce",
    "qcd",
    "read_pool",
    "reconstruct",
    "run_recipe",
    "semivisible",
    "simulate_chunk",
    "soft",
    "top",
    "w",
    "weighted_qcd",
    "with_progress",
    "write_crossings",
]
