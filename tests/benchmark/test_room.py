"""What does not fit into memory stops before it is trained; what may not fit is a warning."""

from types import SimpleNamespace

import pytest

from subtuning.benchmark.room import Room, check_room
from subtuning.errors import UserError

PAIR = SimpleNamespace(names=("t", "net"), recipe=SimpleNamespace(batch_size=64), layers={"input_size": 224})
GB = 10**9


def test_only_what_cannot_fit_is_refused():
    assert check_room(Room(2 * GB, 3 * GB, 4 * GB, 8 * GB, "cpu"), PAIR) == ""
    doubt = check_room(Room(2 * GB, 5 * GB, 4 * GB, 8 * GB, "cpu"), PAIR)
    assert doubt.startswith("warning: full fine-tuning of net with batch_size 64 at input_size 224 takes about 5.0 GB")
    assert "4.0 GB are free" in doubt
    with pytest.raises(UserError, match=r"takes 9.0 GB of memory, and cpu has 8.0 GB; lower recipe.batch_size or"):
        check_room(Room(9 * GB, 12 * GB, 8 * GB, 8 * GB, "cpu"), PAIR)
