"""Jobs, runs and wall time against numbers worked out by hand."""

import json
import re

import pytest

from subtuning.analysis.job_size import Job, duration, mean_seconds, rule_counts, training_jobs, wall_time
from subtuning.cli import main
from subtuning.config.load import parse_config

LAYERS = {
    "layers": [
        {"name": "stem", "kind": "stem", "parameters": 10},
        {"name": "a", "kind": "block", "parameters": 10},
        {"name": "b", "kind": "block", "parameters": 10},
        {"name": "tail", "kind": "tail", "parameters": 10},
    ]
}
"""Three layers to choose from, so a profile has five subsets."""


def config(profile=None, greedy=None, evaluate=None, tune=None, tasks=1):
    return parse_config(
        {
            "tasks": {f"task{number}": {"source": "builtin"} for number in range(tasks)},
            "backbones": {"net": {"model": "resnet18"}},
            "profile": {"folds": 2, **(profile or {})},
            "greedy": {"folds": 2, "max_rounds": 2, **(greedy or {})},
            "tune": {"lr": [1], **(tune or {})},
            "evaluate": {"seeds": 3, **(evaluate or {})},
        }
    )


def runs(config):
    """(rule, runs) of all jobs, in order."""
    return [(job.rule.removeprefix("train_"), job.runs) for job in training_jobs(config, {"net": LAYERS})]


def test_a_grid_counts_what_is_known_before_it_once():
    # 2 folds: of linear and full 3 rates more, of two methods whose layers are not known yet all 4
    tuned = runs(config(tune={"lr": [0.1, 0.3, 1, 3]}))
    assert tuned == [("profile", 10), ("greedy", 0), ("greedy", 4), ("experiment", 28), ("evaluation", 12)]


def test_the_first_round_is_the_profile_and_trains_nothing():
    # 5 subsets x 2 folds; round 1: linear and 3 layers, known; round 2: 2 pairs x 2 folds; 4 methods x 3 seeds
    assert runs(config()) == [("profile", 10), ("greedy", 0), ("greedy", 4), ("evaluation", 12)]


def test_with_other_folds_nothing_is_shared():
    assert runs(config(greedy={"folds": 3})) == [("profile", 10), ("greedy", 12), ("greedy", 6), ("evaluation", 12)]


def test_scored_on_val_a_candidate_is_one_run():
    assert runs(config(greedy={"split": "val"})) == [("profile", 10), ("greedy", 4), ("greedy", 2), ("evaluation", 12)]


def test_shards_spread_the_same_runs():
    # profile: 5 subsets as 2 + 2 + 1; round 2: 2 candidates as 1 + 1 + 0
    assert runs(config(profile={"shards": 3}, greedy={"shards": 3})) == [
        *[("profile", 4), ("profile", 4), ("profile", 2)],
        *[("greedy", 0)] * 3,
        *[("greedy", 2), ("greedy", 2), ("greedy", 0)],
        ("evaluation", 12),
    ]


def test_backward_begins_with_all_layers_and_trains_its_first_round():
    # round 1: all but one of 3 layers (full is known from the profile); round 2: one layer and the tail, twice
    assert runs(config(greedy={"start": "full"})) == [("profile", 10), ("greedy", 6), ("greedy", 4), ("evaluation", 12)]


def test_best_does_both_ways_and_the_evaluation_waits_for_both():
    jobs = training_jobs(config(greedy={"start": "best"}), {"net": LAYERS})
    assert [job.runs for job in jobs] == [10, 0, 4, 6, 4, 12]
    assert jobs[-1].after == (("task0", "net", "greedy/forward/2"), ("task0", "net", "greedy/backward/2"))


def test_rounds_end_when_no_layer_is_left():
    assert runs(config(greedy={"max_rounds": 5}))[1:-1] == [("greedy", n) for n in (0, 4, 2, 0, 0)]


def test_named_subsets_and_a_profile_on_the_test_set_count():
    more = config(profile={"test_seeds": 4}, evaluate={"subsets": {"mine": ["a"]}})
    assert runs(more) == [("profile", 10), ("profile_test", 20), ("greedy", 0), ("greedy", 4), ("evaluation", 6)]


