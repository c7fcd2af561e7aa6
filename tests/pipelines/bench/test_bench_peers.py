"""Every contender computes what we compute: only then may its time be compared."""

import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipelines.bench.agreement import DisagreementError, check_agreement
from pipelines.bench.convolutions import Convolution, Direction
from pipelines.bench.measure import convolution_calls, net_calls
from pipelines.bench.nets import TINY, LayerSpec, Net
from pipelines.bench.peers import BY_NAME, PEERS, choose_peers
from pipelines.bench.peers.base import Contender
from pipelines.bench.timing import Pace
from pipelines.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
PACE = Pace(rounds=1, budget=0, pause=0)

# what TINY has not: `valid`, an activation within a convolution, another order, normalised units, one sigmoid output
BINARY = Net(
    "binary",
    (11, 9, 3),
    6,
    (
        LayerSpec("Conv2D", {"filters": 5, "kernel_size": 3, "padding": "valid", "activation": "relu"}),
        LayerSpec("MaxPooling2D", {"pool_size": 2}),
        LayerSpec("BatchNormalization", {"momentum": 0.9, "epsilon": 1e-2}),
        LayerSpec("Flatten"),
        LayerSpec("Dropout", {"rate": 0.0}),
        LayerSpec("Dense", {"units": 6, "activation": "relu"}),
        LayerSpec("BatchNormalization", {"momentum": 0.9, "epsilon": 1e-2}),
        LayerSpec("Dense", {"units": 4, "activation": "sigmoid"}),
        LayerSpec("Dense", {"units": 1, "activation": "sigmoid"}),
    ),
    loss="binary_crossentropy",
    learning_rate=1e-2,
)
CATEGORICAL = replace(TINY, layers=tuple(layer for layer in TINY.layers if layer.kind != "Dropout"))


