"""The delivery as the workflow does it, where it trains a run of its own."""

import json

from tests.workflow.snake import changed, copy, write_config


def records(folder):
    found = [json.loads(file.read_text()) for file in sorted((folder / "results/runs").glob("??/*.json"))]
    return {record["id"]: record for record in found}


def test_a_model_of_all_images(finished, tmp_path, snakemake, subtuning):
    """One run is added, no table counts it, and `status` and `clean` know that it is wanted. Folds that calibrate are
    trained again for their probabilities."""
    folder = copy(finished[0], tmp_path / "project")
    before, table = records(folder), (folder / "results/cells/tiny/evaluation.csv").read_text()
    write_config(folder, changed("deliver", {"data": "all", "calibrate": True}))
    result = snakemake(folder, "--cores", "2")
    assert result.code == 0, result.output
    (new,) = (record for run_id, record in records(folder).items() if run_id not in before)
    assert (new["identity"]["split"], new["identity"]["seed"], new["metrics"]) == ("all", 0, None)
    card = (folder / "results/cells/tiny/model/README.md").read_text()
    assert "**This model has no test score.**" in card
    assert "fitted on what 2-fold cross-validation of the method said of 60 training images" in " ".join(card.split())
    assert (folder / "results/cells/tiny/evaluation.csv").read_text() == table
    assert "Nothing to be done" in snakemake(folder, "--cores", "2").output
    assert "deliver" in subtuning(folder, "status").output
    assert new["id"][:8] in subtuning(folder, "runs", "--split", "all").output
    cleaned = subtuning(folder, "clean", "--what", "unwanted", "--yes").output
    assert new["id"] in records(folder), cleaned
