"""Running the label page: address, port, the thread that keeps the manifest up to date, and an orderly end."""

import json
import re
import secrets
import socket
import threading
import webbrowser
from pathlib import Path

import waitress  # type: ignore[import-untyped]  # the package ships no types

from pipelines.console import console
from pipelines.curation.labelling import Labelling
from pipelines.errors import UserError
from pipelines.files import whole_file
from pipelines.labelpage.app import LARGEST_REQUEST, make_app
from pipelines.labelpage.guessing import Guesser
from pipelines.parsing import read_json

HOST = "127.0.0.1"
ADDRESS_NAME = ".labelpage.json"
QUIET_SECONDS = 1.0  # nobody labels for so long: the manifest is written
LIMITS = {
    "threads": 8,
    # connections that ask nothing wait aside until they end, so that they keep nobody out
    "connection_limit": 500,
    "asyncore_use_poll": True,
    "channel_timeout": 15,  # seconds; longer than an open page is silent
    "cleanup_interval": 1,
    "max_request_header_size": 16 * 1024,
    "max_request_body_size": LARGEST_REQUEST,
}


class Settler(threading.Thread):
    """Brings labels into files and manifest while nobody presses keys."""

    def __init__(self, labelling: Labelling) -> None:
        super().__init__(name="settler", daemon=True)
        self._labelling = labelling
        self._stopping = threading.Event()

    def run(self) -> None:
        """Settle whenever no label has come for a moment."""
        before = 0
        while not self._stopping.wait(QUIET_SECONDS):
            unsettled = self._labelling.unsettled()
            if unsettled and unsettled == before:
                self._labelling.try_to_settle()
            before = unsettled

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self.join()


def serve(
    labelling: Labelling,
    *,
    title: str,
    labeller: str,
    target: int,
    port: int | None = None,
    guesser: Guesser | None = None,
    open_browser: bool = True,
) -> None:
    """Serve the page until a KeyboardInterrupt; everything is in the manifest when this returns.

    After a crash the address stays the same, so that tabs that are still open go on by themselves.

    Args:
        labelling: The dataset at work, which the caller has locked.
        title: What the page calls the dataset.
        labeller: The name that a new tab starts with.
        target: Wanted images per class.
        port: Where to listen; a free one by default.
        guesser: A model's guesses, made meanwhile.
        open_browser: Whether the page is opened.

    Raises:
        UserError: The port is taken, or a file is in the way of one that should move.
        OSError: The disk refuses.
    """
    record = labelling.manifest.folder / ADDRESS_NAME
    token, listener = _address(record, port)
    port = listener.getsockname()[1]
    app = make_app(labelling, token, port, title=title, labeller=labeller, target=target)
    server = waitress.create_server(app, sockets=[listener], ident=None, **LIMITS)
    address = f"http://{HOST}:{port}/{token}/"
    settler = Settler(labelling)
    try:
        with whole_file(record, 0o600) as temporary:  # others on this machine must not read the token
            temporary.write_text(json.dumps({"port": port, "token": token}))
        console.print(f"label at {address}")
        console.print("Ctrl-C ends it; every label is saved as soon as its key is pressed")
        settler.start()
        if guesser is not None:
            guesser.start()
        if open_browser:
            webbrowser.open(address)
        server.run()  # returns after an interruption
    finally:
        server.close()
        for thread in (guesser, settler):
            if thread is not None and thread.is_alive():
                thread.stop()
        record.unlink(missing_ok=True)
        labelling.settle()


def _address(record: Path, port: int | None) -> tuple[str, socket.socket]:
    """A token and a listening socket; those of a server that was killed, if they can be had again."""
    token = secrets.token_urlsafe(24)
    try:
        left = read_json(record)
        old_port, old_token = int(left["port"]), str(left["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return token, _listen(port or 0)
    if re.fullmatch(r"[\w-]{32}", old_token, re.ASCII) and port in (None, old_port):
        try:
            return old_token, _listen(old_port)
        except UserError:
            if port is not None:
                raise
    return token, _listen(port or 0)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {port} cannot be used ({error.strerror}); choose another --port, or leave it out"
        ) from error
    return listener
