"""The figures of Model Facts as SVG, drawn by hand so that they follow the page's colours."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

CELL = 46  # pixels
LONGEST = 14  # characters of a label beside a matrix
SIDE = 240  # pixels of a reliability diagram
TICKS = (0.0, 0.5, 1.0)


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str], rows: str, columns: str) -> str:
    """A confusion matrix: a row for each true class, a column for each answer, shaded by the share of its row."""
    count = len(labels)
    left, top = 128, 34
    size = count * CELL
    parts = [f'<text class="mm-axis" x="{left + size / 2}" y="12" text-anchor="middle">{escape(columns)}</text>']
    for i, label in enumerate(labels):
        middle = i * CELL + CELL / 2
        parts.append(f'<text x="{left + middle}" y="{top - 6}" text-anchor="middle">{i + 1}</text>')
        words = label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"
        parts.append(
            f'<text x="{left - 8}" y="{top + middle + 4}" text-anchor="end"><title>{escape(label)}</title>'
            f"{i + 1} {escape(words)}</text>"
        )
        total = sum(matrix[i]) or 1
        for j, value in enumerate(matrix[i]):
            share = value / total
            parts.append(
                f'<rect x="{left + j * CELL}" y="{top + i * CELL}" width="{CELL - 2}" height="{CELL - 2}" rx="3" '
                f'fill-opacity="{0.06 + 0.8 * share:.2f}"/>'
                f'<text class="{"mm-on" if share > 0.5 else ""}" x="{left + j * CELL + CELL / 2 - 1}" '
                f'y="{top + middle + 4}" text-anchor="middle">{escape(str(value))}</text>'
            )
    width, height = left + size, top + size
    return (
        f'<svg class="mm-confusion" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(rows)}, {escape(columns)}">{"".join(parts)}</svg>'
    )


def reliability(bins: Mapping[str, Sequence[Any]], label: str, given: str, right: str) -> str:
    """A reliability diagram from the card's bins (``metrics.reliability``).

    For each bin a dot at its mean probability and the share that was right, with the interval, above a bar for its
    pictures; the diagonal is where the dots of honest probabilities lie.
    """
    left, top = 64, 10
    bottom = top + SIDE
    parts = [f'<path class="mm-diagonal" d="M{left} {bottom}L{left + SIDE} {top}"/>']
    for tick in TICKS:
        x, y = left + tick * SIDE, bottom - tick * SIDE
        parts.append(f'<path class="mm-grid" d="M{left} {y:g}h{SIDE}M{x:g} {top}v{SIDE}"/>')
        parts.append(f'<text x="{x:g}" y="{bottom + 16}" text-anchor="middle">{tick * 100:g} %</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{tick * 100:g} %</text>')
    most = max(bins["pictures"])
    for low, high, row in filled(bins):
        x, y = left + row["confidence"] * SIDE, bottom - row["accuracy"] * SIDE
        bar = row["pictures"] / most * SIDE / 4
        ends = bottom - row["low"] * SIDE, bottom - row["high"] * SIDE
        parts.append(
            f'<rect x="{left + low * SIDE:.1f}" y="{bottom - bar:.1f}" width="{(high - low) * SIDE - 1:.1f}" '
            f'height="{bar:.1f}"/><path class="mm-interval" d="M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        )
    axis = bottom + 36
    parts.append(
        f'<text class="mm-axis" x="{left + SIDE / 2:g}" y="{axis}" text-anchor="middle">{escape(given)}</text>'
    )
    middle = top + SIDE / 2
    parts.append(
        f'<text class="mm-axis" x="12" y="{middle:g}" text-anchor="middle" transform="rotate(-90 12 {middle:g})">'
        f"{escape(right)}</text>"
    )
    width, height = left + SIDE + 22, axis + 6
    return (
        f'<svg class="mm-reliability" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def filled(bins: Mapping[str, Sequence[Any]]) -> Iterator[tuple[float, float, dict[str, Any]]]:
    """(lower edge, upper edge, the bin's numbers) of the bins that hold pictures."""
    columns = [name for name in bins if name != "edges"]
    rows = zip(*(bins[name] for name in columns), strict=True)
    for low, high, row in zip(bins["edges"], bins["edges"][1:], rows, strict=False):
        numbers = dict(zip(columns, row, strict=True))
        if numbers["pictures"]:
            yield low, high, numbers
