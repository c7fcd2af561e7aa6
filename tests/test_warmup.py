"""After `warmup` no call has to wait for a compiler."""

import numpy as np
import pytest
from processes import run_python

import scratchnet as sn
from scratchnet.kernels import jit
from scratchnet.random import get_random_state

# Kernels that no other kernel calls are entered from Python; the others are compiled as parts of those.
FORGOTTEN = """
import sys
from numba.core.dispatcher import Dispatcher
import scratchnet as sn
from scratchnet.kernels import jit

def called_by(kernel):
    function = kernel.py_func
    values = [function.__globals__.get(name) for name in function.__code__.co_names]
    values += [cell.cell_contents for cell in function.__closure__ or ()]
    return [value for value in values if isinstance(value, Dispatcher)]

sn.warmup(sys.argv[1])
inner = {id(part) for kernel in jit.KERNELS for part in called_by(kernel)}
entered = [kernel for kernel in jit.KERNELS if id(kernel) not in inner and kernel.py_func.__module__ != "__main__"]
assert len(entered) > 20
print([f"{k.py_func.__module__}.{k.py_func.__qualname__}" for k in entered if not k.signatures
       and not (sys.argv[1] == "float64" and "winograd" in k.py_func.__module__)])  # which is for float32 alone
"""

# Whatever is not in these lines but in the package is at work here after a warmup: other shapes, layers, optimisers.
NOTHING_NEW = """
import sys
import numpy as np
import scratchnet as sn
from scratchnet.kernels import jit

dtype = sys.argv[1]
sn.warmup(dtype)
before = {id(kernel): set(kernel.signatures) for kernel in jit.KERNELS}
L, options = sn.layers, {"dtype": dtype}
optimizers = [
    sn.optimizers.Adam(amsgrad=True, clipnorm=1.0), sn.optimizers.SGD(momentum=0.9, nesterov=True, clipvalue=0.1),
    sn.optimizers.RMSprop(centered=True, global_clipnorm=1.0), sn.optimizers.AdamW(),
]
for number, (channels, optimizer) in enumerate(zip((1, 2, 3, 16), optimizers)):
    model = sn.Sequential([
        L.Input((23, 21, channels)),
        L.Rescaling(2.0, **options),
        L.Conv2D(32, 3, padding="same", activation="relu", **options),
        L.BatchNormalization(**options),
        L.MaxPooling2D(**options),
        L.Conv2D(48, 3, strides=2, groups=2, use_bias=False, **options),
        L.LeakyReLU(**options),
        L.DepthwiseConv2D(3, padding="same", **options),
        L.SeparableConv2D(20, 3, depth_multiplier=2, activation="gelu", **options),
        L.AveragePooling2D(padding="same", **options),
        L.Conv2D(200, 1, activation="silu", **options),
        [L.GlobalAveragePooling2D, L.GlobalMaxPooling2D, L.Flatten, L.Flatten][number](**options),
        L.Dropout(0.3, **options),
        L.Dense(100, activation="relu", **options),
        L.BatchNormalization(**options),
        L.Dense(6, activation="softmax", **options),
    ])
    losses = ["sparse_categorical_crossentropy", sn.losses.CategoricalCrossentropy(label_smoothing=0.1)]
    model.compile(optimizer, losses[number % 2], metrics=["accuracy"])
    x = np.random.default_rng(0).random((21, 23, 21, channels)).astype(dtype)
    x.flags.writeable = False
    labels = np.arange(21) % 6
    y = labels if number % 2 == 0 else np.eye(6)[labels]
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, validation_split=0.3)
    for count in (1, 2, 20):
        model.predict(x[:count])
        model(x[:count])
print([
    (kernel.py_func.__qualname__, signature)
    for kernel in jit.KERNELS for signature in kernel.signatures if signature not in before[id(kernel)]
])
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_kernel_is_forgotten(dtype):
    status, output, errors = run_python(FORGOTTEN, dtype)
    assert (status, output) == (0, "[]\n"), errors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_find_all_their_kernels_compiled(dtype):
    status, output, errors = run_python(NOTHING_NEW, dtype)
    assert (status, output) == (0, "[]\n"), errors


def test_it_leaves_random_numbers_and_names_alone():
    sn.set_random_seed(3)
    first, state = sn.layers.Dense(1).name, get_random_state()
    sn.warmup()
    assert get_random_state() == state
    assert sn.layers.Dense(1).name == f"dense_{int(first.removeprefix('dense').removeprefix('_') or 0) + 1}"


def test_it_is_silent_unless_asked(capsys):
    sn.warmup()
    assert capsys.readouterr().out == ""
    sn.warmup(verbose=True)
    assert "convolutions: " in capsys.readouterr().out


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got float16"):
        sn.warmup("float16")


def test_a_planted_kernel_would_be_found():
    @jit.kernel
    def planted(x):
        return x

    try:
        assert planted in jit.KERNELS
        sn.warmup()
        assert not planted.signatures
        planted(np.float32(1))
        assert planted.signatures
    finally:
        jit.KERNELS.remove(planted)
