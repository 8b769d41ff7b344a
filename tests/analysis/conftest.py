"""Made-up run records and layers whose numbers a test chooses."""

import hashlib
import json

import numpy as np
import pytest

EFFICIENTNET = {f"blocks.{i}": [f"blocks.{i}.{j}" for j in range(n)] for i, n in enumerate((1, 2, 2, 3, 3, 4, 1))}
RESNET50 = {f"layer{i}": [f"layer{i}.{j}" for j in range(n)] for i, n in enumerate((3, 4, 6, 3), start=1)}
DEEP = {f"stages.{i}": [f"stages.{i}.blocks.{j}" for j in range(n)] for i, n in enumerate((3, 6, 36, 5))}
VIT = {"blocks": [f"blocks.{i}" for i in range(12)]}


def make_layers(stages=EFFICIENTNET):
    """The content of a layers.json: stem, the stages' layers, tail."""
    names = [("stem", "stem", "stem")]
    names += [(name, "layer", stage) for stage, members in stages.items() for name in members]
    names += [("tail", "tail", "tail")]
    layers = [
        {"name": name, "kind": kind, "stage": stage, "order": i, "parameters": 1000 * (i + 1), "flops": 10**6 + i}
        for i, (name, kind, stage) in enumerate(names)
    ]
    return {
        "backbone": "net",
        "model": "net",
        "input_size": 64,
        "layers": layers,
        "total_parameters": sum(layer["parameters"] for layer in layers),
        "total_flops": sum(layer["flops"] for layer in layers),
        "features": 1280,
    }


def make_record(subset, accuracy, seed=0, fold=None, split="test", folds=None, task="digits", **changes):
    """One record; an `accuracy` of None is a diverged run."""
    identity = {
        "task": "0" * 8,
        "split": split,
        "folds": folds,
        "fold": fold,
        "backbone": {"model": "net"},
        "subset": subset,
        "method": "weights",
        "recipe": {"epochs": 2, "precision": "fp32"},
        "seed": seed,
        "numbers": 1,
    }
    text = json.dumps([identity, task, changes], sort_keys=True)
    done = accuracy is not None
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "names": {"task": task, "backbone": "net"},
        "identity": identity,
        "status": "done" if done else "diverged",
        "metrics": {"accuracy": accuracy, "loss": 0.2, "n": 200} if done else None,
        "curve": [],
        "trainable_parameters": 200_000 if subset == "full" else 10_000 + 1000 * len(subset),
        "total_parameters": 200_000,
        "flops": 123_456_789,
        "seconds": 10.0 + seed + (fold or 0),
        "images_per_second": 100.0,
        "lane_memory_bytes": 50_000_000 + 1_000_000 * seed,
        "device": "cpu",
        "versions": {},
        "started": "2024-01-01T00:00:00+00:00",
    } | changes


def make_scores(layers, count, seed=0, linear=0.86, full=0.93, spread=0.006, noise=0.008):
    """Plausible accuracies {subset name: (count,)}: shared difficulty of a fold, a bump over the network's depth."""
    rng = np.random.default_rng(seed)
    names = [layer["name"] for layer in layers["layers"] if layer["kind"] != "tail"]
    depth = np.linspace(0, 1, len(names))
    means = linear + 0.02 + (full - linear) * 1.15 * np.exp(-((depth - 0.6) ** 2) / 0.08)
    means = dict(zip(names, means, strict=True)) | {"linear": linear, "full": full}
    common = rng.normal(0, noise, count)
    return {name: np.clip(mean + common + rng.normal(0, spread, count), 0, 1) for name, mean in means.items()}


def make_profile_records(layers, scores, split="cv", diverged=()):
    """Records of a whole profile: over folds (cv) or over seeds; the last run of those in `diverged` diverges."""
    records = []
    for name, values in scores.items():
        subset = {"linear": [], "full": "full"}.get(name, [name])
        for i, value in enumerate(values):
            value = None if name in diverged and i == len(values) - 1 else float(value)
            place = {"fold": i, "folds": len(values)} if split == "cv" else {"seed": i}
            records.append(make_record(subset, value, split=split, **place))
    return records


def make_rounds(layers, steps=3, folds=5, direction="forward", seed=0, start=0.86, stop=True):
    """A greedy search that gains less each round; the last round stops it."""
    rng = np.random.default_rng(seed)
    names = [layer["name"] for layer in layers["layers"] if layer["kind"] != "tail"]
    base = [] if direction == "forward" else list(names)
    scores = list(start + rng.normal(0, 0.008, folds))
    rounds = []
    for number in range(1, steps + 1):
        left = [name for name in names if (name in base) == (direction == "backward")]
        last = stop and number == steps
        gain = 0.04 if direction == "forward" else 0.01
        gains = rng.normal(-0.02 if last else gain / number**2, 0.006 / number, len(left))
        candidates = [
            {
                "layer": name,
                "tuning": "+".join([*base, name]),
                "scores": list(np.array(scores) + gain + rng.normal(0, 0.003, folds)),
            }
            for name, gain in zip(left, gains, strict=True)
        ]
        best = max(candidates, key=lambda candidate: np.mean(candidate["scores"]))
        stopped = bool(np.mean(best["scores"]) <= np.mean(scores))
        grown = [*base, best["layer"]] if direction == "forward" else [name for name in base if name != best["layer"]]
        rounds.append(
            {
                "round": number,
                "direction": direction,
                "precision": "fp32",
                "base": "+".join(base) or "linear",
                "base_scores": scores,
                "candidates": candidates,
            }
            | {"choice": best["layer"], "tuning": "+".join(base if stopped else grown) or "linear", "stopped": stopped}
        )
        if stopped:
            break
        base, scores = grown, best["scores"]
    return rounds


def make_evaluation_records(methods, seeds=5, seed=0, noise=0.004):
    """{method: records}; `methods` maps a name to (subset, mean accuracy or None, trainable parameters)."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, noise, seeds)
    return {
        method: [
            make_record(
                subset,
                None if mean is None and i == 0 else float((mean or 0.9) + common[i] + rng.normal(0, noise)),
                seed=i,
                trainable_parameters=parameters,
                total_parameters=max(count for _, _, count in methods.values()),
            )
            for i in range(seeds)
        ]
        for method, (subset, mean, parameters) in methods.items()
    }


@pytest.fixture(scope="session")
def make():
    """The factories of this file, as attributes."""
    return type(
        "Make", (), {name: staticmethod(value) for name, value in globals().items() if name.startswith("make_")}
    )


@pytest.fixture
def layers():
    """A backbone of three layers: stem, a.0, a.1 (and a tail, which is in no profile)."""
    return make_layers({"a": ["a.0", "a.1"]})
