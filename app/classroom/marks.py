"""Where a class looked, beside where the network looked: a heat layer, and one number for how far the two agree."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

GRID = 48  # cells along each side
SPREAD = 0.06  # of the picture's side: a tap of a finger on a phone is about that exact

Marks = Sequence[tuple[float, float]]  # (x, y) as shares of the picture's sides, from the left and the top


def heat(marks: Marks) -> np.ndarray | None:
    """Where marks lie dense: a Gaussian of standard deviation ``SPREAD`` around each, (GRID, GRID), 1 at the densest.

    Returns:
        None without marks.
    """
    if not marks:
        return None
    centres = (np.arange(GRID) + 0.5) / GRID
    places = np.asarray(marks, dtype=np.float64)
    across, down = (np.exp(-((centres - places[:, axis, None]) ** 2) / (2 * SPREAD**2)) for axis in (0, 1))
    density: np.ndarray = down.T @ across
    return density / density.max()


def overlap(marks: Marks, values: Sequence[Sequence[float]]) -> float | None:
    """How far marks lie where the network found its evidence.

    For each mark, the share of the picture that holds less evidence than the marked place, places of equal evidence
    counted half; of that the mean over the marks. 1: all marks on the strongest evidence. 0.5: no better than marks
    spread by chance, however wide or narrow the map. 0: all on the weakest. It is the AUC of Judd et al. as in
    Bylinskii et al. (2019, "What do different evaluation metrics tell us about saliency models?"), with every cell
    that is not marked taken for a negative. An intersection of the two densities was tried first and dropped: the maps
    are coarse, so that marks spread evenly overlapped with them more than those of a class that looked at one place.

    Args:
        marks: of the class.
        values: rows of the network's evidence map, which is interpolated bilinearly.

    Returns:
        None without marks, or where the map is positive nowhere.
    """
    cells = np.asarray(values, dtype=np.float32)
    if not marks or not (cells > 0).any():
        return None
    picture = Image.fromarray(cells, mode="F").resize((GRID, GRID), Image.Resampling.BILINEAR)
    evidence = np.asarray(picture, dtype=np.float64)
    places = np.minimum((np.asarray(marks) * GRID).astype(int), GRID - 1)
    marked = evidence[places[:, 1], places[:, 0]]
    ordered = np.sort(evidence, axis=None)
    below = np.searchsorted(ordered, marked, "left") + np.searchsorted(ordered, marked, "right")
    return float(below.mean() / (2 * ordered.size))
