"""Label maps of tasks whose labels are computed. Source: task_adaptation data/{clevr,kitti,dsprites}.py @ d7630d3."""

import numpy as np

CLEVR_COUNTS = tuple(f"{n} objects" for n in range(3, 11))
CLEVR_EDGES = (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0)
"""Distance from the camera to the closest object, in CLEVR's own units (third pixel coordinate)."""
CLEVR_DISTANCES = ("up to 8", "8 to 8.5", "8.5 to 9", "9 to 9.5", "9.5 to 10", "above 10")
KITTI_EDGES = (-100.0, 8.0, 20.0, 999.0)
"""Distance to the closest vehicle in metres along the camera's axis; 1000 stands for no vehicle."""
KITTI_DISTANCES = ("up to 8 m", "8 to 20 m", "above 20 m", "no vehicle")
KITTI_VEHICLES = frozenset({"Car", "Van", "Truck"})


def binned(value: float, edges: tuple[float, ...]) -> int:
    """The largest i with `value` > edges[i], in float32 as upstream; an edge itself belongs to the bin below it."""
    return int(np.searchsorted(np.array(edges, np.float32), np.float32(value), side="left")) - 1


def clevr_count(objects: list[dict]) -> int:
    """Number of objects in the scene (3 to 10) as a label from 0."""
    return len(objects) - 3


def clevr_distance(objects: list[dict]) -> int:
    """Bin of the closest object's distance."""
    return binned(min(thing["pixel_coords"][2] for thing in objects), CLEVR_EDGES)


def kitti_distance(lines: str) -> int:
    """Bin of the closest vehicle's distance, from the text of a KITTI label file (columns: type, ..., x, y, z, yaw)."""
    rows = [line.split() for line in lines.splitlines() if line.strip()]
    return binned(min([float(row[13]) for row in rows if row[0] in KITTI_VEHICLES], default=1000.0), KITTI_EDGES)


def dsprites_location(classes: np.ndarray) -> np.ndarray:
    """Latent classes (N x 6: colour, shape, scale, orientation, x, y) -> 16 bins of the 32 x positions (int64 N)."""
    return classes[:, 4].astype(np.int64) // 2


def dsprites_orientation(classes: np.ndarray) -> np.ndarray:
    """Latent classes (N x 6) -> 16 bins of the 40 orientations (int64 N): floor(orientation / 2.5)."""
    return 2 * classes[:, 3].astype(np.int64) // 5
