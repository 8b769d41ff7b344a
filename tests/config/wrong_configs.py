"""Wrong configs and the one sentence that each must give."""

GOOD = "tasks: {digits: {source: builtin}}\nbackbones: {lite0: {model: tf_efficientnet_lite0}}\n"
TASKS, BACKBONES = GOOD.splitlines(keepends=True)

_NAME = "is not a usable name; use 1 to 64 letters, digits, '_', '-' or '.', beginning with a letter or digit"
_LAYERS = "a list such as '[layer3.0, layer4.2]', or text such as 'last 2'"
_SECTIONS = "tasks, backbones, recipe, profile, greedy, search, tune, evaluate, deliver, experiments"
_SOURCES = "'arrays', 'builtin', 'corrupted', 'csv', 'folder', 'image_list' or 'vtab'"
_STRATEGIES = "'all', 'auto_rgn', 'displacement', 'gradual', 'lp_ft' or 'measure'"
_HOWS = "'attention', 'biases', 'lora', 'mlp', 'norms', 'reinit', 'scale_shift' or 'weights'"
_SHARE = "it must be a share between 0 and 1, or a whole number of images"


def folder(keys: str) -> str:
    """A config whose one task is a folder with some more keys."""
    return f"tasks: {{flowers: {{source: folder, path: data/flowers, {keys}}}}}\n{BACKBONES}"


def named(name: str) -> str:
    """A config whose one task has this name."""
    return f"tasks: {{{name}: {{source: builtin}}}}\n{BACKBONES}"


def backbone(keys: str) -> str:
    """A config whose one backbone has some more keys."""
    return f"{TASKS}backbones: {{resnet50: {{model: resnet50, {keys}}}}}\n"


def several(more: str = "", keys: str = "stored_size: 32") -> str:
    """A config whose one task is a multi-label table, and more lines."""
    entry = f"{{source: csv, path: a.csv, images: im, label_separator: bar, {keys}}}"
    return f"tasks: {{a: {entry}}}\n{BACKBONES}{more}\n"


def section(name: str, keys: str) -> str:
    """A good config with one more section."""
    return f"{GOOD}{name}: {keys}\n"


