"""Progress in runs and images, as lines that a log can keep."""

from subtuning.training import progress
from subtuning.training.progress import Progress


def test_lines_say_runs_images_and_the_time_left(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress("profile of flowers/resnet50", 76, 92_000) as told:
        told.saw(20_000, before=True)
        now[0] += 10
        told.saw(1_000)
        assert capsys.readouterr().err == "", "not so soon"
        told.finished(38)
        now[0] += 20
        told.saw(2_000)
        told.write("a warning")
    lines = "profile of flowers/resnet50: 38 of 76 runs, 23,000 of 92,000 images, 12 min left\na warning\n"
    assert capsys.readouterr().err == lines, "what was seen before took none of this call's time"


def test_nothing_is_said_of_the_time_before_anything_is_known():
    assert Progress("a", 2, 10).line() == "a: 0 of 2 runs, 0 of 10 images"
