"""A stand-in for the command `subtuning`, and the jobs that a change leads to where it made every file."""

from tests.workflow.snake import changed, jobs

STAND_IN = """\
#!/bin/sh
# Makes the files that a verb of subtuning makes, without their content.
verb=$1
while [ $# -gt 0 ]; do
    case $1 in
        --task) task=$2 ;; --backbone) backbone=$2 ;; --out) out=$2; also=$3 ;; --profile-test) test=_test ;;
        --tables) tables=$2 ;; --experiment) experiment=$(basename $2 .csv) ;;
    esac
    shift
done
make() { for file; do mkdir -p "$(dirname "$file")"; date +%N > "$file"; done; }
case $verb in
    convert) make $out/train/images.npy $out/train/labels.npy $out/val/images.npy $out/val/labels.npy \
                  $out/test/images.npy $out/test/labels.npy $out/names.json $out/task.json ;;
    fetch) make results/backbones/$backbone/weights.safetensors ;;
    describe) make results/backbones/$backbone/layers.json ;;
    conclude|profiles) make $out ${also%%--*} ;;
    figures) if [ $test ]; then set -- profile_test; else set -- ${experiment:-profile greedy tradeoff}; fi
             for name; do make $out/$name.svg $out/$name.png; done ;;
    deliver) make $out/config.json $out/model.safetensors $out/delta.safetensors $out/README.md $out/predict.py ;;
    tables) for name in summary comparison ranks; do for end in csv md html tex; do make $out/$name.$end; done; done
            make $out/all.csv results/figures/ranks.svg results/figures/ranks.png ;;
    answer) make $out/answer.md; for name in answer profile greedy evaluation; do make $out/$name.html; done ;;
    errors) make $tables/classes.csv $tables/mistakes.csv
            for name in confusion confusion_cv recalls mistakes mistakes_cv; do
                make $out/$name.svg $out/$name.png
            done ;;
    *) make $out ;;
esac
"""

NEW_NUMBERS = "\nCHANGES += (Change(1000, 'other numbers', lambda identity: True),)\n"

TWO_BY_TWO = changed(
    *("tasks/more", {"source": "arrays", "path": "more.npz"}),
    *("backbones/other", {"model": "test_resnet", "weights": "other.safetensors", "input_size": 32}),
)

DRAWN = {
    "train_evaluation": 4,
    "evaluation_table": 4,
    "deliver": 4,
    "draw_figures": 4,
    "answer": 4,
    "errors": 4,
    "summary": 1,
    "all": 1,
}
SEARCHED = {"train_greedy": 8, "select_greedy": 8, "greedy_path": 4, **DRAWN}
SHARED = {"draw_profiles": 1, "draw_layers_of_tasks": 2}
SHARDED = {"train_profile": 8, "profile_table": 4, **SHARED, **SEARCHED}
TRAINED = {**SHARDED, "check_plan": 4, "train_profile": 4}
OF_BACKBONE = {rule: count // 2 if count > 1 else 1 for rule, count in TRAINED.items()}
OF_TASK = {**OF_BACKBONE, "draw_layers_of_tasks": 2}
"""The same for one of the two backbones, or one of the two tasks."""

TESTED = {"train_profile_test": 4, "profile_test_table": 4, "draw_profile_test": 4, "all": 1}


def planned(snakemake, folder, **more):
    result = snakemake(folder, "--dry-run", **more)
    assert result.code == 0, result.output
    return jobs(result.output)


def all_have(found, wildcard):
    named = [job for job in found if job.wildcards and job.rule not in ("greedy_path", *SHARED, *DRAWN)]
    return all(wildcard in f"{job.wildcards} " for job in named)


def edit(file, text):
    file.write_text(file.read_text() + text)