# Each: YAML -> what follows "my.yaml: ". A JSON schema can tell that they are wrong, too.
WRONG = {
    # Keys that nobody knows, at each level.
    "unknown section": (f"{GOOD}recipes: {{}}", "unknown key 'recipes' (did you mean 'recipe'?)"),
    "misspelt section": (f"task: {{}}\n{BACKBONES}", "unknown key 'task' (did you mean 'tasks'?)"),
    "foreign section": (f"{GOOD}cores: 4", f"unknown key 'cores'; known here: {_SECTIONS}"),
    "number as section": (f"{GOOD}1: 2", f"unknown key '1'; known here: {_SECTIONS}"),
    "unknown task key": (folder("pth: x"), "unknown key 'tasks.flowers.pth' (did you mean 'path'?)"),
    "key of another source": (
        folder("data_dir: x"),
        "unknown key 'tasks.flowers.data_dir'; known here: "
        "source, path, stored_size, resize, copies, train_images, draw, recipe, val, test, split_seed",
    ),
    "unknown backbone key": (
        backbone("weight: timm"),
        "unknown key 'backbones.resnet50.weight' (did you mean 'weights'?)",
    ),
    "unknown recipe key": (section("recipe", "{epoch: 3}"), "unknown key 'recipe.epoch' (did you mean 'epochs'?)"),
    "unknown override": (
        folder("recipe: {batchsize: 8}"),
        "unknown key 'tasks.flowers.recipe.batchsize' (did you mean 'batch_size'?)",
    ),
    "unknown greedy key": (
        section("greedy", "{rounds: 3}"),
        "unknown key 'greedy.rounds' (did you mean 'max_rounds'?)",
    ),
    "unknown corruption": (
        f"tasks: {{a: {{source: corrupted, of: b, kind: noise}}, b: {{source: builtin}}}}\n{BACKBONES}",
        "tasks.a.kind is 'noise'; it must be 'gaussian_noise', 'shot_noise', 'impulse_noise', "
        "'speckle_noise', 'defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur', 'gaussian_blur', 'snow', "
        "'frost', 'fog', 'brightness', 'spatter', 'contrast', 'elastic_transform', 'pixelate', "
        "'jpeg_compression' or 'saturate' (did you mean 'shot_noise'?)",
    ),
    "corruption that is too strong": (
        f"tasks: {{a: {{source: corrupted, of: b, kind: fog, severity: 6}}, b: {{source: builtin}}}}\n{BACKBONES}",
        "tasks.a.severity is 6; it must be a whole number from 1 to 5",
    ),
    # What must be given.
    "no tasks": (BACKBONES, "tasks is missing; add for example tasks: {digits: {source: builtin}}"),
    "empty tasks": (
        f"tasks: {{}}\n{BACKBONES}",
        "tasks is empty; it must hold at least one entry, for example {digits: {source: builtin}}",
    ),
    "nothing after tasks": (
        f"tasks:\n{BACKBONES}",
        "tasks is empty; it must hold at least one entry, for example {digits: {source: builtin}}",
    ),
    "empty backbones": (
        f"{TASKS}backbones: {{}}",
        "backbones is empty; it must hold at least one entry, for example {resnet50: {model: resnet50.tv2_in1k}}",
    ),
    "list of tasks": (
        f"tasks: [digits]\n{BACKBONES}",
        "tasks is ['digits']; it must hold at least one entry, for example {digits: {source: builtin}}",
    ),
    "no source": (f"tasks: {{a: {{path: x}}}}\n{BACKBONES}", f"tasks.a.source is missing; it must be {_SOURCES}"),
    "wrong source": (
        f"tasks: {{a: {{source: foldr}}}}\n{BACKBONES}",
        f"tasks.a.source is 'foldr'; it must be {_SOURCES} (did you mean 'folder'?)",
    ),
    "task is a word": (f"tasks: {{a: digits}}\n{BACKBONES}", "tasks.a is 'digits'; it must hold keys such as source:"),
    "no path": (
        f"tasks: {{a: {{source: folder}}}}\n{BACKBONES}",
        "tasks.a.path is missing; add for example path: data/flowers",
    ),
    "no vtab name": (
        f"tasks: {{a: {{source: vtab}}}}\n{BACKBONES}",
        "tasks.a.name is missing; add for example name: cifar100",
    ),
    "no model": (
        f"{TASKS}backbones: {{a: {{weights: timm}}}}",
        "backbones.a.model is missing; add for example model: resnet50.tv2_in1k",
    ),
    "empty section": (section("profile", ""), "profile is empty; it must hold keys such as folds: and test_seeds:"),
    "section is a number": (section("recipe", "3"), "recipe is 3; it must hold keys such as epochs: and batch_size:"),
    # Wrong kinds of values.
    "word for a number": (
        section("recipe", "{epochs: many}"),
        "recipe.epochs is 'many'; it must be a whole number from 1 to 10000",
    ),
    "boolean for a number": (
        section("recipe", "{epochs: yes}"),
        "recipe.epochs is true; it must be a whole number from 1 to 10000",
    ),
    "part of an epoch": (
        section("recipe", "{epochs: 2.5}"),
        "recipe.epochs is 2.5; it must be a whole number from 1 to 10000",
    ),
    "number for a path": (
        f"tasks: {{a: {{source: folder, path: 7}}}}\n{BACKBONES}",
        "tasks.a.path is 7; it must be text such as 'data/flowers'",
    ),
    "number for a model": (
        f"{TASKS}backbones: {{a: {{model: 50}}}}",
        "backbones.a.model is 50; it must be text such as 'resnet50.tv2_in1k'",
    ),
    "two channel means": (
        backbone("mean: [0.5, 0.5]"),
        "backbones.resnet50.mean is [0.5, 0.5]; it must be a list of 3 values, each a number from 0 to 1",
    ),
    "nothing for a size": (
        section("evaluate", "{seeds: }"),
        "evaluate.seeds is empty; it must be a whole number from 2 to 1000",
    ),
    "list for a number": (
        section("greedy", "{epsilon: [0.1]}"),
        "greedy.epsilon is [0.1]; it must be a number, 0 or more",
    ),
    # Out of range, or not among the choices.
    "no epoch": (section("recipe", "{epochs: 0}"), "recipe.epochs is 0; it must be a whole number from 1 to 10000"),
    "lr of zero": (section("recipe", "{lr: 0}"), "recipe.lr is 0; it must be a number above 0"),
    "negative override": (
        backbone("recipe: {lr: -1e-3}"),
        "backbones.resnet50.recipe.lr is -0.001; it must be a number above 0",
    ),
    "all warm-up": (section("recipe", "{warmup: 1}"), "recipe.warmup is 1; it must be a number from 0 to below 1"),
    "one fold": (section("profile", "{folds: 1}"), "profile.folds is 1; it must be a whole number from 2 to 1000"),
    "fewer training images than two": (
        folder("train_images: 1"),
        "tasks.flowers.train_images is 1; it must be a whole number of images, 2 or more, or all",
    ),
    "share above one": (folder("val: 1.5"), f"tasks.flowers.val is 1.5; {_SHARE}"),
    "share of zero": (folder("test: 0"), f"tasks.flowers.test is 0; {_SHARE}"),
    "true for a share": (folder("val: true"), f"tasks.flowers.val is true; {_SHARE}"),
    "means of 0 to 255": (
        backbone("mean: [0.5, 123.7, 0.5]"),
        "backbones.resnet50.mean[1] is 123.7; it must be a number from 0 to 1",
    ),
    "spread of zero": (
        backbone("std: [0, 0.2, 0.2]"),
        "backbones.resnet50.std[0] is 0; it must be a number above 0 and at most 1",
    ),
    "huge input": (
        backbone("input_size: 100000"),
        "backbones.resnet50.input_size is 100000; it must be a whole number from 8 to 4096",
    ),
    "unknown optimiser": (
        section("recipe", "{optimizer: admw}"),
        "recipe.optimizer is 'admw'; it must be 'adamw', 'adam' or 'sgd' (did you mean 'adamw'?)",
    ),
    "layer decay of zero": (
        section("recipe", "{layer_decay: 0}"),
        "recipe.layer_decay is 0; it must be a number above 0 and at most 1",
    ),
    "layer decay above one": (
        folder("recipe: {layer_decay: 1.1}"),
        "tasks.flowers.recipe.layer_decay is 1.1; it must be a number above 0 and at most 1",
    ),
    "unknown builtin": (
        f"tasks: {{a: {{source: builtin, name: mnist}}}}\n{BACKBONES}",
        "tasks.a.name is 'mnist'; it must be 'digits', 'mnist_5k' or 'faces' (did you mean 'mnist_5k'?)",
    ),
    "unknown weights": (
        backbone("weights: imagenet"),
        "backbones.resnet50.weights is 'imagenet'; it must be 'timm', 'random', 'package:<import name>' or the path of "
        "a file that ends with .safetensors, .pth, .pt, .bin, .ckpt, .tar, .npz",
    ),
    # Names.
    "space in a name": (named("my flowers"), f"tasks: 'my flowers' {_NAME}"),
    "slash in a name": (named("a/b"), f"tasks: 'a/b' {_NAME}"),
    "empty name": (named('""'), f"tasks: '' {_NAME}"),
    "long name": (named("a" * 65), f"tasks: '{'a' * 27}...{'a' * 28}' {_NAME}"),
    "reserved name": (
        named("tables"),
        "tasks: the name 'tables' is taken by a folder or file of results/; choose another name",
    ),
    "no rates": (section("tune", "{lr: []}"), "tune.lr is empty; it must be a list such as '[0.1, 0.3, 1, 3]'"),
    "rate of nothing": (section("tune", "{lr: [0, 1]}"), "tune.lr[0] is 0; it must be a number above 0"),
    "subset named like a method": (
        section("evaluate", "{subsets: {full: [stem]}}"),
        "evaluate.subsets: 'full' is the name of a method that is always compared; choose another name",
    ),
    "subset without layers": (
        section("evaluate", "{subsets: {mine: []}}"),
        "evaluate.subsets.mine is empty; it must be a list such as '[layer3.0, layer4.2]', or text such as 'last 2'",
    ),
    "subset that is no list": (
        backbone("subsets: {mine: 3}"),
        f"backbones.resnet50.subsets.mine is 3; it must be {_LAYERS}",
    ),
    "number for a layer": (
        backbone("subsets: {mine: [stem, 3]}"),
        "backbones.resnet50.subsets.mine[1] is 3; it must be text",
    ),
    "subsets as a list": (
        section("evaluate", "{subsets: [stem]}"),
        f"evaluate.subsets is ['stem']; it must hold names, each with {_LAYERS}",
    ),
}

