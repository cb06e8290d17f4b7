"""Charts as SVG, for where no script runs: the learning curves of a step, the best of each step. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from searches.diagrams.svg import document, element, group, number, path, text
from searches.diagrams.words import percent

WIDTH, HEIGHT = 520.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 130.0, 14.0, 30.0
LABEL_HEIGHT = 14.0


@dataclass(frozen=True)
class Line:
    """A curve with its name. `place` is the child's j: the number of its colour, dash and key; 0 is the parent's."""

    name: str
    place: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Stop:
    """The best after a step, with its 95 % interval; fractions."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class _Frame:
    x_end: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_end

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)


def curves_svg(lines: Sequence[Line], *, epochs: int, label: str) -> str:
    """Validation accuracy by epoch, a line for each child, named at its end; "" where there are no points."""
    values = [y for line in lines for _, y in line.points]
    if not values:
        return ""
    margin = max(0.005, 0.06 * (max(values) - min(values)))
    frame = _Frame(float(epochs), max(0.0, min(values) - margin), min(1.0, max(values) + margin))
    drawn = [_line(line, frame) for line in sorted(lines, key=lambda line: -line.place) if line.points]
    x_ticks = [text(frame.x(e), HEIGHT - 12, str(e), "tick", "middle") for e in _epochs(epochs)]
    return document(
        WIDTH,
        HEIGHT,
        [*_grid(frame), *x_ticks, *drawn, *_names([line for line in lines if line.points], frame)],
        class_="chart",
        role="img",
        aria_label=label,
    )


def best_svg(stops: Sequence[Stop], *, label: str) -> str:
    """The best of each step with its interval; "" for none. A best that falls is drawn falling."""
    if not stops:
        return ""
    low, high = min(s.low for s in stops), max(s.high for s in stops)
    margin = max(0.005, 0.08 * (high - low))
    frame = _Frame(max(1.0, len(stops) - 0.4), max(0.0, low - margin), min(1.0, high + margin))
    xs = [frame.x(i + 0.3) for i in range(len(stops))]
    ys = [frame.y(stop.value) for stop in stops]
    line = "L".join(f"{number(x)} {number(y)}" for x, y in zip(xs, ys, strict=True))
    marks = [path(f"M{line}", "curve s-1")]
    every = -(-len(stops) // 8)
    for i, (stop, x, y) in enumerate(zip(stops, xs, ys, strict=True)):
        marks.append(path(f"M{number(x)} {number(frame.y(stop.low))}V{number(frame.y(stop.high))}", "whisker"))
        marks.append(element("circle", class_="dot", cx=float(x), cy=float(y), r=4))
        if i % every == 0:
            marks.append(text(x, HEIGHT - 12, stop.name, "tick", "middle"))
    return document(WIDTH, HEIGHT, [*_grid(frame), *marks], class_="chart", role="img", aria_label=label)


def _grid(frame: _Frame) -> list[str]:
    """Four lines with their per cents."""
    marks = []
    digits = 0 if frame.high - frame.low > 0.06 else 1
    for k in range(4):
        value = frame.low + (frame.high - frame.low) * (k + 0.5) / 4
        y = frame.y(value)
        marks.append(path(f"M{number(LEFT)} {number(y)}H{number(WIDTH - RIGHT)}", "grid"))
        marks.append(text(LEFT - 6, y + 4, percent(value, digits).rstrip("%").strip(), "tick", "end"))
    return [*marks, path(f"M{number(LEFT)} {number(HEIGHT - BOTTOM)}H{number(WIDTH - RIGHT)}", "axis")]


def _epochs(epochs: int) -> list[int]:
    step = max(1, -(-epochs // 6))
    return list(range(0, epochs + 1, step))


def _line(line: Line, frame: _Frame) -> str:
    d = "L".join(f"{number(frame.x(x))} {number(frame.y(y))}" for x, y in line.points)
    return group(element("title", line.name), path(f"M{d}", f"curve s-{_series(line.place)}"))


def _series(place: int) -> str:
    return "parent" if place == 0 else str(min(place, 8))


def _names(lines: Sequence[Line], frame: _Frame) -> list[str]:
    """Names at the ends with samples of their lines, moved apart; of too many, those of the best."""
    room = int((HEIGHT - TOP - BOTTOM) // LABEL_HEIGHT)
    chosen = sorted(lines, key=lambda line: -line.points[-1][1])[:room]
    marks: list[str] = []
    y = 0.0
    for line in chosen:
        y = max(frame.y(line.points[-1][1]) + 4, y + LABEL_HEIGHT if marks else TOP)
        start = number(WIDTH - RIGHT + 8)
        marks.append(path(f"M{start} {number(y - 4)}h20", f"curve s-{_series(line.place)}"))
        marks.append(text(WIDTH - RIGHT + 34, y, line.name, "end"))
    return marks