@cache
def contender(name: str) -> Contender:
    """A contender, or a skip where its library is not installed."""
    if not BY_NAME[name].installed():
        pytest.skip(f"{BY_NAME[name].title} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the imports of some libraries warn
        # TensorFlow may be at work already, too late for another number of threads than its own choice
        return BY_NAME[name](0 if name == "keras" else 1)


@pytest.mark.parametrize("net", [TINY, BINARY], ids=lambda net: net.name)
@pytest.mark.parametrize("name", [peer.name for peer in PEERS if peer.predicts])
def test_a_peer_predicts_what_we_predict(name: str, net: Net) -> None:
    weights, (x, _) = net.draw_weights(), net.draw_batch(net.batch)
    (ours,) = contender("scratchnet").infer(net, weights, x).values()
    assert ours().std(axis=0).min() > 1e-3  # the outputs tell the images apart
    for variant, predict in contender(name).infer(net, weights, x).items():
        np.testing.assert_allclose(predict(), ours(), rtol=1e-4, atol=1e-5, err_msg=variant)


def test_openvino_divides_a_batch_among_its_streams_without_changing_the_order() -> None:
    if not BY_NAME["openvino"].installed():
        pytest.skip("OpenVINO is not installed")
    weights, (x, _) = TINY.draw_weights(), TINY.draw_batch(4)
    variants = BY_NAME["openvino"](2).infer(TINY, weights, x)
    assert set(variants) == {"latency", "streams"}
    np.testing.assert_allclose(variants["streams"](), variants["latency"](), atol=1e-6)


@pytest.mark.parametrize("net", [CATEGORICAL, BINARY], ids=["categorical", "binary"])
@pytest.mark.parametrize("name", [peer.name for peer in PEERS if peer.trains])
def test_a_peers_steps_lower_the_loss_as_ours_do(name: str, net: Net) -> None:
    weights, (x, y) = net.draw_weights(), net.draw_batch(net.batch)
    (ours,) = contender("scratchnet").train(net, weights, x, y).values()
    expected = [ours() for _ in range(5)]
    assert expected[-1] < expected[0] - 1e-4
    for variant in contender(name).train(net, weights, x, y):
        step = contender(name).train(net, weights, x, y)[variant]
        assert [float(step()) for _ in range(5)] == pytest.approx(expected, rel=1e-3), variant


@pytest.mark.parametrize("direction", ["forward", "kernel gradient", "input gradient"])
@pytest.mark.parametrize("name", ["scratchnet", *(peer.name for peer in PEERS)])
def test_convolutions_and_their_gradients_agree(name: str, direction: Direction) -> None:
    case = Convolution(direction, 6, 3, 5, batch=2)
    x, kernel, dy = case.draw()
    expected = contender("numpy").convolve(case, x, kernel, dy)
    work = contender(name).convolve(case, x, kernel, dy)
    assert expected is not None
    if work is None:
        assert not BY_NAME[name].trains
        return
    np.testing.assert_allclose(work.array(work.run()), expected.array(expected.run()), rtol=1e-4, atol=1e-4)


def test_numpys_convolution_is_a_sum_over_the_window() -> None:
    case = Convolution("forward", 3, 1, 1, batch=1)
    x, kernel, dy = case.draw()
    work = contender("numpy").convolve(case, x, kernel, dy)
    assert work is not None
    y = work.array(work.run())
    assert y[0, 1, 1, 0] == pytest.approx((x[0, :, :, 0] * kernel[:, :, 0, 0]).sum(), rel=1e-5)
    assert y[0, 0, 0, 0] == pytest.approx((x[0, :2, :2, 0] * kernel[1:, 1:, 0, 0]).sum(), rel=1e-5)


class Wrong(Contender):
    """A contender that is a little wrong everywhere."""

    name = "wrong"
    title = "Wrong"
    trains = True

    def infer(self, net, weights, x):  # type: ignore[no-untyped-def]
        (right,) = contender("scratchnet").infer(net, weights, x).values()
        return {"slightly": lambda: right() + 0.01}

    def convolve(self, case, x, kernel, dy):  # type: ignore[no-untyped-def]
        return contender("numpy").convolve(case, x + 0.01, kernel, dy)


@pytest.mark.parametrize("section", ["train", "infer", "one"])
def test_a_peer_that_predicts_something_else_is_not_timed(section: str) -> None:
    with pytest.raises(DisagreementError, match=r"Wrong \(slightly\) does not compute net tiny as we do: .* 0\.01"):
        net_calls([contender("scratchnet"), Wrong(1)], section, TINY, PACE)


def test_a_peer_that_convolves_something_else_is_not_timed() -> None:
    with pytest.raises(DisagreementError, match="Wrong does not compute forward 6x6"):
        convolution_calls([contender("scratchnet"), Wrong(1)], Convolution("forward", 6, 3, 5, batch=2))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_does_not_agree(bad: float) -> None:
    with pytest.raises(DisagreementError):
        check_agreement(np.zeros(2), np.array([0.0, bad]), "somebody", "something")


def test_another_shape_does_not_agree() -> None:
    with pytest.raises(DisagreementError, match=r"somebody gives shape \(2, 1\) for something, we give \(2,\)"):
        check_agreement(np.zeros(2), np.zeros((2, 1)), "somebody", "something")


def test_rounding_of_large_sums_agrees() -> None:
    large = np.array([1e4, 1e-3])
    check_agreement(large, large + 0.5, "somebody", "something")


def test_peers_that_are_not_installed_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BY_NAME["torch"], "modules", ("a_library_that_nobody_has",))
    chosen, missing = choose_peers(None)
    assert missing[0] is not BY_NAME["numpy"]
    assert BY_NAME["torch"] in missing
    assert BY_NAME["numpy"] in chosen


def test_a_peer_that_was_asked_for_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BY_NAME["torch"], "modules", ("a_library_that_nobody_has",))
    with pytest.raises(UserError, match="peer torch needs a_library_that_nobody_has"):
        choose_peers(["numpy", "torch"])


def test_contenders_are_described_without_importing_any_library() -> None:
    heavy = ["scratchnet", "numba", "tensorflow", "keras", "torch", "onnx", "onnxruntime", "openvino", "rich"]
    code = f"import sys, pipelines.bench.child; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
