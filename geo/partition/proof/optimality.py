"""Gap between a drawing and the best possible one, and the optimum where it is found."""

from dataclasses import dataclass, replace

import numpy as np

from geo.partition.problem import Problem
from geo.partition.proof.lower_bound import prove
from geo.partition.scoring.objective import cost
from geo.partition.scoring.score_card import ScoreCard
from geo.partition.subproblem import free_subproblem, merge_fixed
from geo.types import Ints


@dataclass(frozen=True)
class ProvenDrawing:
    """The best known (n,) int64 label, and how much cheaper others can be at most."""

    label: Ints
    slack: float


def prove_drawing(problem: Problem, label: Ints) -> ProvenDrawing:
    """Bound the cost of every drawing from below within the time of the constraints.

    The fixed part costs the same in every drawing, so only the free part is bounded. Households
    that move, and ways, cost nothing in the bound: with a previous plan or a weight of ways it is
    valid, but the given drawing is returned.

    Parameters
    ----------
    label
        (n,) int64 grid of each node.
    """
    constraints = problem.constraints
    if len(problem.free) == 0:
        return ProvenDrawing(label, 0.0)
    part = free_subproblem(problem)
    label_of_group = label[problem.free[np.unique(part.group, return_index=True)[1]]]
    label_of_group = np.unique(label_of_group, return_inverse=True)[1].ravel().astype(np.int64)
    proof = prove(
        part.graph,
        label_of_group,
        constraints.limits,
        constraints.weights,
        before=part.before,
        apart=part.apart,
        seconds=constraints.prove,
    )
    # The bound knows neither moves nor ways: a drawing that is better without them may be worse.
    keeps_drawing = problem.previous is not None or constraints.weights.of_ways().any()
    best = label_of_group if keeps_drawing else proof.label
    best_cost = cost(part.graph, best, constraints.limits, constraints.weights).total
    slack = (
        max(best_cost - proof.bound, 0.0)
        + _count_shared_compounds(problem) * constraints.weights.compound
    )
    return ProvenDrawing(label if keeps_drawing else merge_fixed(problem, best[part.group]), slack)


def _count_shared_compounds(problem: Problem) -> int:
    """Return the number of compounds partly in fixed grids; their cost is not bounded."""
    compound = problem.graph.compound
    fixed = (problem.fixed >= 0) & (compound >= 0)
    return len(np.intersect1d(compound[fixed], compound[problem.free]))


def add_bound(card: ScoreCard, bound: float) -> ScoreCard:
    """Return a score card with a lower bound on the cost of every drawing, and the gap to it."""
    bound = min(max(bound, 0.0), card.objective)
    gap = 1.0 - bound / card.objective if card.objective > 0 else 0.0
    return replace(card, bound=bound, gap=gap)
