"""The CMS dijet spectrum with the function the F-test chose, and the search for a bump on it.

python plots/dijet_spectrum.py
"""

from pathlib import Path

from jetnae.plotting.results import draw_result, read_result

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "dijet_spectrum.json"

if __name__ == "__main__":
    title = "CMS data, HEPData ins1764471, 137 fb$^{-1}$ (13 TeV)"
    draw_result(read_result(RESULT), HERE / "dijet_spectrum", force=True, title=title)
