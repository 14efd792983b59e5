"""Compilation of the loops of drawing and proof before the tests: ``python -m tests.warm``.

Numba caches compiled code beside the sources. On a new machine each test worker would compile all
of it, and tests with a time limit would fail; ``./gridatlas test`` runs this while the linters run.
"""

import shapely

from geo.partition import graph_from_arrays, prove, search_parts
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import community, rows_of_houses


def main() -> None:
    """Draw a village, and prove the drawing of four cells."""
    effort = Effort(generations=1, moves_per_node=100)
    draw(
        community(shapely.box(0, 0, 250, 300), rows_of_houses(5, 11, 10)),
        Constraints(effort=effort),
    )
    cells = graph_from_arrays([200, 180, 210, 190], [(0, 1), (1, 2), (2, 3)], [30, 30, 30])
    prove(cells, search_parts(cells, effort=effort))


if __name__ == "__main__":
    main()
