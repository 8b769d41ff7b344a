"""Whether the hub of pretrained weights can be reached: known in seconds, without its client's many retries."""

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import timm
from huggingface_hub import constants
from torch import Tensor

from subtuning.errors import UserError

SECONDS = 10
"""For one answer to a question of a few bytes. What takes longer is left to the client, which waits and tries again."""

TRIES = 2


def is_reachable(address: str) -> bool:
    """False if the connection to a web address is refused, or its host is unknown or not reached in 10 seconds.

    Any answer counts, also that of a proxy, and so does whatever another client may do better with: a certificate, a
    slow answer.
    """
    for _ in range(TRIES):
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS).close()
        except urllib.error.HTTPError:
            return True
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLError):
                return True
            if isinstance(error.reason, TimeoutError):
                return False
        except OSError:  # it connected, and then the answer was late or broke off
            return True
        else:
            return True
    return False


@contextlib.contextmanager
def fetching(what: str, instead: str) -> Iterator[None]:
    """Within it the hub's client is asked for `what`; where the hub cannot be reached, it looks only into its cache.

    Raises:
        UserError: whatever the client raises, in a sentence that ends with what to do `instead`.
    """
    before = constants.HF_HUB_OFFLINE
    unreachable = not before and not is_reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = before or unreachable
    try:
        yield
    except Exception as error:  # no route, timeout, refused, not found, disk full
        why = "the network is not reachable" if unreachable else type(error).__name__
        raise UserError(
            f"{what} could not be fetched ({why}); run this step once where the network is reachable, or {instead}"
        ) from None
    finally:
        constants.HF_HUB_OFFLINE = before


def address_of(model: str) -> str | None:
    """Where a model's weights can be downloaded by hand, None where timm does not say."""
    source = timm.models.get_pretrained_cfg(model)
    if source is None or not source.hf_hub_id:
        return source.url if source else None
    return f"{constants.ENDPOINT}/{source.hf_hub_id}/resolve/main/{source.hf_hub_filename or 'model.safetensors'}"


def config_of(repository: str) -> dict[str, Any]:
    """The content of a repository's `config.json` as timm reads it: `architecture`, `model_args`, `pretrained_cfg`.

    Raises:
        UserError: no network, no such repository, or not one of timm's.
    """
    with _fetching_repository(repository):
        cfg, name, args = timm.models.load_model_config_from_hf(repository)
    return {"architecture": name, "model_args": args, "pretrained_cfg": cfg}


def weights_of(repository: str) -> dict[str, Tensor]:
    """The tensors of a repository. Raises `UserError` as `config_of` does."""
    with _fetching_repository(repository):
        return timm.models.load_state_dict_from_hf(repository, weights_only=True)


def _fetching_repository(repository: str) -> contextlib.AbstractContextManager:
    return fetching(f"the model hf-hub:{repository}", "download its files and set model: local-dir:<their folder>")
