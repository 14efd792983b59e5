"""How far a drawing is from the best possible, and the best itself where it is found."""

from dataclasses import dataclass, replace

import numpy as np

from geo.partition import task
from geo.partition.bound import prove
from geo.partition.coverage import Ints
from geo.partition.objective import cost
from geo.partition.score import ScoreCard
from geo.partition.task import Task


@dataclass(frozen=True)
class Proved:
    """The best drawing known, and by how much another may be cheaper, at most."""

    label: Ints
    slack: float


def proved(ready: Task, label: Ints) -> Proved:
    """Return what can be proved of a drawing in the seconds wished for.

    What is fixed costs the same in every drawing, so only the free part is bounded. Households
    that move cost nothing there: going on from a plan the bound holds, but the drawing is kept.

    Parameters
    ----------
    label
        (n,) grid of each node.
    """
    wishes = ready.wishes
    if len(ready.free) == 0:
        return Proved(label, 0.0)
    part = task.left_to_search(ready)
    own = label[ready.free[np.unique(part.group, return_index=True)[1]]]
    own = np.unique(own, return_inverse=True)[1].ravel().astype(np.int64)
    proof = prove(
        part.graph,
        own,
        wishes.limits,
        wishes.weights,
        before=part.before,
        apart=part.apart,
        seconds=wishes.prove,
    )
    best = own if ready.past else proof.label
    found = cost(part.graph, best, wishes.limits, wishes.weights).total
    slack = max(found - proof.bound, 0.0) + _shared(ready) * wishes.weights.compound
    return Proved(label if ready.past else task.with_fixed(ready, best[part.group]), slack)


def _shared(ready: Task) -> int:
    """Return how many compounds lie partly in fixed grids: what these cost is not bounded."""
    compound = ready.graph.compound
    held = (ready.fixed >= 0) & (compound >= 0)
    return len(np.intersect1d(compound[held], compound[ready.free]))


def bounded(card: ScoreCard, bound: float) -> ScoreCard:
    """Return a score card with the bound on every drawing, and the gap to it."""
    bound = min(max(bound, 0.0), card.objective)
    gap = 1.0 - bound / card.objective if card.objective > 0 else 0.0
    return replace(card, bound=bound, gap=gap)
