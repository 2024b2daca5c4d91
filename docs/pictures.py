"""Draw the pictures of the gallery, from searches that are simulated: `python docs/pictures.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np

#: The pictures, by file, and how each is drawn: `gallery.md` shows these lines.
EXAMPLES = {
    "tuning_curve": "nqjax.plots.tuning_curve(found)",
    "cdf": "nqjax.plots.cdf(found)",
    "qq": "nqjax.plots.qq(found)",
    "best_score": "nqjax.plots.best_score(found)",
    "gamma": "nqjax.plots.gamma(found)",
    "threshold_path": "nqjax.plots.threshold_path(found)",
    "hyperparameters": "nqjax.plots.hyperparameters(found)",
    "noise": "nqjax.plots.noise(reruns, name='error')",
    "compare": "nqjax.plots.compare(found, other, names=('ours', 'theirs'))",
    "studies": "nqjax.plots.studies(several)",
    "bands": "nqjax.plots.tuning_curve(bands, name='error')",
}


def search(seed: int, best: float = 0.08, size: int = 128) -> list[dict[str, float | str]]:
    """Simulate a random search: three hyperparameters, of which two matter near the optimum."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(size):
        rate, depth, kind = 10 ** rng.uniform(-4, -1), int(rng.integers(2, 9)), str(rng.choice(["adam", "sgd"]))
        bowl = 0.05 * (np.log10(rate) + 2.4) ** 2 + 0.004 * (depth - 5.5) ** 2
        error = best + bowl + (0.003 if kind == "sgd" else 0) + 0.002 * rng.normal()
        rows.append({"learning_rate": rate, "depth": depth, "optimizer": kind, "error": float(error)})
    return rows


def draw(folder: Path) -> None:
    """Draw all pictures that are not there yet."""
    paths = {name: folder / f"{name}.svg" for name in EXAMPLES}
    if all(path.exists() and path.stat().st_mtime > Path(__file__).stat().st_mtime for path in paths.values()):
        return
    import nqjax
    from nqjax.plots.style import save

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    found = nqjax.analyze(search(0), "error")
    names = {
        "nqjax": nqjax,
        "found": found,
        "other": nqjax.fit([row["error"] for row in search(1, best=0.083)]),
        "reruns": nqjax.noise_diagnostics(
            {
                "config": np.repeat(np.arange(8), 12),
                "error": np.repeat(0.08 + 0.002 * np.arange(8), 12) + 0.002 * rng.normal(size=96),
            },
            "config",
            "error",
        ),
        "several": nqjax.analyze([search(0), search(1, best=0.083)], "error", names=["ours", "theirs"]),
        "bands": nqjax.confidence_bands(found.study.scores, 0.8),
    }
    for name, path in paths.items():
        drawn = eval(EXAMPLES[name], names)
        part = drawn.ax[0] if isinstance(drawn.ax, tuple) else drawn.ax
        save(part.figure, path)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