# Wrong in ways that a JSON schema cannot tell, or that JSON does not have.
WRONG_FOR_THE_MODELS_ONLY = {
    "several labels by accuracy": (
        several(),
        "tasks.a: its images may have several labels, which search.metric 'accuracy' does not score; set it to "
        "mean_average_precision, macro_f1 or auroc",
    ),
    "several labels by balanced accuracy": (
        several("search: {metric: balanced_accuracy}"),
        "tasks.a: its images may have several labels, which search.metric 'balanced_accuracy' does not score; set it "
        "to mean_average_precision, macro_f1 or auroc",
    ),
    "several labels with class weights": (
        several("search: {metric: macro_f1}\nrecipe: {class_weights: balanced}"),
        "tasks.a: recipe.class_weights is for tasks whose images have one label; set it to none",
    ),
    "several labels of a method with label smoothing": (
        several("search: {metric: auroc}\nevaluate: {recipes: {full: {label_smoothing: 0.1}}}"),
        "tasks.a: evaluate.recipes.full.label_smoothing is for tasks whose images have one label; set it to 0",
    ),
    "labels in two ways": (
        several(keys="label_columns: [x, y]"),
        "tasks.a is {'images': 'im', 'label_columns': ['x', 'y'], 'label_separator': 'bar', ...}; it has labels both "
        "in label_columns and in label_column; keep one of these ways",
    ),
    "fast search by another metric": (
        section("search", "{metric: macro_f1, effort: fast}"),
        "search.effort fast counts right answers, which search.metric 'macro_f1' does not; set search.effort to full",
    ),
    "fast search that minds cost": (
        section("search", "{effort: fast}") + "greedy: {cost: flops, cost_weight: 0.1}",
        "search.effort fast drops candidates by their score alone, which greedy.cost_weight does not; set "
        "search.effort to full",
    ),
    "a key of earlier versions": (
        section("search", "{racing: true}"),
        "search is {'racing': True}; it has racing, which is effort now: write effort: fast for true, effort: full for "
        "false",
    ),
    "cap of nothing": (
        section("greedy", "{cost_cap: 0.3}"),
        "greedy.cost_cap needs greedy.cost, which says what counts: parameters or flops",
    ),
    "cost that changes nothing": (
        section("greedy", "{cost: flops}"),
        "greedy.cost 'flops' changes nothing without greedy.cost_cap or cost_weight",
    ),
    "cap for a search from all layers": (
        section("greedy", "{cost: flops, cost_cap: 0.3, start: best}"),
        "greedy.cost_cap needs start: linear; start: best begins with all layers",
    ),
    "measured latency as cost": (
        section("greedy", "{cost: latency, cost_cap: 0.3}"),
        "greedy.cost is 'latency'; it must be 'none', 'parameters' or 'flops'",
    ),
    "recipe of no method": (
        section("evaluate", "{recipes: {gredy: {lr: 0.1}}}"),
        "evaluate.recipes.gredy is for no method; the methods are best_layer, full, greedy, linear",
    ),
    "precision of one method": (
        section("evaluate", "{recipes: {full: {precision: fp32}}}"),
        "evaluate.recipes.full.precision: all methods of a table have one precision; set recipe.precision",
    ),
    "whole number with a point": (
        section("recipe", "{epochs: 20.0}"),
        "recipe.epochs is 20.0; it must be a whole number from 1 to 10000",
    ),
    "infinite lr": (section("recipe", "{lr: .inf}"), "recipe.lr is inf; it must be a number above 0"),
    "lr that is no number": (section("recipe", "{lr: .nan}"), "recipe.lr is nan; it must be a number above 0"),
    "unknown strategy": (
        section("recipe", "{strategy: lpft}"),
        f"recipe.strategy is 'lpft'; it must be {_STRATEGIES} (did you mean 'lp_ft'?)",
    ),
    "unknown way of training": (
        section("search", "{how: lorra(rank=4)}"),
        f"search.how is 'lorra(rank=4)'; it must be {_HOWS}, perhaps with options (did you mean 'lora'?)",
    ),
    "path as strategy": (
        backbone("recipe: {strategy: ../all}"),
        f"backbones.resnet50.recipe.strategy is '../all'; it must be {_STRATEGIES} (did you mean 'all'?)",
    ),
    "one image as 1.0": (folder("val: 1.0"), f"tasks.flowers.val is 1.0; {_SHARE}"),
    "number as name": (named("2024"), "tasks: the name 2024 must be text; write it in quotes"),
    "boolean as name": (named("no"), "tasks: the name false must be text; write it in quotes"),
    "reserved name in capitals": (
        named("Tasks"),
        "tasks: the name 'Tasks' is taken by a folder or file of results/; choose another name",
    ),
    "two dots": (named("a..b"), "tasks: the name 'a..b' holds '..'; choose another name"),
    "subset named twice": (
        backbone("subsets: {mine: [layer4.2]}") + "evaluate: {subsets: {mine: [stem]}}",
        "backbones.resnet50.subsets.mine has the name of a subset in evaluate.subsets; rename one of them",
    ),
    "misspelt method to deliver": (
        section("deliver", "{method: gredy}"),
        "deliver.method: lite0 has no method 'gredy' to deliver; it has best_layer, full, greedy, linear",
    ),
    "method to deliver that another backbone has": (
        f"{TASKS}backbones: {{a: {{model: resnet18, subsets: {{mine: [stem]}}}}, b: {{model: resnet18}}}}\n"
        "deliver: {method: mine}",
        "deliver.method: b has no method 'mine' to deliver; it has best_layer, full, greedy, linear",
    ),
    "corrupted task of a task that is not there": (
        f"tasks: {{digits: {{source: builtin}}, a: {{source: corrupted, of: digit, kind: fog}}}}\n{BACKBONES}",
        "tasks.a.of is 'digit'; it must be a task with images of its own, such as digits (did you mean 'digits'?)",
    ),
    "corrupted task of itself": (
        f"tasks: {{a: {{source: corrupted, of: a, kind: fog}}}}\n{BACKBONES}",
        "tasks.a.of is 'a'; it must be a task with images of its own, but all are corrupted",
    ),
    "model of nothing": (
        section("deliver", "{method: full}") + "evaluate: {models: false}",
        "deliver.method needs evaluate.models: true, else nothing that was trained is kept",
    ),
}

