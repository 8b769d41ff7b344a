"""SubTuning: which layers of a pretrained vision model to fine-tune (Kaplun et al., arXiv 2302.06354).

The rooms of the package, in the order in which the data passes through them. A room imports only rooms above it:

    config     what a user may write, and how it is checked
    tasks      raw images and labels -> a converted task on disk
    backbones  a timm model and its weights -> layers, and the cut points between them
    tuning     layers and how -> what is trained and what is frozen
    runs       what identifies a run, the record of a run, the store of finished runs
    training   a converted task and lanes -> trained lanes and their metrics
    search     a study as a list of steps: which runs to ask for next, and what a step concludes (no torch)
    analysis   run records -> tables, statistics, figures
    deploy     trained tensors -> a model that timm loads, several with one trunk, and what they say of images
    workspace  what lies in the results folder: what is prepared for a config, and how to prepare it
    benchmark  how fast training is, against plain PyTorch and the conventional way; what a further task costs
    workflow   what the Snakefile and the rules need: the config's values as params
    cli        one verb a rule
"""

__version__ = "0.2.0"

__all__ = ["MultiTaskModel", "__version__", "greedy", "load_runs", "profile"]


def __getattr__(name: str):
    """What is for notebooks, which needs pandas or torch, is imported when it is used."""
    if name == "MultiTaskModel":
        from subtuning.deploy.multitask import MultiTaskModel

        return MultiTaskModel
    if name in __all__:
        from subtuning import api

        return getattr(api, name)
    raise AttributeError(f"module 'subtuning' has no attribute {name!r}")
