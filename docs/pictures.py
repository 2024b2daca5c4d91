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
    "surface": "nqjax.plots.surface(surface, name='error')",
    "spectrum": "nqjax.plots.spectrum(surface, name='error')",
    "worth": "nqjax.plots.worth(worths)",
    "fidelity": "nqjax.plots.fidelity(report)",
    "noise": "nqjax.plots.noise(reruns, name='error')",
    "compare": "nqjax.plots.compare(found, other, names=('ours', 'theirs'))",
    "studies": "nqjax.plots.studies(several)",
    "landscape_map": "nqjax.plots.landscape_map(land, threshold=0.3)",
    "optima_curve": "nqjax.plots.optima_curve(land)",
    "merge_tree": "nqjax.plots.merge_tree(land, above=0.0)",
    "neutrality": "nqjax.plots.neutrality(land)",
    "relevance": "nqjax.plots.relevance(nqjax.regime_geometry(land, 0.3))",
    "similarity_map": "nqjax.plots.similarity_map(matrix, ['first run', 'second run', 'both'])",
    "embedding": "nqjax.plots.embedding(land, method='svd')",
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


def grid(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Simulate a grid of three hyperparameters with two runs of each configuration."""
    rate, depth, width = np.indices((9, 7, 4)).reshape(3, -1)
    error = 0.2 + 0.03 * (rate - 5.0) ** 2 + 0.02 * (depth - 3.0) ** 2 + 0.001 * width
    runs = error[:, None] + 0.004 * np.random.default_rng(seed).normal(size=(len(error), 2))
    return {"learning_rate": 10.0 ** (rate / 2 - 5), "depth": depth + 2, "width": 32 * 2**width}, runs


def curves(seed: int) -> list[np.ndarray]:
    """Simulate the learning curves of a random search, 20 epochs each."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, 21)
    ends = rng.uniform(0.1, 1.0, size=(200, 2))
    return [end + rate * np.exp(-epochs / 4) + 0.02 * rng.normal(size=20) for end, rate in ends]


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
    land = nqjax.Landscape(*grid(0))
    names = {
        "land": land,
        "matrix": nqjax.similarity_matrix([land.run(0), land.run(1), land]),
        "nqjax": nqjax,
        "found": found,
        "surface": nqjax.fit_surface(found.study),
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
        "report": nqjax.fidelity_report(curves(0), minimize=True),
        "worths": {
            name: nqjax.worth(np.random.default_rng(seed).uniform(size=(200, 60)) ** power, rng.uniform(size=20_000))
            for seed, (name, power) in enumerate({"random": 1.0, "tuned": 1.5}.items())
        },
    }
    for name, path in paths.items():
        drawn = eval(EXAMPLES[name], names)
        part = drawn.ax[0] if isinstance(drawn.ax, tuple) else drawn.ax
        save(part.figure, path)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
