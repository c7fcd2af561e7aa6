"""The contenders by name: our engine, and every library that it is measured against."""

from collections.abc import Sequence

from pipelines.bench.peers.base import Contender
from pipelines.bench.peers.keras_tensorflow import KerasTensorflow
from pipelines.bench.peers.numpy_blas import NumpyBlas
from pipelines.bench.peers.onnx_runtime import OnnxRuntime
from pipelines.bench.peers.openvino_cpu import OpenvinoCpu
from pipelines.bench.peers.scratchnet_engine import Scratchnet
from pipelines.bench.peers.torch_eager import TorchEager
from pipelines.errors import UserError

OURS: type[Contender] = Scratchnet
PEERS: tuple[type[Contender], ...] = (KerasTensorflow, TorchEager, OnnxRuntime, OpenvinoCpu, NumpyBlas)
BY_NAME: dict[str, type[Contender]] = {contender.name: contender for contender in (OURS, *PEERS)}
PEER_NAMES = tuple(peer.name for peer in PEERS)


def choose_peers(wanted: Sequence[str] | None) -> tuple[list[type[Contender]], list[type[Contender]]]:
    """The peers to measure, and those that are left out because they are not installed.

    Args:
        wanted: names of `PEER_NAMES`; None for whatever is installed.

    Raises:
        UserError: a name is unknown, or its library is not installed.
    """
    if wanted is None:
        return [peer for peer in PEERS if peer.installed()], [peer for peer in PEERS if not peer.installed()]
    for name in wanted:
        if name not in PEER_NAMES:
            raise UserError(f"there is no peer {name!r}; choose from {', '.join(PEER_NAMES)}")
        missing = [module for module in BY_NAME[name].modules if not BY_NAME[name].installed()]
        if missing:
            raise UserError(
                f"peer {name} needs {' and '.join(missing)}, not all of them installed; "
                'pip install -e ".[bench]" in the checkout brings ONNX Runtime and OpenVINO, ".[keras]" TensorFlow, '
                "and PyTorch comes from pytorch.org"
            )
    return [peer for peer in PEERS if peer.name in wanted], []
