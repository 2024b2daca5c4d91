"""JSON document, sentences and terminal tables of similarities between landscapes."""

from typing import TYPE_CHECKING, Any

from nqjax.landscape.similarity import MEASURES
from nqjax.report.tables import finite, indented, small_table
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from nqjax.landscape.similarity import Similarity


def similarity_document(pairs: "Sequence[tuple[str, str, Similarity]]", *, file: str, minimize: bool) -> dict[str, Any]:
    """Return the document of some pairs of landscapes, each with the two names and its similarity."""
    found = [{"first": a, "second": b, **_entry(one)} for a, b, one in pairs]
    gamma = pairs[0][2].gamma
    document = {
        "file": file,
        "minimize": minimize,
        "best_share": gamma,
        "independent": {"spearman": 0.0, "kendall": 0.0, "shake_up": 1 / 3, "gamma_set": gamma / (2 - gamma)},
        "pairs": found,
        "warnings": [],
    }
    return {**document, "answer": _sentences(document)}


def _entry(one: "Similarity") -> dict[str, Any]:
    numbers = {name: finite(getattr(one, name)) for name in MEASURES}
    ceiling = one.ceiling
    return {
        **numbers,
        "top_sizes": list(one.top_sizes),
        "configurations": one.count,
        "num_failed": one.num_failed,
        "ceiling": None if ceiling is None else {name: finite(getattr(ceiling, name)) for name in MEASURES},
    }


def _sentences(document: "Mapping[str, Any]") -> list[str]:
    """Return the answer in sentences: the least alike pair, what it would cost, and the ceiling."""
    pairs = document["pairs"]
    share = percent(document["best_share"], 2)
    least = min(pairs, key=lambda one: one["gamma_set"])
    first, second = least["first"], least["second"]
    sentences = [
        f"Of the configurations that are among the best {share} in {first} or in {second}, "
        f"{percent(least['gamma_set'], 2)} are so in both (independent ranks: "
        f"{percent(document['independent']['gamma_set'], 2)})"
        + (f", the least of {len(pairs)} pairs." if len(pairs) > 1 else ".")
    ]
    if least["ceiling"] is None:
        sentences.append(
            "How much of that is noise is unknown: configurations were run once. Several columns for each landscape, "
            "as in --metric 'loss_*', would tell."
        )
    else:
        sentences.append(
            f"Two halves of the runs of one landscape have {percent(least['ceiling']['gamma_set'], 2)} in common, "
            f"which is the most that can be expected."
        )
    if least["transfer_regret"] is None:
        sentences.append(f"The best configuration of {first} fails in {second}.")
    else:
        sentences.append(
            f"The best configuration of {first} is {significant(least['transfer_regret'], 3)} worse in {second} than "
            f"the best one there; after trying its ten best, {_regret(least['transfer_regret_top'])}."
        )
    return sentences


def _regret(value: float | None) -> str:
    return "all ten fail" if value is None else significant(value, 3)


def print_similarity(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer and a row for each pair."""
    from rich.text import Text

    console.print(Text(f"Similarity of landscapes in {document['file']}", style="bold"))
    console.print()
    console.print(Text(" ".join(document["answer"])))
    console.print()
    first, *columns = pair_columns(document)
    table = small_table(first, columns)
    table.columns[0].overflow = "fold"
    for name, *cells in pair_rows(document):
        table.add_row(Text(name), *cells)
    console.print(indented(table, below=1))
    for note in notes_on_pairs(document):
        console.print(indented(Text(note, style="dim")))


def pair_columns(document: "Mapping[str, Any]") -> list[str]:
    """Return the heads of the table of pairs."""
    ceiling = ["ceiling"] if _has_ceiling(document) else []
    return ["pair", "Spearman", "Shake-up", "in both", *ceiling, "rank", "regret"]


def pair_rows(document: "Mapping[str, Any]") -> list[tuple[str, ...]]:
    """Return the cells of the table of pairs."""
    rows: list[tuple[str, ...]] = []
    for one in document["pairs"]:
        cells = ["?" if one[name] is None else f"{one[name]:.3f}" for name in ("spearman", "shake_up")]
        cells.append(percent(one["gamma_set"], 2))
        if _has_ceiling(document):
            cells.append("?" if one["ceiling"] is None else percent(one["ceiling"]["gamma_set"], 2))
        cells.append(percent(one["transfer_rank"], 2))
        cells.append("fails" if one["transfer_regret"] is None else significant(one["transfer_regret"], 3))
        rows.append((f"{one['first']} → {one['second']}", *cells))
    return rows


def _has_ceiling(document: "Mapping[str, Any]") -> bool:
    return any(one["ceiling"] is not None for one in document["pairs"])


def notes_on_pairs(document: "Mapping[str, Any]") -> list[str]:
    """Return sentences on what was compared, and on the columns of the table."""
    counts = sorted({one["configurations"] for one in document["pairs"]})
    shared = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    failed = max(one["num_failed"] for one in document["pairs"])
    return [
        f"{shared} configurations in common" + (f", of which up to {failed:,} failed in either." if failed else "."),
        f"in both: of the best {percent(document['best_share'], 2)} of either, those that are among them in both.",
        "rank, regret: of the first one's best configuration in the second.",
    ]
