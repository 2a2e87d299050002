"""Probabilities as people read them."""

from collections.abc import Callable


def percent(share: float, sign: str = "%", decimal: Callable[[float, int], str] = "{:.{}f}".format) -> str:
    """A probability to one decimal, never rounded to none or all.

    sign: what stands behind the number. decimal: writes a number with so many decimals, as a language does.
    """
    if 0 < share < 0.0005:
        return f"<{decimal(0.1, 1)}{sign}"
    if 0.9995 <= share < 1:
        return f">{decimal(99.9, 1)}{sign}"
    return f"{decimal(share * 100, 1)}{sign}"
