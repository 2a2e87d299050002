"""Colour profiles made by hand (ICC.1:2001-04, three primaries and a gamma), since Pillow makes sRGB's alone."""

import struct

import numpy as np

# Columns are red, green and blue in XYZ under D50 (ICC.1); Display P3's primaries reach further than sRGB's.
SRGB = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
DISPLAY_P3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])


def profile(primaries: np.ndarray = DISPLAY_P3, gamma: float = 2.2, space: bytes = b"RGB ") -> bytes:
    """A display's profile of version 2."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + np.round(values * 65536).astype(">i4").tobytes()

    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    text = b"Phone\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0None\0",
        b"wtpt": xyz(np.array([0.9642, 1.0, 0.8249])),
        **{name + b"XYZ": xyz(column) for name, column in zip((b"r", b"g", b"b"), primaries.T, strict=True)},
        **{name + b"TRC": curve for name in (b"r", b"g", b"b")},
    }
    table, body, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s", 128 + len(table + body), 0x02400000, b"mntr", space, b"XYZ ") + bytes(12)
    head += b"acsp" + bytes(28) + np.round(np.array([0.9642, 1.0, 0.8249]) * 65536).astype(">i4").tobytes() + bytes(48)
    return head + table + body


def on_screen(pixels: np.ndarray, primaries: np.ndarray = DISPLAY_P3, gamma: float = 2.2) -> np.ndarray:
    """What ``profile`` means by RGB (..., 3) of 8 bits, in sRGB (IEC 61966-2-1), not rounded."""
    linear = (pixels / 255) ** gamma @ (np.linalg.inv(SRGB) @ primaries).T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
