"""Where the calls and connections of a graph are drawn, row by row, so that nothing runs through anything else."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Connection(NamedTuple):
    """A line from one row to a later one, which runs in a lane in between."""

    source: int
    target: int
    lane: int


class Lanes(NamedTuple):
    """A layout.

    Attributes:
        nodes: the lane of each row.
        connections: between rows.
        width: how many lanes there are.
    """

    nodes: list[int]
    connections: list[Connection]
    width: int


def lay_out(sources: Sequence[Sequence[int]]) -> Lanes:
    """Give each row of a graph a lane: 0 to its longest path, and others to what branches off and joins again.

    Args:
        sources: for each row the earlier rows that it takes something from.
    """
    occupied: list[list[tuple[int, int]]] = []
    nodes = [0] * len(sources)
    lane_of: dict[tuple[int, int], int] = {}
    takers: list[list[int]] = [[] for _ in sources]
    for row, given in enumerate(sources):
        for source in dict.fromkeys(given):
            takers[source].append(row)
    for path in _paths(sources):
        edges = list(pairwise(path))
        # the first connection that leads to the path, and the first away from it, run in its lane
        begin = next(iter(sources[path[0]]), path[0] - 1)
        end = next(iter(takers[path[-1]]), path[-1] + 1)
        if begin in sources[path[0]]:
            edges.append((begin, path[0]))
        if end in takers[path[-1]]:
            edges.append((path[-1], end))
        lane = _free_lane(occupied, min(begin + 1, path[0]), max(end - 1, path[-1]))
        for row in path:
            nodes[row] = lane
        for edge in edges:
            lane_of.setdefault(edge, lane)
    every = [(source, row) for row, given in enumerate(sources) for source in dict.fromkeys(given)]
    for source, target in sorted(every, key=lambda edge: (edge[1] - edge[0], edge)):
        if (source, target) not in lane_of:
            direct = target == source + 1
            lane_of[source, target] = nodes[target] if direct else _free_lane(occupied, source + 1, target - 1)
    connections = [Connection(*edge, lane_of[edge]) for edge in every]
    return Lanes(nodes, connections, len(occupied))


def _paths(sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """All rows as paths, the longest first; each path is the longest among the rows that are left."""
    left = set(range(len(sources)))
    paths: list[list[int]] = []
    while left:
        length: dict[int, int] = {}
        before: dict[int, int | None] = {}
        for row in sorted(left):
            known = [source for source in sources[row] if source in left]
            best = max(known, key=lambda source: length[source], default=None)
            before[row] = best
            length[row] = 1 if best is None else length[best] + 1
        path = [max(length, key=lambda row: length[row])]
        while (earlier := before[path[-1]]) is not None:
            path.append(earlier)
        paths.append(path[::-1])
        left.difference_update(path)
    return paths


def _free_lane(occupied: list[list[tuple[int, int]]], first: int, last: int) -> int:
    """The lowest lane that is free in all rows from `first` to `last`; they are taken then."""
    for lane, spans in enumerate(occupied):
        if all(last < begin or first > end for begin, end in spans):
            spans.append((first, last))
            return lane
    occupied.append([(first, last)])
    return len(occupied) - 1
