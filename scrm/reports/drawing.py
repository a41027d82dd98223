"""The positions of everything on the map. They are coordinates of a drawing 1160 units wide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scrm.reports.figures import Edges, Figure

_LINE = 24
"""The height of each line below an arrow: enough for a finger."""


@dataclass(frozen=True, slots=True)
class Node:
    """A stage of the cycle, drawn as a box on the map.

    x, y: the upper left corner of the box.
    page: the name of the URL pattern that the box links to; "" if there is none.
    """

    key: str
    x: int
    y: int
    width: int
    height: int
    page: str = ""

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def name_y(self) -> int:
        """Return the y coordinate of the stage's name.

        The name is at the top of the box if the box also contains a figure.
        """
        return self.y + (22 if self.key in {"micro", "macro"} else self.height // 2 - 3)

    @property
    def words_y(self) -> int:
        return self.name_y + 16


NODES = (
    Node("community", 0, 60, 112, 372),
    Node("listening", 244, 78, 120, 64, "listening:sources"),
    Node("crm", 494, 78, 120, 64, "crm:contacts"),
    Node("routing", 756, 78, 120, 64),
    Node("person", 1022, 78, 138, 64, "routing:inbox"),
    Node("offline", 190, 214, 174, 64),
    Node("micro", 930, 206, 106, 98),
    Node("macro", 1054, 206, 106, 98),
    Node("rules", 930, 364, 230, 64),
    Node("publish", 528, 364, 136, 64, "responses:history"),
    Node("feedback", 244, 364, 120, 64),
)

ARROWS = (
    "M112 110H236", "M364 110H486", "M614 110H748", "M876 110H1014",
    "M112 246H182", "M364 246H522a12 12 0 0 0 12-12V150",
    "M1075 142V162a12 12 0 0 1-12 12H995a12 12 0 0 0-12 12V198", "M1107 142V198",
    "M983 304V356", "M1107 304V356",
    "M930 396H672", "M528 396H372", "M244 396H120",
)  # fmt: skip
WRITTEN_BACK = "M580 364V150"


@dataclass(frozen=True, slots=True)
class Spot:
    """The position of the figures of an edge.

    It is the middle of the arrow, or the middle of the text if the figures are inside a box.
    inside: whether the figures are inside the box of a stage.
    """

    x: int
    y: int
    inside: bool = False


SPOTS = {
    "online": Spot(174, 110),
    "match": Spot(425, 110),
    "who": Spot(681, 110),
    "person": Spot(945, 110),
    "apart": Spot(816, 142),  # below the box of routing, because there is no room on the arrow
    "offline": Spot(443, 246),
    "micro": Spot(983, 274, inside=True),
    "macro": Spot(1107, 274, inside=True),
    "rules": Spot(797, 396),
    "publish": Spot(596, 428),
    "feedback": Spot(446, 396),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A figure and the position of its text.

    y: for a big figure, the y coordinate of its number.
    """

    figure: Figure
    x: int
    y: int
    is_big: bool
    box: dict[str, int] = field(default_factory=dict)


def place(edges: Edges) -> list[Placed]:
    """Return every figure of the map with its position."""
    return [placed for edge, figures in edges.items() for placed in _on_edge(SPOTS[edge], figures)]


def _on_edge(spot: Spot, figures: Iterable[Figure]) -> Iterable[Placed]:
    below = spot.y
    for figure in figures:
        if figure.tone == "today":
            y = spot.y if spot.inside else spot.y - 34
            yield Placed(figure, spot.x, y, True, _box(spot.x, y - 18, 38))
        else:
            below += _LINE
            yield Placed(figure, spot.x, below, False, _box(spot.x, below - 16, _LINE))


def _box(middle: int, top: int, height: int) -> dict[str, int]:
    """Return the clickable area of a figure."""
    return {"x": middle - 56, "y": top, "width": 112, "height": height}
