"""`~` is the home folder wherever a path of the user's is read; nothing else is expanded, and a sentence says so."""

from pathlib import Path

import pytest

from subtuning.cli import main
from subtuning.config import BackboneEntry, load_config, parse_config
from subtuning.config.tasks import ArraysTask, FolderTask, ImageListTask, VtabTask
from subtuning.errors import UserError
from subtuning.paths import not_expanded, user_path
from subtuning.tasks import convert_task
from subtuning.workflow.params import Params
from tests.tasks.pictures import class_folders


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_one_function_reads_paths(home):
    assert user_path("~") == str(home)
    assert user_path("~/a b/$HOME") == f"{home}/a b/$HOME"
    assert user_path("~nobody-has-this-name/a") == "~nobody-has-this-name/a"
    assert user_path("a/~/b") == "a/~/b"
    assert user_path("./~") == "./~"


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        (lambda path: FolderTask(source="folder", path=path), "path"),
        (lambda path: ImageListTask(source="image_list", path=path), "path"),
        (lambda path: ArraysTask(source="arrays", path=path), "path"),
        (lambda path: VtabTask(source="vtab", name="dtd", data_dir=path), "data_dir"),
        (lambda path: BackboneEntry(model="m", weights=f"{path}.pth"), "weights"),
    ],
)
def test_every_path_of_the_config_may_begin_with_the_home_folder(home, entry, key):
    assert Path(getattr(entry("~/x"), key)).parent == home
    assert not getattr(entry("$HOME/x"), key).startswith(str(home))


def test_other_weights_stay_as_they_are():
    assert [BackboneEntry(model="m", weights=name).weights for name in ("timm", "random", "package:a.b")] == [
        *("timm", "random", "package:a.b")
    ]


def test_the_workflow_looks_in_the_home_folder_and_says_what_it_does_not_expand(home, monkeypatch):
    monkeypatch.setenv("DATA", str(home))
    class_folders(home / "photos")
    content = {"tasks": {"a": {"source": "folder", "path": "~/photos"}}, "backbones": {"b": {"model": "test_vit"}}}
    assert str(home / "photos") in Params(content).task_spec(type("", (), {"task": "a"}))
    for written, named in (("$DATA/photos", r"\$DATA"), ("${DATA}/photos", r"\$\{DATA\}")):
        content["tasks"]["a"]["path"] = written
        with pytest.raises(UserError, match=rf"does not exist \(looked in .*\) \({named} is taken as it is written"):
            Params(content)
    assert "only ~ is expanded" in not_expanded("$DATA/x")
    assert not_expanded("a/b") == not_expanded("$(touch x)") == ""


@pytest.mark.parametrize(
    "spec",
    [
        {"source": "folder", "path": "$HOME/in"},
        {"source": "image_list", "path": "$HOME/in"},
        {"source": "arrays", "path": "$HOME/in.npz"},
    ],
)
def test_sources_say_it_too(spec, tmp_path):
    content = {"tasks": {"a": spec}, "backbones": {"b": {"model": "m"}}}
    with pytest.raises(UserError, match=r"does not exist \(\$HOME is taken as it is written; only ~ is expanded\);"):
        convert_task("a", parse_config(content).tasks["a"], tmp_path / "out", progress=False)


def test_a_folder_may_be_named_like_a_variable(tmp_path):
    class_folders(tmp_path / "$HOME")
    convert_task("a", FolderTask(source="folder", path="$HOME"), tmp_path / "out", progress=False)


def test_the_command_line_takes_it_where_shells_leave_it(home, tmp_path):
    class_folders(home / "photos")
    (home / "c.yaml").write_text("tasks: {a: {source: folder, path: ~/photos}}\nbackbones: {b: {model: m}}\n")
    assert list(load_config("~/c.yaml").tasks) == ["a"]
    assert main(["convert", "--task", "a", "--config=~/c.yaml", "--results=~/results"]) == 0
    assert (home / "results" / "tasks" / "a" / "task.json").exists()
    assert not (tmp_path / "~").exists()
