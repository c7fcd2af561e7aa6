import drawn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import layers

POOLS = ["MaxPooling2D", "AveragePooling2D"]
GLOBAL_POOLS = ["GlobalMaxPooling2D", "GlobalAveragePooling2D"]


@pytest.mark.parametrize("name", POOLS)
@settings(max_examples=20)
@given(drawn.seeds, drawn.dtypes, drawn.slidings(max_dilation=1), st.integers(1, 3), st.booleans())
def test_pools_equal_keras(name, seed, dtype, sliding, channels, own_strides):
    strides = {"strides": sliding.strides} if own_strides else {}
    ours, theirs = twins(name, dtype, pool_size=sliding.kernel, padding=sliding.padding, **strides)
    check_equal_layers(ours, theirs, *draw(seed, dtype, (2, *sliding.size, channels)), seed=seed)


@pytest.mark.parametrize("name", POOLS)
def test_pools_are_two_by_two_by_default(name):
    assert getattr(layers, name)().get_config()["pool_size"] == [2, 2]
    check_equal_layers(getattr(layers, name)(), twins(name, pool_size=2)[1], *draw(1, "float32", (2, 5, 6, 3)))


@pytest.mark.parametrize("name", GLOBAL_POOLS)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_global_pools_equal_keras(name, keepdims, dtype):
    check_equal_layers(*twins(name, dtype, keepdims=keepdims), *draw(1, dtype, (3, 4, 5, 2)))


@pytest.mark.parametrize("name", POOLS)
def test_errors_name_the_argument_the_rule_and_the_value(name):
    make = getattr(layers, name)
    for arguments, message in (
        ({"pool_size": (2, 0)}, r"pool_size must be a positive int or a pair of them, got \(2, 0\)"),
        ({"strides": "2"}, r"strides must be .* got '2'"),
        ({"padding": "SAMEISH"}, r"padding must be 'valid' or 'same', got 'SAMEISH'"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**arguments)
    with pytest.raises(ValueError, match=r"p needs images .* got \(None, 3\)"):
        make(name="p")(layers.Input((3,)))


@pytest.mark.parametrize("name", GLOBAL_POOLS)
def test_global_pools_need_images(name):
    with pytest.raises(ValueError, match=r"g needs images .* got \(None, 3\)"):
        getattr(layers, name)(name="g")(layers.Input((3,)))
