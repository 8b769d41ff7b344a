"""What a run predicts for every scored image, as a short text in its record.

Of one class an image: the name of the smallest unsigned type that holds all classes (`|u1`, `<u2`), a colon, and the
classes in the order of the scored images: as bytes of that type, compressed by zlib, in base64. Of several labels:
`bits` and the number of labels, a colon, and for each image a bit a label, 1 where it is predicted, padded to whole
bytes, compressed likewise.
"""

import base64
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_BITS = "bits"


def pack(predicted: "np.ndarray") -> str:
    """The text of N classes, numbered from 0, or of N x C booleans."""
    import numpy as np

    if predicted.ndim == 2:
        return f"{_BITS}{predicted.shape[1]}:{_text(np.packbits(predicted, axis=1).tobytes())}"
    kind = np.min_scalar_type(int(predicted.max(initial=0))).newbyteorder("<")
    return f"{kind.str}:{_text(predicted.astype(kind).tobytes())}"


def unpack(text: str) -> "np.ndarray":
    """The N classes of such a text, int64, or N x C booleans."""
    import numpy as np

    kind, _, packed = text.partition(":")
    content = zlib.decompress(base64.b64decode(packed))
    if kind.startswith(_BITS):
        count = int(kind.removeprefix(_BITS))
        rows = np.frombuffer(content, np.uint8).reshape(-1, -(-count // 8))
        return np.unpackbits(rows, axis=1, count=count).astype(bool)
    return np.frombuffer(content, np.dtype(kind)).astype(np.int64)


def are_several(text: str) -> bool:
    """Whether the text is of several labels an image."""
    return text.startswith(_BITS)


def _text(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()
