"""A recipe says exactly what is trained; a mistake in it is named with its place."""

from pathlib import Path

import pytest

from pipelines.data.augmentation import Augmentation
from pipelines.data.class_names import class_key
from pipelines.data.csv_source import EMOTIONS
from pipelines.errors import UserError
from pipelines.recipe_files import load_recipe, recipe_names

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
    assert recipe.augmentation == Augmentation(horizontal_flip=True)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_is_shipped_builds_a_model_for_seven_classes(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.build_model(CLASSES).output_shape == (None, 7)


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
        ("rotation = 10", "rotatoin = 10", r"augmentation\.rotatoin: Extra inputs"),
        ("rotation = 10", "rotation = 200", r"augmentation\.rotation: Input should be less than or equal to 180"),
        ("rotation = 10", "brightness = [1.3, 0.7]", r"augmentation\.brightness: .*first number must not be larger"),
        ("[data]", "[dta]", r"dta: Extra inputs"),
        ("epochs = 2", "", r"training\.epochs: Field required"),
        ('name = "tiny"', "", "name: Field required"),
        ("epochs = 2", 'epochs = "many"', r"training\.epochs: Input should be a valid integer"),
        ("epochs = 2", "epochs = 0", r"training\.epochs: Input should be greater than 0"),
        ("height = 16", "height = -1", r"input\.height: Input should be greater than 0"),
        ("width = 16", "width = 16\nchannels = 2", r"input\.channels: Input should be 1 or 3"),
        ("validation = 0.2", "validation = 1.2", r"data\.validation: Input should be less than 1"),
        ("validation = 0.2", "validation = 0.8", r"data: .*must leave something to train on"),
        ("learning_rate = 0.01", "learning_rate = 0", r"training\.optimizer\.learning_rate"),
        ("patience = 1", "patience = 0", r"training\.reduce_lr_on_plateau\.patience"),
        ('name = "tiny"', 'name = "../tiny"', "name: String should match pattern"),
        (
            "patience = 1",
            'patience = 1\nmonitor = "val_acc"',
            r"training\.reduce_lr_on_plateau\.monitor: Input should be 'val_loss', 'val_accuracy'",
        ),
        ("[input]", "[input", "is not valid TOML: .*line"),
        ('name = "tiny"', "name = tiny", "is not valid TOML"),
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
        ('units = "classes"', "units = 5", "output has shape .None, 5., but the data have 2 classes"),
        ('layer = "Flatten"', 'layer = "ReLU"', r"output has shape \(None, 7, 7, 2\)"),
        ("kernel_size = 3", "kernel_size = 30", "layer 1: "),
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


def test_a_recipe_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no recipe 'fer-smal'; choose one of .*fer-small"):
        load_recipe("fer-smal")
    with pytest.raises(UserError, match=r"missing\.toml cannot be read: No such file"):
        load_recipe(str(tmp_path / "missing.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.toml is not valid TOML"):
        load_recipe(str(tmp_path / "binary.toml"))
