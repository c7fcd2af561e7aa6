"""The networks that are timed have the published sizes, and are drawn alike for everybody."""

import numpy as np
import pytest

from pipelines.bench.nets import NETS, TINY


@pytest.mark.parametrize(
    ("name", "parameters", "megaflops"),
    [("A", 684_423, 45), ("B", 2_784_647, 261), ("C", 59_076_673, 1340), ("D", 517_316, 1270)],
)
def test_a_network_has_the_published_number_of_parameters_and_operations(
    name: str, parameters: int, megaflops: int
) -> None:
    net = NETS[name]
    assert net.build().count_params() == parameters
    flops = 0
    for layer, before, after in zip(net.layers, net.shapes()[:-1], net.shapes()[1:], strict=True):
        if layer.kind == "Conv2D":
            flops += 2 * int(np.prod(after)) * 9 * before[-1]
        elif layer.kind == "Dense":
            flops += 2 * before[0] * after[0]
    assert flops / 1e6 == pytest.approx(megaflops, rel=0.02)


@pytest.mark.parametrize("name", NETS)
def test_the_shapes_are_those_of_the_model(name: str) -> None:
    net = NETS[name]
    layers = net.build().layers
    assert [
        layer.compute_output_shape((None, *shape))[1:] for layer, shape in zip(layers, net.shapes(), strict=False)
    ] == (net.shapes()[1:])


def test_a_batch_fits_the_network_and_its_loss() -> None:
    x, y = NETS["A"].draw_batch(5)
    assert x.shape == (5, 48, 48, 1)
    assert x.dtype == np.float32
    assert y.shape == (5,)
    assert set(y) <= set(range(7))
    _, binary = NETS["C"].draw_batch(5)
    assert binary.shape == (5, 1)
    assert set(binary.reshape(-1)) <= {0.0, 1.0}


def test_weights_are_repeatable_and_no_two_of_a_layer_can_be_mixed_up() -> None:
    first, second = TINY.draw_weights(seed=3), TINY.draw_weights(seed=3)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float32
        assert np.unique(one).size == one.size
