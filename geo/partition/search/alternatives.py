"""Alternatives: several good drawings of a community that clearly differ, and their strengths."""

import time
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, build_drawing, search_labels
from geo.partition.matching import match_grids
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem, build_problem
from geo.partition.scoring.objective import Weights, cost
from geo.partition.scoring.score_card import ScoreCard
from geo.partition.search.short_ways import build_way_costs
from geo.types import Floats, Ints

MIN_DIFFERENCE_SHARE = 0.15
"""Two drawings differ if at least this share of the households is in another grid."""

MAX_COST_RATIO = 1.25
"""A drawing is an alternative only if it costs at most this many times the best."""

WEIGHT_FACTORS: tuple[dict[str, float], ...] = (
    {},
    {"balance": 4.0},
    {"border": 2.0},
    {"compactness": 4.0},
    {"compound": 5.0},
    {"balance": 0.25},
    {"compactness": 0.0},
)
"""Factors on the weights that lead searches to different drawings."""

WALK_WEIGHT, MOVED_FACTOR = 20.0, 4.0
"""Weight of walks in a search for short ones, and factor for few moves from a previous plan."""

FRONT_GAIN = 0.98
"""A drawing stands for even grids, borders on streets, short walks or few moves if it has at most
this share of the fault in the drawings chosen before."""

MAX_PENALTY_ROUNDS = 12
"""Further searches, with a penalty on the borders of the drawings found so far."""

PENALTY_SHARE = 0.5
"""Share added to the cost of a border each time: the penalty method of alternative routes (Bader
and others, Alternative route graphs in road networks, 2011), applied to borders."""

TRAITS = {
    "border_on_barrier": -1,
    "mean_deviation": 1,
    "walk_ways_m": 1,
    "station_other": 1,
    "polsby_popper": -1,
    "compounds_split": 1,
    "border_cost": 1,
    "moved": 1,
}
"""Figures of the score card by which drawings are compared; 1 where less is better, else -1."""


@dataclass(frozen=True)
class _Candidate:
    """A drawing; ``front`` has its faults: uneven grids, borders, ways, and moves."""

    label: Ints
    objective: float
    front: tuple[float, ...] = ()


def find_alternatives(
    community: Community, constraints: Constraints, count: int, previous: PreviousPlan | None = None
) -> list[Drawing]:
    """Find up to ``count`` drawings, the cheapest first, that differ from each other.

    Parameters
    ----------
    count
        Maximum number; there are fewer where no more good ones were found that differ
        in :data:`MIN_DIFFERENCE_SHARE` of the households.
    """
    started = time.monotonic()
    problem = build_problem(community, constraints, previous)
    chosen = _choose_distinct(_find_candidates(problem, count), problem.graph.households, count)
    drawings = [build_drawing(problem, candidate.label, started) for candidate in chosen]
    traits = _find_traits([drawing.score for drawing in drawings])
    return [
        replace(drawing, score=replace(drawing.score, traits=its_traits))
        for drawing, its_traits in zip(drawings, traits, strict=True)
    ]


def _find_candidates(problem: Problem, count: int) -> list[_Candidate]:
    """Search with different weights, then with penalties on borders found before."""
    constraints, graph, weights = problem.constraints, problem.graph, problem.constraints.weights
    short = replace(weights, walk=max(WALK_WEIGHT, 4 * weights.walk))
    ways = build_way_costs(problem, problem.node_of_atom, short)
    candidates: list[_Candidate] = []
    if len(problem.free) == 0:
        return [_Candidate(search_labels(problem), 0.0)]

    def add(label: Ints) -> None:
        figures = cost(graph, label, constraints.limits, weights)
        of_ways = ways.total(label) if ways else np.zeros(2)
        moved = _moved_households(problem, label)
        front = (figures.balance, figures.border, float(short.of_ways() @ of_ways), moved)
        objective = figures.total + float(weights.of_ways() @ of_ways)
        candidates.append(_Candidate(label, objective, front))

    for factors in WEIGHT_FACTORS:
        add(search_labels(problem, _scale(weights, factors)))
    if ways is not None:
        add(search_labels(problem, short))
    if problem.previous is not None:
        add(search_labels(problem, _scale(weights, {"moved": MOVED_FACTOR})))
    times = _cut_edges(graph, min(candidates, key=lambda candidate: candidate.objective).label)
    for number in range(MAX_PENALTY_ROUNDS):
        if len(_choose_distinct(candidates, graph.households, count)) == count:
            break
        penalised = replace(graph, cut=graph.cut * (1.0 + PENALTY_SHARE * times))
        add(search_labels(replace(problem, graph=penalised), seed=constraints.seed + number))
        times += _cut_edges(graph, candidates[-1].label)
    return candidates