def test_a_chain_takes_as_long_on_many_gpus_as_on_one():
    jobs = training_jobs(config(), {"net": LAYERS})
    # 26 runs of 10 s in 4 jobs of 60 s
    assert [wall_time(jobs, gpus, seconds_of) for gpus in (1, 2, 64)] == [500.0, 500.0, 500.0]


def test_two_chains_on_two_gpus_take_half_of_the_time_on_one():
    jobs = training_jobs(config(tasks=2), {"net": LAYERS})
    assert [wall_time(jobs, gpus, seconds_of) for gpus in (1, 2, 3)] == [1000.0, 500.0, 500.0]


def test_shards_on_enough_gpus_take_as_long_as_the_longest():
    jobs = training_jobs(config(profile={"shards": 3}, greedy={"shards": 2}), {"net": LAYERS})
    # profile 60 + 40; round 1: 60; round 2: 60 + 20; evaluation 60 + 120
    assert wall_time(jobs, 3, seconds_of) == 420.0
    # on two: 100 + 80 for the profile (40 of them beside the first two), the rest the same
    assert wall_time(jobs, 2, seconds_of) == 500.0


def test_a_free_gpu_takes_the_job_that_waits_longest():
    lengths = {"a": 5, "b": 1, "c": 1, "d": 4}
    jobs = [
        Job(("a",), "a", "", 0),
        Job(("b",), "b", "", 0),
        Job(("c",), "c", "", 0, (("b",),)),
        Job(("d",), "d", "", 0),
    ]
    # GPU 1: a until 5. GPU 2: b until 1, then d (ready since 0) until 5, and c, ready since 1, from 5 to 6.
    assert wall_time(jobs, 2, lambda job: lengths[job.rule]) == 6


def test_a_stage_that_has_no_job_holds_nothing_up():
    assert wall_time([Job(("a",), "a", "", 0, (("absent",),))], 1, lambda job: 7) == 7


def seconds_of(job):
    return duration(job, {"net": 10}, 60)


def record(seconds, backbone="net", epochs=20, **more):
    identity = {"backbone": {"model": "resnet18", "input_size": 224}, "recipe": {"epochs": epochs}}
    names = {"task": "task0", "backbone": backbone}
    rest = {"status": "done", "metrics": {"accuracy": 0.5}}
    return rest | {"names": names, "identity": identity, "seconds": seconds} | more


def test_seconds_come_from_the_runs_that_are_like_those_of_the_config():
    records = [record(10), record(20), record(99, epochs=3), record(99, backbone="x"), record(1, status="diverged")]
    assert mean_seconds(records, config()) == {"net": 15}
    assert mean_seconds([], config()) == {}


def words_of(folder):
    """The command for a small config in a folder."""
    (folder / "config.yaml").write_text("tasks: {t: {source: builtin}}\nbackbones: {net: {model: test_vit}}\n")
    return ["plan", "--config", str(folder / "config.yaml"), "--results", str(folder)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "nett=3"], "--seconds: there is no backbone 'nett' in the config (did you mean 'net'?)"),
        (["--seconds", "net=0"], "'net=0' is not BACKBONE=SECONDS, such as resnet50=20"),
        (["--seconds", "net=fast"], "'net=fast' is not BACKBONE=SECONDS"),
        (["--seconds", "net"], "'net' is not BACKBONE=SECONDS"),
        (["--seconds", "net=1", "--gpus", "0"], "'0' is not a whole number above 0"),
        (["--seconds", "net=1", "--floor", "nan"], "--floor is nan, which must be a number of seconds, 0 or more"),
    ],
)
def test_what_a_user_may_get_wrong_is_one_sentence(tmp_path, capsys, words, message):
    try:
        code = main([*words_of(tmp_path), *words])
    except SystemExit as leave:
        code = leave.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error.replace("\n", " ")
    assert "Traceback" not in error


