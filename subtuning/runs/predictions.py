"""The predicted class of every scored image, as a short text in a run's record.

The text is the name of the smallest unsigned type that holds all classes (`|u1`, `<u2`), a colon, and the classes in
the order of the scored images: as bytes of that type, compressed by zlib, in base64.
"""

import base64
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def pack(classes: "np.ndarray") -> str:
    """The text of N classes, numbered from 0."""
    import numpy as np

    kind = np.min_scalar_type(int(classes.max(initial=0))).newbyteorder("<")
    return f"{kind.str}:{base64.b64encode(zlib.compress(classes.astype(kind).tobytes(), 9)).decode()}"


def unpack(text: str) -> "np.ndarray":
    """The N classes of such a text, int64."""
    import numpy as np

    kind, _, packed = text.partition(":")
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.dtype(kind)).astype(np.int64)
