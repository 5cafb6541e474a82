"""Signal efficiency against trigger rate of the normalized autoencoder, its students, and simple cuts.

python plots/trigger.py
"""

from pathlib import Path

from jetnae.plotting.results import draw_result, read_result

HERE = Path(__file__).parent
RESULT = HERE.parent / "analyses" / "results" / "trigger.json"

if __name__ == "__main__":
    title = "Pythia 8 (13.6 TeV), parametrised calorimeter, overlaid pile-up"
    draw_result(read_result(RESULT), HERE / "trigger", force=True, title=title)
