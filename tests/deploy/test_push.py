"""What goes to the hub: whole folders with metadata that it can read, and nothing else."""

import pytest
from huggingface_hub import HfApi, ModelCard

from subtuning.cli import main
from subtuning.deploy import hub
from subtuning.deploy.folder import FILES

pytestmark = pytest.mark.parametrize("comparison", ["test_vit"], indirect=True)


@pytest.fixture
def calls(monkeypatch):
    """What the hub's client is asked for; it has a token and a network."""
    found = []
    monkeypatch.setattr(hub, "get_token", lambda: "hf_token")
    monkeypatch.setattr(hub, "is_reachable", lambda address: True)
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("create_repo", "upload_folder"):
        monkeypatch.setattr(HfApi, name, lambda self, *args, name=name, **words: found.append((name, args, words)))
    return found


def test_the_card_begins_with_what_the_hub_reads(comparison, model):
    data = ModelCard.load(model / "README.md").data
    assert (data.library_name, data.pipeline_tag, data.license) == ("timm", "image-classification", "apache-2.0")
    assert data.tags == ["image-classification", "timm", "subtuning"]
    assert data.metrics == ["accuracy"]
    (found,) = data.eval_results
    assert (found.dataset_name, found.dataset_split, found.metric_type) == ("tiny", "test", "accuracy")
    assert found.metric_value == round(comparison["mine"].record["metrics"]["accuracy"], 6)


@pytest.mark.parametrize(
    ("licence", "named"),
    [
        ("apache-2.0", {"license": "apache-2.0"}),
        ("dinov3-license", {"license": "other", "license_name": "dinov3-license"}),
        (None, {"license": "unknown"}),
    ],
)
def test_licences_and_the_pretrained_model_by_the_hubs_names(comparison, licence, named):
    layers = {"model": "resnet50.tv2_in1k", "spec": {"weights": "timm"}}
    found = hub.metadata(layers, ("digits", "net"), licence, None).to_dict()
    assert found["base_model"] == "timm/resnet50.tv2_in1k"
    assert {key: found[key] for key in named} == named
    assert "metrics" not in found, "no test score"
    assert "base_model" not in hub.metadata(layers | {"spec": {"weights": "mine.pt"}}, ("a", "b"), licence, 1).to_dict()


def test_a_dry_run_lists_and_uploads_nothing(model, calls, monkeypatch, capsys):
    monkeypatch.setattr(hub, "get_token", lambda: None)
    assert main(["push", str(model), "me/flowers", "--dry-run"]) == 0
    *files, last = capsys.readouterr().out.splitlines()
    assert {line.split()[-1] for line in files} == {*FILES}
    assert last.startswith("me/flowers: would get 5 files, ")
    assert calls == []


def test_exactly_the_models_files_are_uploaded(model, calls, capsys):
    assert main(["push", str(model), "me/flowers", "--private"]) == 0
    (made, name, how), (sent, _, words) = calls
    assert (made, name, how) == ("create_repo", ("me/flowers",), {"exist_ok": True, "private": True})
    assert (sent, words["repo_id"], words["folder_path"]) == ("upload_folder", "me/flowers", model)
    assert words["allow_patterns"] == [*FILES]
    assert 'timm.create_model("hf-hub:me/flowers", pretrained=True) loads it' in capsys.readouterr().out


def refuse(self, *args, **words):
    raise ValueError("403 Client Error\n\nYou may not write to me/flowers")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("name", "the repository must be OWNER/NAME"),
        ("token", "the hub takes uploads only with a token: run `hf auth login`, or set HF_TOKEN"),
        ("network", "is not reachable (or HF_HUB_OFFLINE is set); nothing was uploaded"),
        ("right", "me/flowers was not uploaded to"),
    ],
)
def test_what_stops_an_upload_is_one_sentence(broken, sentence, model, calls, monkeypatch, capsys):
    if broken == "token":
        monkeypatch.setattr(hub, "get_token", lambda: None)
    if broken == "network":
        monkeypatch.setattr(hub, "is_reachable", lambda address: False)
    if broken == "right":
        monkeypatch.setattr(HfApi, "create_repo", refuse)
    assert main(["push", str(model), "flowers" if broken == "name" else "me/flowers"]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert calls == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no metadata", "lacks library_name, license, pipeline_tag"),
        ("---\nlibrary_name: [\n---\n", "does not begin with metadata that the hub can read"),
    ],
)
def test_a_card_that_the_hub_cannot_read_is_not_uploaded(text, sentence, model, calls, capsys, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in FILES:
        (folder / name).symlink_to(model / name)
    (folder / "README.md").unlink()
    (folder / "README.md").write_text(text)
    assert main(["push", str(folder), "me/flowers"]) == 2
    assert sentence in capsys.readouterr().err
    assert calls == []
