"""Losses of fits against those of opda and of a dense multi-start, all under the objective of nqjax."""

from collections.abc import Iterable
from statistics import median

from bench.common import reference_folder, table, verdict
from tests.support import searches

#: Accepted excess of a loss over that of opda's fit.
_EXCESS_OVER_OPDA = 1e-9
#: Accepted excess of a loss over the lowest one of the multi-start.
_EXCESS_OVER_DENSE = 1e-8
#: Simulated searches.
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
    table(
        "Losses of whole fits, gamma 1 to 5 (ConvNeXt: to 7)",
        [*header, f"not above {_EXCESS_OVER_OPDA:g} and {_EXCESS_OVER_DENSE:g}"],
        rows,
    )
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
    met = verdict(max(-min(gains) - _EXCESS_OVER_OPDA, max(excesses) - _EXCESS_OVER_DENSE), 0.0, at_least=False)
    return [*(f"{f(gains):.1e}" for f in (min, median, max)), str(sum(gammas)), f"{max(excesses):.1e}", met]
