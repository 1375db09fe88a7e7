"""Draws bar charts as small SVG files with units, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Bar", "Part", "bars", "grouped_bars", "stacked_bars"]

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 800, 300, 70, 40, 24
_ROOM = _WIDTH - _LEFT - _RIGHT
_COLOURS = ("#2f81f7", "#d29922", "#3fb950", "#a371f7", "#f0883e", "#8b949e")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}"
    ".faint{fill:#59636e}.grid{stroke:#8b949e;stroke-opacity:.35}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. The bars of cellblock have another colour."""

    name: str
    value: float
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar."""

    name: str
    value: float


def bars(title: str, unit: str, drawn: Sequence[Bar], *, logarithmic: bool = False) -> str:
    """A chart with one bar for each name."""
    axis = _Axis(max(bar.value for bar in drawn), logarithmic)
    body = []
    for number, bar in enumerate(drawn):
        y = _TOP + number * _ROW
        body += [
            _label(bar.name, y),
            _rect(_LEFT, y, axis.length(bar.value), _COLOURS[0 if bar.ours else 5]),
            _value(_LEFT + axis.length(bar.value), y, bar.value),
        ]
    return _page(title, unit, len(drawn), axis, body)


def grouped_bars(title: str, unit: str, groups: Mapping[str, Sequence[Part]]) -> str:
    """A chart with one bar for each part of each group, and a legend."""
    axis = _Axis(max(part.value for parts in groups.values() for part in parts))
    body, row = [], 1
    for name, parts in groups.items():
        body.append(_label(name, _TOP + row * _ROW))
        for number, part in enumerate(parts):
            y = _TOP + row * _ROW
            body += [
                _rect(_LEFT, y, axis.length(part.value), _COLOURS[number]),
                _value(_LEFT + axis.length(part.value), y, part.value),
            ]
            row += 1
    return _page(title, unit, row, axis, [*_legend(_names(groups)), *body])


def stacked_bars(title: str, unit: str, groups: Mapping[str, Sequence[Part]]) -> str:
    """A chart with one bar for each group, stacked from its parts, and a legend."""
    axis = _Axis(max((sum(part.value for part in parts) for parts in groups.values()), default=1.0))
    body = []
    for row, (name, parts) in enumerate(groups.items(), start=1):
        y, x = _TOP + row * _ROW, float(_LEFT)
        body.append(_label(name, y))
        for number, part in enumerate(parts):
            body.append(_rect(x, y, axis.length(part.value), _COLOURS[number]))
            x += axis.length(part.value)
        body.append(_value(x, y, sum(part.value for part in parts)))
    return _page(title, unit, len(groups) + 1, axis, [*_legend(_names(groups)), *body])


class _Axis:
    """From 0 to a round number above the largest value. A logarithmic axis: from 1 to the largest value."""

    def __init__(self, largest: float, logarithmic: bool = False) -> None:  # noqa: FBT001, FBT002
        self._logarithmic = logarithmic
        if logarithmic:
            self.ticks = [10.0**power for power in range(math.floor(math.log10(max(largest, 10))) + 1)]
            self._most = max(largest, 10)
        else:
            step = _round_step(largest)
            self.ticks = [step * number for number in range(math.ceil(largest / step) + 1)]
            self._most = self.ticks[-1]

    def length(self, value: float) -> float:
        """The length of a bar in pixels."""
        if self._logarithmic:
            return _ROOM * math.log10(max(value, 1.05)) / math.log10(self._most)
        return _ROOM * value / self._most


def _round_step(largest: float) -> float:
    rough = max(largest, 1e-9) / 5
    unit: float = 10 ** math.floor(math.log10(rough))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)


def _names(groups: Mapping[str, Sequence[Part]]) -> list[str]:
    return [part.name for part in next(iter(groups.values()), [])]


def _legend(names: Iterable[str]) -> list[str]:
    drawn, x = [], float(_LEFT)
    for number, name in enumerate(names):
        drawn.append(f'<rect x="{x:.0f}" y="{_TOP + 4}" width="10" height="10" fill="{_COLOURS[number]}"/>')
        drawn.append(f'<text x="{x + 14:.0f}" y="{_TOP + 13}">{escape(name)}</text>')
        x += 30 + 6.6 * len(name)
    return drawn


def _label(name: str, y: int) -> str:
    return f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'


def _rect(x: float, y: int, width: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y + 3}" width="{max(width, 0.5):.1f}" height="{_ROW - 7}" fill="{colour}"/>'
    )


def _value(x: float, y: int, value: float) -> str:
    return f'<text class="faint" x="{x + 5:.1f}" y="{y + 15}">{_shown(value)}</text>'


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _page(title: str, unit: str, rows: int, axis: _Axis, body: Iterable[str]) -> str:
    bottom = _TOP + rows * _ROW + 4
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 42}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="12" y="22">{escape(title)}</text>',
    ]
    for tick in axis.ticks:
        x = _LEFT + axis.length(tick) if tick > 1 or axis.ticks[0] == 0 else _LEFT
        drawn.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        drawn.append(
            f'<text class="faint" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:,g}</text>'
        )
    centre = f'x="{_LEFT + _ROOM / 2}" y="{bottom + 33}" text-anchor="middle"'
    return "\n".join([*drawn, *body, f'<text class="faint" {centre}>{escape(unit)}</text>', "</svg>\n"])
