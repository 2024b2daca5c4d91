"""Random samples of whole grids: the bias of what pairs of neighbours tell, and the truth of the standard errors."""

import numpy as np

from bench.common import reference_folder, table
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.reading import read_landscape
from nqjax.landscape.sampled_pairs import SampledPairs

#: Files of grids with their columns of scores.
GRIDS = {
    **dict.fromkeys(("mlp_phoneme", "mlp_australian", "mlp_car", "mlp_vehicle"), "val_acc_*"),
    **dict.fromkeys(("nb201_cifar10", "nb201_imagenet"), "val_acc_*"),
    **dict.fromkeys(("fcnet_naval_propulsion", "fcnet_protein_structure"), "val_loss_*"),
    "digits_mlp_grid5_s0": "val_loss_30",
    "tree_digits": "test_error_100",
}

#: Beginnings of columns that are scores, too.
_SCORES = ("val_", "train_", "test_", "failed", "score")

#: Configurations of a sample, and the tolerance of neutrality.
SIZE = 1000
TOLERANCE = 0.01


def main(quick: bool = False) -> None:
    if (folder := reference_folder()) is None or not (folder / "landscape").is_dir():
        return
    rows = []
    for name, metric in GRIDS.items():
        whole = _read(str(folder / "landscape" / f"{name}.parquet"), metric)
        truth, values, errors, pairs = _estimates(whole, 200 if quick else 2000)
        spread = values.std(axis=0, ddof=1)
        bias = values.mean(axis=0) - truth
        cells = [f"{value:.3f}" for value in truth]
        cells += [f"{one:+.3f} ({one * np.sqrt(len(values)):+.1f})" for one in bias / spread]
        cells += [f"{one:.2f}" for one in np.sqrt(np.mean(errors**2, axis=0)) / spread]
        rows.append([name, f"{pairs:.0f}", *cells])
    heads = ["L-ast", "neutrality", "bias of L-ast", "of neutrality", "stated error of L-ast", "of neutrality"]
    title = f"Samples of {SIZE:,}: bias in standard deviations (standard errors of the mean), stated over true errors"
    table(title, ["grid", "pairs", *heads], rows)


def _read(file: str, metric: str) -> Landscape:
    from pyarrow import parquet

    beginning = metric.rstrip("*")
    names = parquet.read_schema(file).names
    others = [one for one in names if one.startswith(_SCORES) and not one.startswith(beginning)]
    return read_landscape(file, metric, minimize="acc" not in metric, drop=others)


def _estimates(whole: Landscape, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the true values, the estimates of each sample with their standard errors, and the mean number of pairs."""
    metrics, scores = whole.metrics(TOLERANCE), whole.scores
    categorical = [axis.name for axis in whole.space.axes if not axis.ordered]
    config = {axis.name: codes.astype(float) for axis, codes in zip(whole.space.axes, whole.space.codes, strict=True)}
    rng = np.random.default_rng(1)
    values, errors, pairs = [], [], []
    for _ in range(count):
        rows = rng.choice(len(whole), SIZE, replace=False)
        part = {name: codes[rows] for name, codes in config.items()}
        land = Landscape(part, scores[rows], minimize=whole.minimize, categorical=categorical)
        found = SampledPairs(land.space, land.graph, land.heights)
        both = found.assortativity_rank(), found.neutrality(TOLERANCE)
        values.append([one.value for one in both])
        errors.append([one.standard_error for one in both])
        pairs.append(len(found))
    truth = np.array([metrics.assortativity_rank, metrics.neutrality])
    return truth, np.array(values), np.array(errors), float(np.mean(pairs))
