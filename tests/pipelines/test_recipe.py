"""A recipe says exactly what is trained; a mistake in it is named with its place."""

import re
from pathlib import Path

import pytest
from tiny import Command

import scratchnet as sn
from pipelines.data.augmentation import Augmentation
from pipelines.data.class_names import class_key
from pipelines.data.csv_source import EMOTIONS
from pipelines.errors import UserError
from pipelines.recipe_files import describe_fields, load_recipe, recipe_names
from pipelines.twin import to_keras

CLASSES = tuple(sorted(EMOTIONS, key=class_key))


def test_fer_small_is_the_network_of_its_description() -> None:
    recipe = load_recipe("fer-small")
    model = recipe.build_model(CLASSES)
    block = ["Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D"]
    assert [type(layer).__name__ for layer in model.layers] == [
        *block, *block, *block, "Flatten", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    assert model.count_params() == 684_423
    assert "684,423" in recipe.description
    assert [layer.filters for layer in model.layers if type(layer).__name__ == "Conv2D"] == [32, 64, 128]
    assert model.layers[-2].rate == 0.5
    assert model.input_shape == (None, 48, 48, 1)
    assert model.class_names == CLASSES
    assert model.preprocessing == {"height": 48, "width": 48, "channels": 1, "scale": 1 / 255, "offset": 0.0}
    assert type(model.optimizer).__name__ == "Adam"
    assert model.optimizer.learning_rate == recipe.training.optimizer.learning_rate
    assert model.loss.name == "sparse_categorical_crossentropy"
    assert recipe.augmentation == Augmentation(
        rotation=15, zoom=0.1, shear=0.2, horizontal_flip=True, brightness=(0.7, 1.3)
    )
    assert recipe.training.class_weight == "balanced"


def layers_of(model: sn.Model) -> list[tuple[str, tuple[int, ...], int]]:
    """Each layer's class, output shape and number of weights, as Keras's summary has them."""
    shape, rows = model.input_shape, []
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        rows.append((type(layer).__name__, shape[1:], layer.count_params()))
    return rows


def test_happy_sad_is_the_published_network_layer_by_layer() -> None:
    model = load_recipe("happy-sad").build_model(("happy", "sad"))
    assert layers_of(model) == [
        ("Conv2D", (254, 254, 32), 896),
        ("MaxPooling2D", (127, 127, 32), 0),
        ("Conv2D", (125, 125, 64), 18_496),
        ("MaxPooling2D", (62, 62, 64), 0),
        ("Conv2D", (60, 60, 128), 73_856),
        ("MaxPooling2D", (30, 30, 128), 0),
        ("Flatten", (115_200,), 0),
        ("Dense", (512,), 58_982_912),
        ("Dropout", (512,), 0),
        ("Dense", (1,), 513),
    ]
    assert model.count_params() == 59_076_673
    assert (type(model.optimizer).__name__, model.optimizer.learning_rate) == ("Adam", pytest.approx(1e-5))
    assert model.loss.name == "binary_crossentropy"


def test_fer_deep_is_the_published_network_layer_by_layer() -> None:
    recipe = load_recipe("fer-deep")
    model = recipe.build_model(CLASSES)
    assert [(kind, shape) for kind, shape, _ in layers_of(model)] == [
        ("Conv2D", (48, 48, 32)),
        ("BatchNormalization", (48, 48, 32)),
        ("Conv2D", (48, 48, 64)),
        ("BatchNormalization", (48, 48, 64)),
        ("MaxPooling2D", (24, 24, 64)),
        ("Conv2D", (24, 24, 128)),
        ("BatchNormalization", (24, 24, 128)),
        ("MaxPooling2D", (12, 12, 128)),
        ("Conv2D", (12, 12, 256)),
        ("BatchNormalization", (12, 12, 256)),
        ("MaxPooling2D", (6, 6, 256)),
        ("Flatten", (9216,)),
        ("Dense", (256,)),
        ("BatchNormalization", (256,)),
        ("Dropout", (256,)),
        ("Dense", (128,)),
        ("BatchNormalization", (128,)),
        ("Dropout", (128,)),
        ("Dense", (7,)),
    ]
    assert model.count_params() == 2_784_647
    adam = model.optimizer.get_config()
    assert [adam[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon")] == [0.001, 0.9, 0.999, 1e-7]
    assert (recipe.training.batch_size, recipe.training.epochs) == (32, 10)


def test_movie_frames_has_five_blocks_with_a_penalty_on_its_weights() -> None:
    recipe = load_recipe("movie-frames")
    model = recipe.build_model(recipe.data.classes or ())
    assert [type(layer).__name__ for layer in model.layers] == [
        *["Conv2D", "MaxPooling2D", "BatchNormalization"] * 5, "Flatten", "Dropout", "Dense", "Dense",
    ]  # fmt: skip
    assert model.output_shape == (None, 4)
    assert not recipe.training.selects
    penalised = [layer for layer in model.layers if getattr(layer, "kernel_regularizer", None) is not None]
    assert len(penalised) == 6
    assert all(float(layer.kernel_regularizer.l2) == pytest.approx(1e-4) for layer in penalised)
    assert recipe.published is not None
    assert sum(recipe.published.folds) / 4 == pytest.approx(0.5920, abs=5e-5)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_is_shipped_builds_the_model_that_it_describes(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    classes = recipe.data.classes or CLASSES
    model = recipe.build_model(classes)
    assert model.output_shape == (None, 1 if recipe.training.loss == "binary_crossentropy" else len(classes))
    described = re.search(r"([\d,]+) parameters", recipe.description)
    assert described is None or model.count_params() == int(described[1].replace(",", ""))
    theirs = to_keras(model)
    assert theirs.count_params() == model.count_params()


def test_any_field_can_be_changed_when_a_recipe_is_loaded(tiny_recipe: Path) -> None:
    changes = [
        "training.batch_size=8",
        "training.optimizer.name=sgd",
        "training.optimizer.options={momentum = 0.9}",
        "augmentation.brightness=[0.5, 1.5]",
        "augmentation.horizontal_flip=false",
        "training.reduce_lr_on_plateau=none",
        "training.early_stopping.patience=3",
        "network.1.filters=6",
        "network.4=none",
    ]
    recipe = load_recipe(str(tiny_recipe), changes)
    assert recipe.training.batch_size == 8
    assert recipe.augmentation == Augmentation(rotation=10, brightness=(0.5, 1.5))
    assert recipe.training.reduce_lr_on_plateau is None
    assert recipe.training.early_stopping is not None
    model = recipe.build_model(("happy", "sad"))
    assert [type(layer).__name__ for layer in model.layers] == ["Conv2D", "BatchNormalization", "Flatten", "Dense"]
    assert model.layers[0].filters == 6
    assert model.optimizer.momentum == 0.9
    assert (recipe.origin, recipe.changes) == (str(tiny_recipe), tuple(changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("batch_size", "a change of a recipe is written section.field=value, got 'batch_size'"),
        ("=3", "a change of a recipe is written"),
        ("training.batchsize=3", r"training\.batchsize: there is no such field; did you mean training\.batch_size\?"),
        ("training.batch_size=many", r"training\.batch_size: Input should be a valid integer"),
        ("training.epochs.first=3", "epochs is a value, which has no fields"),
        ("network.6.units=3", "the layers are numbered from 1 to 5, got '6'"),
        ("network.first.units=3", "the layers are numbered from 1 to 5, got 'first'"),
        ("name=none", "name: Field required"),
    ],
)
def test_a_change_that_cannot_be_made_is_named(change: str, message: str, tiny_recipe: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(str(tiny_recipe), [change])


def test_a_recipe_takes_from_another_what_it_does_not_say_itself(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('extends = "fer-small"\nname = "own"\n[training]\nepochs = 2\n[training.optimizer]\nname = "sgd"\n')
    recipe, base = load_recipe(str(own)), load_recipe("fer-small")
    assert (recipe.name, recipe.training.epochs, recipe.training.optimizer.name) == ("own", 2, "sgd")
    assert recipe.training.optimizer.learning_rate == base.training.optimizer.learning_rate
    assert recipe.network == base.network
    assert recipe.augmentation == base.augmentation


@pytest.mark.parametrize(
    ("base", "message"),
    [(base, f"must extend one of .*fer-small.*, got extends = {base}") for base in ("'fer'", "3", "'own.toml'")],
)
def test_a_recipe_extends_only_one_that_comes_with_the_program(base: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(f'extends = {base}\nname = "own"\n')
    with pytest.raises(UserError, match=message):
        load_recipe(str(tmp_path / "own.toml"))


def test_every_field_is_described() -> None:
    rows = describe_fields()
    assert {"training.batch_size", "augmentation.rotation", "[training.early_stopping]", "published.folds"} <= {
        row[0] for row in rows
    }
    assert all(row[3] for row in rows), [row[0] for row in rows if not row[3]]


def test_the_recipes_are_listed_with_what_their_authors_reported(command: Command) -> None:
    done = command("recipes")
    assert done.status == 0
    for name in recipe_names():
        assert name in done.out
    assert "59,076,673" in done.out
    assert "mean of 4 folds 59.2%" in done.out
    assert "test accuracy 45.4%, macro F1 0.388" in done.out
    assert "training.optimizer.learning_rate" in command("recipes", "--fields").out
    assert "there is no recipe 'fer'" in command("recipes", "fer").err


def test_the_printed_recipe_can_be_trained_as_ones_own(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(command("recipes", "fer-small").out)
    assert load_recipe(str(tmp_path / "own.toml")).model_dump() == load_recipe("fer-small").model_dump()


def test_the_number_of_classes_is_that_of_the_data(tiny_recipe: Path) -> None:
    recipe = load_recipe(str(tiny_recipe))
    assert recipe.build_model(("happy", "sad")).output_shape == (None, 2)


def changed(tiny: Path, folder: Path, old: str, new: str) -> str:
    text = tiny.read_text()
    assert old in text
    path = folder / "changed.toml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rotation = 10", "rotatoin = 10", r"rotatoin: there is no such field; did you mean augmentation\.rotation\?"),
        ("rotation = 10", "rotation = 200", r"augmentation\.rotation: Input should be less than or equal to 180"),
        ("rotation = 10", "brightness = [1.3, 0.7]", r"augmentation\.brightness: .*first number must not be larger"),
        ("[data]", "[dta]", r"dta: there is no such field; did you mean data"),
        ("epochs = 2", "", r"training\.epochs: Field required"),
        ('name = "tiny"', "", "name: Field required"),
        ("epochs = 2", 'epochs = "many"', r"training\.epochs: Input should be a valid integer"),
        ("epochs = 2", "epochs = 0", r"training\.epochs: Input should be greater than 0"),
        ("height = 16", "height = -1", r"input\.height: Input should be greater than 0"),
        ("width = 16", "width = 16\nchannels = 2", r"input\.channels: Input should be 1 or 3"),
        ("validation = 0.2", "validation = 1.2", r"data\.validation: Input should be less than 1"),
        ("validation = 0.2", "validation = 0.8", r"data: .*must leave something to train on"),
        ("learning_rate = 0.01", "learning_rate = 0", r"training\.optimizer\.learning_rate"),
        (
            "batch_size = 16",
            'batch_size = 16\nlearning_rate_schedule = "cosine"',
            "training: .*both set the learning rate; choose one",
        ),
        ("patience = 1", "patience = 0", r"training\.reduce_lr_on_plateau\.patience"),
        ('name = "tiny"', 'name = "../tiny"', "name: String should match pattern"),
        (
            "patience = 1",
            'patience = 1\nmonitor = "val_acc"',
            r"training\.reduce_lr_on_plateau\.monitor: Input should be 'val_loss', 'val_accuracy'",
        ),
        ("[input]", "[input", "is not valid TOML: .*line"),
        ('name = "tiny"', "name = tiny", "is not valid TOML"),
        ("epochs = 2", f"epochs = {'9' * 5000}", "is not valid TOML: it holds a number of too many digits"),
        ("epochs = 2", f"epochs = {'[' * 3000}", "is not valid TOML: its brackets are nested too deeply"),
        ("momentum = 0.9", f"momentum = {'[' * 280}{']' * 280}", "is not valid: its brackets are nested too deeply"),
        ("height = 16", f"height = {'9' * 400}", r"input\.height: Input should be less than"),
        ("batch_size = 16", "batch_size = 16\nlearning_rate = 1", r"did you mean training\.optimizer\.learning_rate\?"),
        ("[input]", "patience = 3\n[input]", r"training\.early_stopping\.patience or training\.reduce_lr_on_pl"),
        ("height = 16", "height = 16\nx = 1", r"input\.x: .*choose one of height, width, channels, scale, offset$"),
    ],
)
def test_mistakes_in_the_file_are_named_by_their_field(
    old: str, new: str, message: str, tiny_recipe: Path, tmp_path: Path
) -> None:
    path = changed(tiny_recipe, tmp_path, old, new)
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(path)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('layer = "Conv2D"', 'layer = "Conv3D"', "layer 1: unknown layer class 'Conv3D'"),
        ('layer = "Conv2D"', 'lyer = "Conv2D"', 'layer 1: every layer needs its class, as in layer = "Conv2D"'),
        ("filters = 4", "filters = 4\nfiltres = 4", "layer 1: .*filtres"),
        ("filters = 4", "filters = -4", "layer 1: filters must be a positive int, got -4"),
        ("rate = 0.2", "rate = 1.5", "layer 4: rate"),
        (
            "batch_size = 16",
            'batch_size = 16\nloss = "binary_crossentropy"',
            "shape .None, 2., but .* end it with a Dense layer of units = 1 and activation",
        ),
        ('units = "classes"', "units = 5", "output has shape .None, 5., but the data have 2 classes"),
        ('layer = "Flatten"', 'layer = "ReLU"', r"output has shape \(None, 7, 7, 2\)"),
        ("kernel_size = 3", "kernel_size = 30", "layer 1: "),
        ("filters = 4", f"filters = {'9' * 400}", "layer 1: a number is too large"),
        ('name = "adam"', 'name = "adamant"', "optimizer must be one of .*got 'adamant'"),
        ("learning_rate = 0.01", "learning_rate = 0.01\noptions = {beta = 1}", "optimizer.*beta"),
    ],
)
def test_mistakes_in_the_network_and_its_training_are_named(
    old: str, new: str, message: str, tiny_recipe: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(changed(tiny_recipe, tmp_path, old, new))
    with pytest.raises(UserError, match=f"recipe tiny.*{message}"):
        recipe.build_model(("happy", "sad"))


def test_a_binary_recipe_refuses_more_than_two_classes() -> None:
    with pytest.raises(UserError, match=r"tells two classes apart, but the data have 7; name two of them, as in --set"):
        load_recipe("happy-sad").build_model(CLASSES)


def test_a_recipe_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no recipe 'fer-smal'; choose one of .*fer-small"):
        load_recipe("fer-smal")
    with pytest.raises(UserError, match=r"missing\.toml cannot be read: No such file"):
        load_recipe(str(tmp_path / "missing.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.toml is not valid TOML"):
        load_recipe(str(tmp_path / "binary.toml"))
