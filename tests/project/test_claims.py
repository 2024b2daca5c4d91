"""Text that users read claims no more than is known: reruns of real winners refuted these phrases."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Said of alpha, or of scores beyond it.
REFUTED = ("best reachable", "without luck", "only luck", "lucky", "would score worse", "that the search can reach")

TEXTS = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.ipynb"), ROOT / "nqjax"]


@pytest.mark.parametrize("place", TEXTS, ids=lambda path: path.name)
def test_no_refuted_claim(place):
    files = [place] if place.is_file() else [path for end in ("py", "html") for path in place.rglob(f"*.{end}")]
    assert files
    for file in files:
        text = " ".join(file.read_text().split())
        for phrase in REFUTED:
            assert phrase not in text, f"{file.name}: {phrase}"


def test_the_term_is_defined_once():
    text = " ".join((ROOT / "README.md").read_text().split())
    assert text.count("*best score of the fitted regime*: what the best configurations of the regime score on") == 1
    assert "A weak direction of the space may hold a better point, which a random search seldom finds." in text
