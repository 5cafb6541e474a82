"""The mass of QCD jets after cuts on the score of the bundled model, before and after a decorrelation.

python plots/reference_sculpting.py
"""

from pathlib import Path

from jetnae.plotting.results import draw_result, read_result

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "reference_sculpting.json"

if __name__ == "__main__":
    title = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
    draw_result(read_result(RESULT), HERE / "reference", force=True, title=title)