def _moved_households(problem: Problem, label: Ints) -> float:
    """Return the households in another grid than in the previous plan, 0 without one."""
    if problem.previous is None:
        return 0.0
    before = problem.previous.labels
    known = before.counted & (before.label >= 0)
    households = problem.graph.households[known]
    share = difference_share(label[known], before.label[known], households)
    return share * float(households.sum())


def _cut_edges(graph: Graph, label: Ints) -> Floats:
    """Return (m,) 1.0 for each edge between two grids, 0.0 for the others."""
    is_cut: Floats = (label[graph.edges[:, 0]] != label[graph.edges[:, 1]]).astype(np.float64)
    return is_cut


def _scale(weights: Weights, factors: dict[str, float]) -> Weights:
    return replace(
        weights, **{name: getattr(weights, name) * factor for name, factor in factors.items()}
    )


def _choose_distinct(
    candidates: list[_Candidate], households: Ints, count: int
) -> list[_Candidate]:
    """Return candidates that differ from each other, the best first.

    After the best one those are chosen that lie along the front: each with the least of one fault.
    The next best fill the rest.
    """
    ranked = sorted(candidates, key=attrgetter("objective"))
    ranked = [plan for plan in ranked if plan.objective <= ranked[0].objective * MAX_COST_RATIO]
    chosen: list[_Candidate] = []

    def choose(candidate: _Candidate) -> bool:
        shares = [difference_share(candidate.label, other.label, households) for other in chosen]
        differs = len(chosen) < count and min(shares, default=1.0) >= MIN_DIFFERENCE_SHARE
        if differs:
            chosen.append(candidate)
        return differs

    choose(ranked[0])
    for fault in range(len(ranked[0].front)):
        least = min(candidate.front[fault] for candidate in chosen)
        for candidate in sorted(ranked, key=lambda candidate: candidate.front[fault]):
            if candidate.front[fault] >= least * FRONT_GAIN or choose(candidate):
                break
    for candidate in ranked:
        choose(candidate)
    return sorted(chosen, key=attrgetter("objective"))


def difference_share(one: Ints, other: Ints, households: Ints) -> float:
    """Return the share of households in another grid under the best matching of grids.

    Parameters
    ----------
    one, other
        (n,) int64 labels of two drawings.
    households
        (n,) int64 households of each node.
    """
    shape = int(one.max()) + 1, int(other.max()) + 1
    shared = match_grids(one, other, households, shape)[2]
    return 1.0 - float(shared.sum()) / max(float(households.sum()), 1.0)


def _find_traits(cards: list[ScoreCard]) -> list[tuple[str, ...]]:
    """Return in which figures each drawing is better than all the others."""
    traits: list[list[str]] = [[] for _ in cards]
    if cards:
        traits[0].append("best")
    for name, sign in TRAITS.items():
        figures = [getattr(card, name) for card in cards]
        if None in figures or len(cards) < 2:
            continue
        ranked = np.sort(np.array(figures, dtype=np.float64) * sign)
        if ranked[1] > ranked[0]:
            traits[int(np.argmin(np.array(figures) * sign))].append(name)
    return [tuple(names) for names in traits]
