"""The topography of a landscape: heights, neighbours, basins and passes, each worked out when it is first asked for."""

from __future__ import annotations

from functools import cached_property

from nqjax.errors import InputError
from nqjax.landscape import validity
from nqjax.landscape.basins import Basins, find_basins
from nqjax.landscape.graph import Graph, find_neighbours
from nqjax.landscape.neutrality import Neutrality
from nqjax.landscape.prominence import Merges, Network, find_merges, find_network
from nqjax.landscape.replicates import Replicates
from nqjax.landscape.space import Space
from nqjax.landscape.ties import Heights, find_heights


class Topography:
    """Configurations as nodes of a graph, with their losses.

    Attributes
    ----------
    space : Space
        The hyperparameters and the level of each configuration.
    replicates : Replicates
        The losses of each configuration; the lowest is the best.
    """

    space: Space
    replicates: Replicates

    @cached_property
    def heights(self) -> Heights:
        """Losses with ties merged, their ranks and their order."""
        return find_heights(self.replicates.mean)

    @cached_property
    def graph(self) -> Graph:
        """Neighbours of each configuration."""
        return find_neighbours(self.space)

    @cached_property
    def basins(self) -> Basins:
        """Local optima, and the one at which the descent from each configuration ends.

        Raises
        ------
        InputError
            If the configurations are not all of the grid, or nearly so.
        """
        if refusal := validity.optima_refusal(self.space):
            raise InputError(f"there are no optima or basins to give: {refusal}")
        return find_basins(self.graph, self.heights)

    @cached_property
    def network(self) -> Network:
        """Basins that touch each other, with the number of edges between them and the rank of the lowest saddle."""
        return find_network(self.graph, self.heights, self.basins)

    @cached_property
    def merges(self) -> Merges:
        """The merge tree of the optima: prominences, saddles and the better optimum that each meets."""
        return find_merges(self.graph, self.heights, self.basins)

    @cached_property
    def neutrality(self) -> Neutrality:
        """The share of neighbours within a tolerance: ``neutrality.curve(tolerances)``, ``neutrality.mean(one)``."""
        return Neutrality(self.graph, self.heights)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that say what limits the numbers."""
        found = [validity.optima_warning(self.space)]
        if self.space.is_conditional:
            found.append(
                "some hyperparameters exist in some configurations only: one step leads from having one to not having "
                "it, and distances (fdc) say less there"
            )
        return tuple(filter(None, found))
