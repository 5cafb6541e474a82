"""ROC curve and significance improvement of the bundled model for tops, beside simple baselines.

python plots/reference_roc.py
"""

from pathlib import Path

from jetnae.plotting.results import draw_result, read_result

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "reference_roc.json"

if __name__ == "__main__":
    title = "Pythia 8 (14 TeV), parametrised detector, no pile-up"
    draw_result(read_result(RESULT), HERE / "reference", force=True, title=title)
