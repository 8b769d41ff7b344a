"""A merged model gives what its lane gives, whatever is trained, and whatever timm's classifier looks like."""

import pytest
import torch

from subtuning.backbones.graph import split_model
from subtuning.deploy.folder import check_equal
from subtuning.deploy.merge import Trained
from subtuning.errors import UserError
from subtuning.registry import names_of
from subtuning.training.runner import load_network
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import Tuning
from tests.deploy.conftest import write_weights
from tests.tiny import CLASSES, SIZE, make_run


def trained(folder, model: str, tuning: str, **changes) -> Trained:
    """A run whose trained tensors are the pretrained ones, moved."""
    layers = write_weights(folder, model)
    weights = folder / "weights.safetensors"
    run = make_run(Tuning.parse(tuning, [row["name"] for row in layers["layers"]]), **changes)
    trunk = Trunk(split_model(load_network(layers, weights)), fold=False)
    lane = Lane(trunk, run.tuning, new_head(layers["features"], CLASSES, run.recipe, 0))
    rng = torch.Generator().manual_seed(3)
    tensors = {
        name: tensor.detach() * (1 + 0.2 * torch.rand(tensor.shape, generator=rng))
        + 0.05 * torch.rand(tensor.shape, generator=rng)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in lane.trained_state().items()
    }
    return Trained(layers, weights, run.identity(), tensors, CLASSES)


def differ(found: Trained) -> None:
    """Timm's model gives what the lane gives, which is not what the pretrained network gives."""
    images = torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        check_equal(found.logits(images), found.model()(images), "model")


WAYS = ["linear", "full", *(f"blocks.2 with {name}" for name in names_of("adapters"))]


@pytest.mark.parametrize("tuning", WAYS)
def test_merged_equals_unmerged(tuning, tmp_path):
    differ(trained(tmp_path, "test_vit", tuning))


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("test_convnext", "stages.1.blocks.0"),
        ("test_efficientnet", "blocks.2.0"),
        ("test_byobnet", "full"),
        ("deit_tiny_distilled_patch16_224", "blocks.3"),
        ("efficientvit_m0", "full"),
    ],
)
def test_classifiers_of_every_kind(model, layer, tmp_path):
    """Linear, below a norm that stays, twice (distilled), and behind a BatchNorm of its own."""
    differ(trained(tmp_path, model, layer))


def test_heads_that_timm_has_not_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"recipe\.head: timm's models have no mlp head"):
        trained(tmp_path, "test_vit", "blocks.2", head="mlp").model()
    with pytest.raises(UserError, match="the classifier of caformer_s18 in timm is not one linear layer"):
        trained(tmp_path, "caformer_s18", "linear").model()


def test_another_runs_tensors_are_one_sentence(tmp_path):
    found = trained(tmp_path, "test_vit", "blocks.2")
    tensors, run = found.lane.trained_state(), make_run(("blocks.3",))
    with pytest.raises(UserError, match=r"are not those of blocks\.3 in test_vit"):
        Trained(found.layers, found.weights, run.identity(), tensors, CLASSES)


def test_a_model_that_differs_is_refused():
    ours = torch.tensor([[1.0, 2.0]])
    check_equal(ours, ours + 1e-5, "model")
    for other in (ours + 0.1, ours * float("nan")):
        with pytest.raises(UserError, match="does not give what was trained"):
            check_equal(ours, other, "model")
