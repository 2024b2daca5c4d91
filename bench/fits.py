"""How good the fits are: their losses against opda's and a dense multi-start's, all under the objective of nqjax."""

from collections.abc import Iterable
from statistics import median

from bench.common import reference_folder, table, verdict
from tests import searches

#: The acceptance's figures: never worse than opda by more than the first, nor than the multi-start by the second.
_OPDA, _DENSE = 1e-9, 1e-8
_SIMULATED = 64


def main(quick: bool = False) -> None:
    folder = reference_folder()
    if folder is None:
        print("\nThe reference searches are absent (set NQJAX_SHARED_DATA): simulated searches only.")
    references = list(searches.published(folder).values()) if folder else []
    simulated = list(searches.simulated(8 if quick else _SIMULATED))
    rows = []
    for name, group in (*((r.name, [r]) for r in references), (f"{len(simulated)} simulated searches", simulated)):
        rows.append([name, *_cells(group)])
    header = ["search", "opda - nqjax: least", "median", "greatest", "another gamma", "nqjax - multi-start: greatest"]
    table("Losses of whole fits, gamma 1 to 5 (ConvNeXt: to 7)", [*header, f"not above {_OPDA:g} and {_DENSE:g}"], rows)
    print(
        "\nA positive difference to opda is what its fit leaves; the multi-start follows 396 starts a gamma to the end."
    )


def _cells(group: Iterable[searches.Search]) -> list[str]:
    gains, excesses, gammas = [], [], []
    for search in group:
        fit = search.fit()
        theirs = searches.opda_fit(search)
        gains.append(searches.loss(search, *theirs) - fit.loss)
        gammas.append(theirs.gamma != fit.gamma)
        excesses.append(fit.loss - min(searches.dense_losses(search).values()))
    met = verdict(max(-min(gains) - _OPDA, max(excesses) - _DENSE), 0.0, at_least=False)
    return [*(f"{f(gains):.1e}" for f in (min, median, max)), str(sum(gammas)), f"{max(excesses):.1e}", met]
