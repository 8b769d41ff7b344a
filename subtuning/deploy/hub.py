"""The Hugging Face hub: what it wants to know of a model, and how a model's folder gets there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData, constants, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from subtuning.backbones.hub import is_reachable
from subtuning.deploy.folder import FILES, Model
from subtuning.errors import UserError, listed

TASK = "image-classification"

LICENCES = {
    *("apache-2.0", "apple-amlr", "apple-ascl", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "gemma", "mit"),
    "unknown",
}
"""Those of timm's weights that the hub knows by this name (huggingface.co/docs/hub/repositories-licenses); it takes
others as `other` with a `license_name`."""

WANTED = ("library_name", "license", "pipeline_tag")
"""What the hub shows and searches by; a card of `deliver` has all."""


def metadata(
    layers: dict[str, Any], names: tuple[str, str], licence: str | None, accuracy: float | None
) -> ModelCardData:
    """What the hub wants to know of a delivered model, as its card begins with.

    Args:
        layers: the content of the backbone's layers.json.
        names: of the task and the backbone.
        licence: of the pretrained weights, by the name that timm has for it; None if it is not known.
        accuracy: on test images that did not train the model (0-1); None where there are none.
    """
    known = (licence or "unknown").lower()
    about: dict[str, Any] = {"license": known} if known in LICENCES else {"license": "other", "license_name": known}
    if base := _base_model(layers):
        about["base_model"] = base
    if accuracy is not None:
        found = EvalResult(
            task_type=TASK,
            dataset_type=names[0],
            dataset_name=names[0],
            dataset_split="test",
            metric_type="accuracy",
            metric_value=round(accuracy, 6),
        )
        about |= {"metrics": ["accuracy"], "model_name": "-".join(names), "eval_results": [found]}
    return ModelCardData(library_name="timm", pipeline_tag=TASK, tags=[TASK, "timm", "subtuning"], **about)


def _base_model(layers: dict[str, Any]) -> str | None:
    """The repository of the pretrained weights, None where they come from elsewhere."""
    if layers.get("spec", {}).get("weights", "timm") != "timm":
        return None
    model = layers["model"]
    if model.startswith("hf-hub:"):
        return model.removeprefix("hf-hub:")
    cfg = None if ":" in model else timm.models.get_pretrained_cfg(model)
    return cfg.hf_hub_id if cfg else None


def check_card(folder: Path) -> None:
    """Raise `UserError` if the hub could not use the metadata of a model's card."""
    file = folder / "README.md"
    try:
        data = ModelCard(file.read_text(encoding="utf-8")).data
    except Exception as error:  # YAML's, and the hub's for results that are none
        why = str(error).partition("\n")[0]
        raise UserError(f"{file} does not begin with metadata that the hub can read ({why}); deliver again") from None
    if missing := [key for key in WANTED if not data.get(key)]:
        raise UserError(f"the metadata at the top of {file} lacks {listed(missing)}; deliver the model again")


def push(folder: Path, repository: str, private: bool, dry_run: bool) -> list[tuple[str, int]]:
    """Upload a delivered model to the hub; the repository is made if it is not there.

    Args:
        repository: `owner/name`.
        dry_run: check everything that can be checked here, and upload nothing.

    Returns:
        the files (only those of `FILES`) and their sizes in bytes.

    Raises:
        UserError: the folder is no whole model, a name that the hub does not take, no token, no network, or no right.
    """
    try:
        validate_repo_id(repository)
    except HFValidationError:
        repository = ""
    if repository.count("/") != 1:
        raise UserError(
            "the repository must be OWNER/NAME, each of letters, digits, '-', '_' and '.', with at most 96 characters"
        )
    Model(folder)
    check_card(folder)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise UserError(f"{folder} lacks {listed(missing)}; deliver the model again")
    if not dry_run:
        with _said_by_the_hub(repository):
            api = HfApi()
            api.create_repo(repository, exist_ok=True, private=private or None)
            about = "A model delivered by subtuning"
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=about, allow_patterns=[*FILES])
    return [(name, (folder / name).stat().st_size) for name in FILES]


@contextlib.contextmanager
def _said_by_the_hub(repository: str) -> Iterator[None]:
    if not get_token():
        raise UserError("the hub takes uploads only with a token: run `hf auth login`, or set HF_TOKEN")
    if constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT):
        raise UserError(f"{constants.ENDPOINT} is not reachable (or HF_HUB_OFFLINE is set); nothing was uploaded")
    try:
        yield
    except Exception as error:  # the client's own, and those of the connection below it
        lines = [line for line in str(error).splitlines() if line.strip()]
        why = " ".join([type(error).__name__, *lines[-1:]])
        raise UserError(f"{repository} was not uploaded to {constants.ENDPOINT} ({why})") from None
