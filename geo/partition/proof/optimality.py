"""How far a drawing is from the best possible, and the best itself where it is found."""

from dataclasses import dataclass, replace

import numpy as np

from geo.partition.problem import Problem, free_subproblem, merge_fixed
from geo.partition.proof.lower_bound import prove
from geo.partition.scoring.objective import cost
from geo.partition.scoring.score_card import ScoreCard
from geo.types import Ints


@dataclass(frozen=True)
class ProvenDrawing:
    """The best drawing known, and by how much another may be cheaper, at most."""

    label: Ints
    slack: float


def prove_drawing(problem: Problem, label: Ints) -> ProvenDrawing:
    """Return what can be proved of a drawing in the seconds wished for.

    What is fixed costs the same in every drawing, so only the free part is bounded. Households
    that move cost nothing there: going on from a plan the bound holds, but the drawing is kept.

    Parameters
    ----------
    label
        (n,) grid of each node.
    """
    constraints = problem.constraints
    if len(problem.free) == 0:
        return ProvenDrawing(label, 0.0)
    part = free_subproblem(problem)
    own = label[problem.free[np.unique(part.group, return_index=True)[1]]]
    own = np.unique(own, return_inverse=True)[1].ravel().astype(np.int64)
    proof = prove(
        part.graph,
        own,
        constraints.limits,
        constraints.weights,
        before=part.before,
        apart=part.apart,
        seconds=constraints.prove,
    )
    best = own if problem.previous else proof.label
    found = cost(part.graph, best, constraints.limits, constraints.weights).total
    slack = (
        max(found - proof.bound, 0.0)
        + _count_shared_compounds(problem) * constraints.weights.compound
    )
    return ProvenDrawing(
        label if problem.previous else merge_fixed(problem, best[part.group]), slack
    )


def _count_shared_compounds(problem: Problem) -> int:
    """Return how many compounds lie partly in fixed grids: what these cost is not bounded."""
    compound = problem.graph.compound
    held = (problem.fixed >= 0) & (compound >= 0)
    return len(np.intersect1d(compound[held], compound[problem.free]))


def add_bound(card: ScoreCard, bound: float) -> ScoreCard:
    """Return a score card with the bound on every drawing, and the gap to it."""
    bound = min(max(bound, 0.0), card.objective)
    gap = 1.0 - bound / card.objective if card.objective > 0 else 0.0
    return replace(card, bound=bound, gap=gap)
