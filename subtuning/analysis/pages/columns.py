"""What each column of the built-in tables means, in one sentence each."""

from collections.abc import Iterable

EXPLAINED = {
    "method": "The name of what was compared: `linear` trains the head alone, `full` all layers, `best_layer` the best "
    "single layer of the profile, `greedy` the layers that the search chose; others are named in the config.",
    "task": "The labelled images.",
    "backbone": "The pretrained network.",
    "layers": "The layers that were trained, besides the head.",
    "layer": "The layer: alone (profile), or added to or removed from the subset before the round (greedy).",
    "mean": "Mean over the n scores.",
    "std": "Standard deviation of the n scores.",
    "n": "How many scores the mean is of: folds of the cross-validation, or seeds (trainings) on the test images; "
    "`6 x 797`: seeds x test images.",
    "ci_low": "Lower end of the mean's 95 % interval: over folds (Nadeau and Bengio's correction, since folds share "
    "images), or over seeds (Student's t), on these very test images.",
    "ci_high": "Its upper end.",
    "diff_linear": "Mean difference to training the head alone, paired by fold or seed.",
    "diff_full": "Mean difference to training all layers, paired by seed.",
    "diff_previous": "Mean difference to the subset before the round, paired by fold.",
    "diff_ci_low": "Lower end of the difference's 95 % interval over the folds.",
    "diff_ci_high": "Its upper end.",
    "p_full": "p value of the difference to all layers over the seeds, on these test images (sign flips; with n seeds "
    "no smaller than 2 / 2ⁿ).",
    "p_linear": "The same for the difference to the head alone.",
    "images": "Number of test images.",
    "two_way_low": "Lower end of the accuracy's 95 % interval over seeds and images: where it may lie for other "
    "trainings and other such images.",
    "two_way_high": "Its upper end.",
    "p_full_two_way": "p value of the difference to all layers, for other trainings and other such images.",
    "p_linear_two_way": "The same for the difference to the head alone.",
    "p_holm": "`p_full_two_way`, corrected (Holm) for the number of methods in the table.",
    "p_holm_best": "p value of the difference to the most accurate method, corrected (Holm) likewise.",
    "p_best": "The probability that this one is the best of those compared (in a profile the single layers): the share "
    "of 10,000 resamples of the held-out images (as many of them, drawn with replacement) in which it is.",
    "corrected": "The chosen one's score without the luck of having been the best of many.",
    "parameters": "Parameters of the layer itself, without the head; with `how`, those that are trained of it.",
    "how": "In which way the layer was trained.",
    "flops": "Operations of the layer in one forward pass of one image.",
    "trained_parameters": "Parameters that were trained, head included.",
    "trained_percent": "Their share of all parameters.",
    "seconds": "Mean time of one training.",
    "lr": "The learning rate: chosen by cross-validation on train + val, or the config's.",
    "recipe": "What else of the recipe is the method's own.",
    "at_edge": "Whether its best learning rate is the least or largest of those tried, so that another may do better.",
    "search_runs": "Trainings in cross-validation that its layers and learning rate were chosen from.",
    "search_seconds": "What these took together.",
    "search_flops": "Their operations together.",
    "train_flops": "Operations of one training of its own.",
    "seconds: choose + train": "Seconds of all trainings that it was chosen from, and of one of its own.",
    "TFLOP: choose + train": "The same in 10¹² operations.",
    "metric": "What the scores are: accuracy, or another that `search.metric` names.",
    "auroc": "Area under the ROC curve, mean over classes and seeds: 0.5 is chance, 1 perfect order.",
    "calibration_error": "Expected calibration error: how far confidence and accuracy lie apart, mean over seeds.",
    "log_loss": "Mean negative logarithm of the right class's probability, over images and seeds: less is better.",
    "lane_memory_mb": "Memory that is planned for one training of the method besides the frozen network, in 10⁶ bytes.",
    "precision": "The numbers' type in which everything was computed.",
    "device": "What computed it.",
    "accuracy %": "Mean test accuracy and its 95 % interval; bold: the best, and all not significantly worse.",
    "difference to full": "Points more or less than training all layers, with the 95 % interval of the difference.",
    "p (Holm)": "p value of that difference, corrected (Holm) for the number of methods.",
    "trained %": "Share of all parameters that were trained, head included.",
    "direction": "`forward` adds a layer a round, `backward` removes one.",
    "round": "The round of the search.",
    "dropped": "Whether it was not trained in all folds, as it could hardly win any more (`search.effort`).",
    "chosen": "Whether it is the best of its round.",
    "penalty": "What the mean is lowered by for what the subset costs (`greedy.cost_weight`) when candidates are "
    "compared.",
    "kept": "Whether its round belongs to the subset that the search ends with.",
    "p": "p value of the rule that decides: that the subset before the round is as good as the search's end.",
    "rule": "The rule that decided which rounds are kept (`greedy.stop`).",
}

for _name, _words in (("full", "all layers"), ("linear", "the head alone")):
    for _ends, _over in (("ci", "seeds"), ("two_way", "seeds and images")):
        EXPLAINED[f"diff_{_name}_{_ends}_low"] = (
            f"Lower end of the 95 % interval, over {_over}, of the difference to {_words}."
        )
        EXPLAINED[f"diff_{_name}_{_ends}_high"] = "Its upper end."

OF_A_TASK = (
    "Mean test accuracy in percent on the images of this name, with its 95 % interval; bold: the best, and all not "
)
OF_A_TASK += "significantly worse."

FRACTIONS = ("mean", "std", "corrected", "ci_low", "ci_high", "two_way_low", "two_way_high")


def explanations(columns: Iterable[str]) -> dict[str, str]:
    """Those of the columns that are known, in their order."""
    return {column: EXPLAINED[column] for column in columns if column in EXPLAINED}


def is_fraction(column: str) -> bool:
    """Whether a column holds accuracies or their differences (0-1), which people read in percent."""
    return column in FRACTIONS or column.startswith("diff_")
