"""The confusion matrix of Model Facts as an SVG, drawn by hand so that it follows the page's colours."""

from collections.abc import Sequence
from html import escape

CELL = 46  # pixels
LONGEST = 14  # characters of a label beside a matrix


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
                f'y="{top + middle + 4}" text-anchor="middle">{value}</text>'
            )
    width, height = left + size, top + size
    return (
        f'<svg class="mm-confusion" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(rows)}, {escape(columns)}">{"".join(parts)}</svg>'
    )