# Files that hold no config: content -> what follows "my.yaml", or "config file my.yaml".
_EMPTY = " is empty; it must hold keys such as tasks: and backbones:"
WRONG_FILES = {
    "empty": (b"", _EMPTY),
    "only a comment": (b"# tasks: {}\n", _EMPTY),
    "list at the top": (b"- tasks\n", " is a list; it must hold keys such as tasks: and backbones:"),
    "text": (b"hello", " is text; it must hold keys such as tasks: and backbones:"),
    "tab": (
        b"recipe:\n\tlr: 1\n",
        " is not valid YAML: line 2: found character '\\t' that cannot start any token; indent with spaces, not tabs",
    ),
    "repeated key": (
        GOOD.encode() + b"tasks: {}\n",
        " is not valid YAML: line 3: the key 'tasks' is repeated; remove one of them",
    ),
    "repeated task": (
        b"tasks:\n  a: {source: builtin}\n  a: {source: builtin}\n",
        " is not valid YAML: line 3: the key 'a' is repeated; remove one of them",
    ),
    "alias": (b"a: &x 1\nb: *x\n", " is not valid YAML: line 2: an alias (*x) is used; write the value out"),
    "merge key": (b"<<: {a: 1}\n", " is not valid YAML: line 1: a merge key (<<) is used; write the values out"),
    "key that is a list": (b"? [a]\n: 1\n", " is not valid YAML: line 1: a key must be a word"),
    "two documents": (
        GOOD.encode() + b"---\na: 1\n",
        " is not valid YAML: line 3: expected a single document in the stream but found another document",
    ),
    "colon in a value": (b"a: b: c\n", " is not valid YAML: line 1: mapping values are not allowed here"),
    "open bracket": (b"a: [1,\n", " is not valid YAML: line 2: expected the node content, but found '<stream end>'"),
    "code": (
        b"a: !!python/object/apply:os.system [ls]\n",
        " is not valid YAML: line 1: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    "date that is none": (
        b"a: 2026-99-99\n",
        " is not valid YAML: it holds a date or number that is none (such as 2026-99-99); put text in quotes",
    ),
    "deep": (b"[" * 4000, " is not valid YAML: it is nested too deeply"),
    "Latin-1": (b"# \xe9\n" + GOOD.encode(), " is not UTF-8 text (byte 2); save it as UTF-8"),
    "UTF-16": (GOOD.encode("utf-16-le").join([b"\xff\xfe", b""]), " is not UTF-8 text (byte 0); save it as UTF-8"),
    "huge": (b"#" * 100_001, " is larger than 100,000 bytes; a config is a few lines of YAML"),
}
