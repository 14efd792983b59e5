"""Several good drawings of a community that really differ, and what sets them apart."""

import time
from dataclasses import dataclass, replace

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, build_drawing, search_labels
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem, build_problem
from geo.partition.scoring.objective import Weights, cost
from geo.partition.scoring.score_card import ScoreCard
from geo.types import Floats, Ints

MIN_DIFFERENCE_SHARE = 0.15
"""Two drawings differ if this share of the households is in another grid."""

MAX_COST_RATIO = 1.25
"""A drawing that costs more than the best by more than this is no alternative."""

WEIGHT_FACTORS: tuple[dict[str, float], ...] = (
    {},
    {"balance": 4.0},
    {"border": 2.0},
    {"compactness": 4.0},
    {"compound": 5.0},
    {"balance": 0.25},
    {"compactness": 0.0},
)
"""Factors on the weights that lead a search elsewhere."""

MAX_PENALTY_ROUNDS = 12
"""How often a search is sent away from the borders of what was found, where that is not enough."""

PENALTY_SHARE = 0.5
"""Share by which a border gets dearer each time: the penalty method of alternative routes (Bader
and others, Alternative route graphs in road networks, 2011), for borders."""

TRAITS = {
    "border_on_barrier": -1,
    "mean_deviation": 1,
    "walk_m": 1,
    "polsby_popper": -1,
    "compounds_split": 1,
    "border_cost": 1,
    "moved": 1,
}
"""Figures of the score card by which drawings are told apart; 1 where less is better."""


@dataclass(frozen=True)
class _Candidate:
    label: Ints
    objective: float


def find_alternatives(
    community: Community, constraints: Constraints, count: int, before: PreviousPlan | None = None
) -> list[Drawing]:
    """Return up to ``count`` drawings, the cheapest first, each unlike the ones before it.

    Parameters
    ----------
    count
        How many are wanted; fewer are returned where no more good ones were found that differ
        in :data:`APART_SHARE` of the households.
    """
    began = time.monotonic()
    problem = build_problem(community, constraints, before)
    chosen = _choose_distinct(_candidates(problem, count), problem.graph.households, count)
    drawings = [build_drawing(problem, one.label, began) for one in chosen]
    traits = _traits([drawing.score for drawing in drawings])
    return [
        replace(drawing, score=replace(drawing.score, traits=own))
        for drawing, own in zip(drawings, traits, strict=True)
    ]


def _candidates(problem: Problem, count: int) -> list[_Candidate]:
    """Return drawings of searches that lean, and of searches sent away from what was found."""
    constraints, graph = problem.constraints, problem.graph
    found: list[_Candidate] = []
    if len(problem.free) == 0:
        return [_Candidate(search_labels(problem), 0.0)]

    def add(label: Ints) -> None:
        found.append(
            _Candidate(label, cost(graph, label, constraints.limits, constraints.weights).total)
        )

    for leaning in WEIGHT_FACTORS:
        add(search_labels(problem, _leaning(constraints.weights, leaning)))
    times = _is_cut(graph, min(found, key=lambda one: one.objective).label)
    for number in range(MAX_PENALTY_ROUNDS):
        if len(_choose_distinct(found, graph.households, count)) == count:
            break
        dearer = replace(graph, cut=graph.cut * (1.0 + PENALTY_SHARE * times))
        add(search_labels(replace(problem, graph=dearer), seed=constraints.seed + number))
        times += _is_cut(graph, found[-1].label)
    return found


def _is_cut(graph: Graph, label: Ints) -> Floats:
    """Return 1.0 for each edge between two grids, 0.0 for the others."""
    apart: Floats = (label[graph.edges[:, 0]] != label[graph.edges[:, 1]]).astype(np.float64)
    return apart


def _leaning(weights: Weights, factors: dict[str, float]) -> Weights:
    return replace(
        weights, **{name: getattr(weights, name) * factor for name, factor in factors.items()}
    )


def _choose_distinct(
    candidates: list[_Candidate], households: Ints, count: int
) -> list[_Candidate]:
    """Return the best candidates that differ from one another."""
    ranked = sorted(candidates, key=lambda one: one.objective)
    chosen: list[_Candidate] = []
    for one in ranked:
        if len(chosen) == count or one.objective > ranked[0].objective * MAX_COST_RATIO:
            break
        if all(
            difference_share(one.label, other.label, households) >= MIN_DIFFERENCE_SHARE
            for other in chosen
        ):
            chosen.append(one)
    return chosen


def difference_share(one: Ints, other: Ints, households: Ints) -> float:
    """Return the share of the households that are in another grid, grids matched at best."""
    shared: Floats = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(shared, (one, other), households)
    from scipy.optimize import linear_sum_assignment  # a third of a second to import

    left, right = linear_sum_assignment(-shared)
    return 1.0 - float(shared[left, right].sum()) / max(float(households.sum()), 1.0)


def _traits(cards: list[ScoreCard]) -> list[tuple[str, ...]]:
    """Return in what each drawing is better than all the others."""
    found: list[list[str]] = [[] for _ in cards]
    if cards:
        found[0].append("best")
    for name, sign in TRAITS.items():
        figures = [getattr(card, name) for card in cards]
        if None in figures or len(cards) < 2:
            continue
        ranked = np.sort(np.array(figures, dtype=np.float64) * sign)
        if ranked[1] > ranked[0]:
            found[int(np.argmin(np.array(figures) * sign))].append(name)
    return [tuple(traits) for traits in found]
