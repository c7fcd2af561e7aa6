"""What the package promises as a whole: light imports, a curated surface, floors, a command that explains itself."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import scratchnet as sn

ROOT = Path(__file__).resolve().parents[1]
ENGINE = Path(sn.__file__).parent

SURFACES = {
    "layers": "Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv2D Dense DepthwiseConv2D "
    "Dropout ELU Flatten GlobalAveragePooling2D GlobalMaxPooling2D Input Layer LeakyReLU MaxPooling2D "
    "Maximum Minimum Multiply Normalization ReLU Rescaling Reshape SeparableConv2D Softmax Subtract UnitNormalization "
    "ZeroPadding2D",
    "ops": "abs add average_pool2d batch_normalization batch_normalization_training binary_cross_entropy_with_logits "
    "cast clip concatenate conv2d cross_entropy_with_logits dense depthwise_conv2d divide dropout elu exp gelu getitem "
    "global_average_pool2d global_max_pool2d hard_sigmoid hard_silu leaky_relu log log_softmax matmul max "
    "max_pool2d maximum mean minimum mish multiply negative pad power relu relu6 reshape selu sigmoid silu softmax "
    "softplus softsign sparse_cross_entropy_with_logits sqrt square subtract sum tanh transpose",
    "losses": "BinaryCrossentropy CategoricalCrossentropy Loss MeanSquaredError SparseCategoricalCrossentropy get "
    "serialize",
    "optimizers": "SGD Adam AdamW Optimizer RMSprop get serialize",
    "schedules": "CosineDecay ExponentialDecay LearningRateSchedule PiecewiseConstantDecay get serialize",
    "metrics": "AUC Accuracy BinaryAccuracy CategoricalAccuracy F1Score Mean MeanAbsoluteError MeanSquaredError "
    "Metric Precision Recall SparseCategoricalAccuracy SparseTopKCategoricalAccuracy TopKCategoricalAccuracy get "
    "resolve serialize",
    "callbacks": "BackupAndRestore CSVLogger Callback CallbackList EarlyStopping History LambdaCallback "
    "LearningRateScheduler ModelCheckpoint ReduceLROnPlateau TerminateOnNaN",
    "explain": "convolution_layers feature_maps grad_cam grad_cam_layer saliency spatial_layers",
    "features": "FeatureExtractor FilterBank ScratchClassifier filter_bank layer_features",
}

# Each module may import those of its own part and of parts further down.
FLOORS = (
    ("pipelines",),
    ("startup",),
    ("explain", "features"),
    (  # files of other programs, each a way into or out of a model
        "formats.saving",
        "formats.loading",
        "formats.onnx_writing",
        "formats.onnx_layers",
        "formats.onnx_activations",
        "formats.onnx_graph",
        "formats.keras_writing",
        "formats.keras_description",
        "formats.keras_files",
        "formats.keras_training",
        "formats.keras_graph",
        "formats.keras_calls",
        "formats.keras_entries",
        "formats.keras_weights",
        "formats.keras_archive",
        "formats.keras_slots",
        "formats.keras_config",
        "formats.keras_options",
    ),
    ("models", "formats.native", "formats.limits"),  # reading a model builds one
    ("layers", "activations"),
    ("losses", "optimizers", "schedules", "metrics", "callbacks", "initializers", "regularizers"),
    ("parameter",),
    ("ops",),
    ("tensor",),
    ("kernels",),
    # arrays on disk: models and backups are made of them
    ("formats.container", "formats.whole_file", "formats.parsing", "formats.errors", "formats.hdf5", "formats"),
    ("arrays", "random", "serialization", "environment"),
)
# Imports that run upward, each with what makes it necessary.
UPWARD = {
    ("tensor", "ops"): "a tensor's operators are operations, which are made of tensors",
}


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_the_engine_loads_nothing_but_numpy_and_numba() -> None:
    heavy = [
        "tensorflow", "keras", "torch", "cv2", "sklearn", "scipy", "matplotlib", "pydantic", "rich", "typer", "h5py",
        "pipelines",
    ]  # fmt: skip
    code = (
        "import sys, numpy, numba; before = set(sys.modules); import scratchnet; "
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )  # numba itself looks at SciPy's version where it is installed
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_surface_is_curated_sorted_and_importable() -> None:
    assert sn.__all__ == sorted(sn.__all__)
    assert set(sn.__all__) == {
        "Input", "Model", "ModelFileError", "Parameter", "Sequential", "Tensor", "__version__", "activations",
        "callbacks", "explain", "initializers", "layers", "load_model", "losses", "metrics", "no_grad", "ops",
        "optimizers", "regularizers", "schedules", "set_exact", "set_random_seed", "warmup",
    }  # fmt: skip
    assert all(hasattr(sn, name) for name in sn.__all__)


@pytest.mark.parametrize("module", SURFACES)
def test_each_module_offers_the_names_it_promises(module: str) -> None:
    found = importlib.import_module(f"scratchnet.{module}")
    assert sorted(found.__all__) == sorted(SURFACES[module].split())
    assert all(callable(getattr(found, name)) for name in found.__all__)


def test_the_examples_in_docstrings_hold() -> None:
    attempted = 0
    for info in pkgutil.walk_packages(sn.__path__, "scratchnet."):
        result = doctest.testmod(importlib.import_module(info.name))
        assert result.failed == 0, info.name
        attempted += result.attempted
    assert doctest.testmod(sn).failed == 0
    assert attempted > 10


def test_type_information_is_shipped() -> None:
    assert resources.files("scratchnet").joinpath("py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["scratchnet"]


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sn.__version__


HIDE = """
import sys
class Hiding:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)
HIDDEN = set(sys.argv.pop(1).split(","))
sys.meta_path = [Hiding(finder) for finder in sys.meta_path]
from pipelines.main import main
main()
"""


@pytest.mark.parametrize(
    "hidden", ["typer", "cv2,matplotlib,pydantic,rich,sklearn,typer"], ids=["one missing", "all missing"]
)
def test_without_the_extra_the_command_says_in_one_sentence_how_to_get_it(hidden: str) -> None:
    done = python(HIDE, hidden, "train", "fer-small")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert 'pip install -e ".[pipelines]"' in done.stderr
    assert hidden.replace(",", ", ") in done.stderr


def test_the_command_is_installed_and_knows_its_version() -> None:
    command = Path(sys.executable).parent / "scratchnet"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"scratchnet {sn.__version__}\n"


def part_of(module: str) -> str:
    """`scratchnet.layers.core` -> `layers`."""
    top, _, rest = module.partition(".")
    if top == "pipelines":
        return top
    names = rest.split(".")
    return ".".join(names[:2]) if names[0] == "formats" else names[0]


def engine_imports(path: Path) -> set[tuple[str, bool]]:
    """(module, whether it is imported when the file is) of every import of our own packages in a file."""
    tree = ast.parse(path.read_text())
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for inner in ast.walk(node)
    }
    found: set[tuple[str, bool]] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from scratchnet import ops` is an import of scratchnet.ops
            joined = [f"{node.module}.{alias.name}" for alias in node.names]
            names = joined if node.module in {"scratchnet", "scratchnet.formats"} else [str(node.module)]
        ours = [name for name in names if name.split(".")[0] in {"scratchnet", "pipelines"}]
        found |= {(name, id(node) not in lazy) for name in ours}
    return found


def engine_files() -> list[tuple[str, Path]]:
    return [
        (part_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")), path)
        for path in sorted(ENGINE.rglob("*.py"))
        if path != ENGINE / "__init__.py"
    ]


def test_every_module_of_the_engine_has_its_floor() -> None:
    known = {part for floor in FLOORS for part in floor}
    assert {part for part, _ in engine_files()} <= known


def test_imports_run_downward_only() -> None:
    height = {part: -number for number, floor in enumerate(FLOORS) for part in floor}
    upward = set()
    for importer, path in engine_files():
        for module, at_once in engine_imports(path):
            imported = part_of(module)
            if at_once and importer != imported and height[imported] > height[importer]:
                upward.add((importer, imported))
    assert upward == set(UPWARD)


def test_only_saving_and_loading_is_imported_late() -> None:
    late = {
        (importer, part_of(module))
        for importer, path in engine_files()
        for module, at_once in engine_imports(path)
        if not at_once and importer != part_of(module)
    }
    # a model's methods `save` and `load_weights`
    assert late == {("models", "formats.saving"), ("models", "formats.loading")}


def test_the_engine_does_not_know_the_pipelines() -> None:
    for _, path in [("", ENGINE / "__init__.py"), *engine_files()]:
        assert not any(module.startswith("pipelines") for module, _ in engine_imports(path)), path
