"""Cells of CSV files that somebody will open as a spreadsheet."""

NOTICE = "Research and education only, not a medical device."  # last in every row, as tables are handed on
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula, whatever a file, class or student is called (CWE-1236)."""
    return f"'{text}" if text.startswith(FORMULA) else text