def test_the_command_prints_a_line_for_each_setting(tmp_path, capsys):
    words = ["--seconds", "net=36", "--floor", "0", "--shards", "1", "2", "--max-rounds", "1", "--gpus", "1", "2"]
    assert main([*words_of(tmp_path), *words]) == 0
    table = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[0:1] == "|"]
    # 7 layers: (9 x 5 folds + 70 of the grids (see above) + 4 methods x 5 seeds) x 36 s
    assert cells[2] == ["1", "1", "20", "6", "4", "135", "0.7 h", "1.4 h", "1.4 h"]
    assert cells[3] == ["2", "1", "22", "8", "6", "135", "0.7 h", "1.4 h", "1.1 h"]


def test_layers_and_seconds_are_read_from_the_results(tmp_path, capsys):
    from subtuning.config import BackboneEntry
    from subtuning.workspace.prepared import backbone_entry

    folder = tmp_path / "backbones" / "net"
    folder.mkdir(parents=True)
    (folder / "layers.json").write_text(json.dumps(LAYERS | {"spec": backbone_entry(BackboneEntry(model="test_vit"))}))
    (tmp_path / "runs" / "00").mkdir(parents=True)
    run = record(72, names={"task": "t", "backbone": "net"}) | {"id": "00aa"}
    run["identity"]["backbone"]["model"] = "test_vit"
    (tmp_path / "runs" / "00" / "00aa.json").write_text(json.dumps(run))
    assert main([*words_of(tmp_path), "--floor", "0", "--max-rounds", "1", "--gpus", "1"]) == 0
    out = capsys.readouterr().out
    assert "Seconds a run: net 72;" in out
    # 5 subsets x 5 folds + 70 of the grids + 4 methods x 5 seeds = 115 runs
    assert "| 115 | 1.4 h | 2.3 h |" in " ".join(out.split())


def test_without_finished_runs_this_machine_is_measured(tmp_path, monkeypatch, capsys):
    from subtuning.benchmark import probe
    from subtuning.workspace.forecast import Speed

    monkeypatch.setattr(probe, "measure_speed", lambda *about: Speed(float("inf"), 0.0, 3.0, "a machine"))
    words = words_of(tmp_path)
    assert main([*words, "--gpus", "1"]) == 0
    said = capsys.readouterr()
    assert "Seconds a run: net 3;" in said.out
    assert "No run of net is finished; measured here, on a machine." in said.err
    tasks = f"tasks: {{t: {{source: vtab, name: cifar100, data_dir: {tmp_path}/none}}}}"
    (tmp_path / "config.yaml").write_text(f"{tasks}\nbackbones: {{net: {{model: test_vit}}}}\n")
    assert main(words) == 2
    assert "no finished run in " in (error := capsys.readouterr().err)
    assert "give --seconds net=S" in error


def test_a_measured_run_sees_as_many_images_as_its_task_has(tmp_path, monkeypatch, capsys):
    """Those of `train_images`, and for a corrupted task those of the other one; both need not be converted."""
    from subtuning.benchmark import probe
    from subtuning.workspace.forecast import Speed

    monkeypatch.setattr(probe, "measure_speed", lambda *about: Speed(float("inf"), 1.0, 0.0, "a machine"))

    def seconds(task, more="{source: builtin, name: digits}"):
        tasks = f"tasks: {{of: {more}, t: {task}}}" if "of" in task else f"tasks: {{t: {task}}}"
        (tmp_path / "config.yaml").write_text(
            f"{tasks}\nbackbones: {{net: {{model: test_resnet}}}}\nrecipe: {{epochs: 100}}\n"
        )
        assert main(["plan", "--config", f"{tmp_path}/config.yaml", "--results", f"{tmp_path}/none"]) == 0
        return float(re.search(r"Seconds a run: net ([\d.]+);", capsys.readouterr().out)[1])

    whole = seconds("{source: builtin, name: digits}")
    few = "{source: builtin, name: digits, train_images: 100}"
    assert seconds(few) == pytest.approx(whole / 10, rel=0.1)  # and a little for the test images
    assert seconds("{source: corrupted, of: of, kind: fog}", few) == seconds(few)


def test_all_rules_of_the_dag_are_counted():
    counts = rule_counts(config(), training_jobs(config(), {"net": LAYERS}))
    assert counts["convert_task"] == counts["train_evaluation"] == counts["evaluation_table"] == counts["all"] == 1
    assert counts["select_greedy"] == counts["train_greedy"] == 2
    assert "fetch_task" not in counts
