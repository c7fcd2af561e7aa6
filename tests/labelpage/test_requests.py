"""The server answers those who have the token, at its own name, and nobody else; what is wrong is said in JSON."""

import http.client
import json
import os
import shutil
import socket
import stat
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import waitress
from face_sets import make_dataset, pixels_of
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from pipelines.curation.emotions import FIVE
from pipelines.curation.journal import Journal
from pipelines.curation.labelling import Labelling
from pipelines.curation.manifest import Manifest
from pipelines.labelpage.app import make_app
from pipelines.labelpage.serving import ADDRESS_NAME, HOST, LIMITS, serve

TOKEN = "t" * 32
BASE = f"/{TOKEN}"


@pytest.fixture
def work(tmp_path: Path) -> Labelling:
    make_dataset(tmp_path, ["unlabelled"] * 8)
    return Labelling(tmp_path, FIVE)


class LocalClient(FlaskClient):
    """A browser that was given the right address."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": "http://127.0.0.1:8765", **kwargs})


@pytest.fixture
def client(work: Labelling) -> FlaskClient:
    app = make_app(work, TOKEN, 8765, title="faces", labeller="ana", target=100)
    app.test_client_class = LocalClient
    return app.test_client()


PATHS = ["/", "/static/page.js", "/image/ana/1", "/api/start", "/api/state?tab=a", "/api/act", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "/" + "x" * 32, "/" + "t" * 31, "/" + "t" * 33, "/%C3%A4"])
def test_every_request_without_the_token_is_refused(client: FlaskClient, path: str, token: str) -> None:
    for method in ("GET", "POST"):
        answer = client.open(token + path, method=method, json={} if method == "POST" else None)
        assert answer.status_code == 403
        assert "token" in answer.get_json()["error"]
        assert TOKEN not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8765.evil"]
)
@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_only_points_here_is_refused_even_with_the_token(client: FlaskClient, path: str, host: str) -> None:
    answer = client.get(BASE + path, headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert b"<html" not in answer.data


def test_localhost_is_this_machine_too(client: FlaskClient) -> None:
    assert client.get(f"{BASE}/", headers={"Host": "localhost:8765"}, buffered=True).status_code == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:80"},
    {"Origin": "https://127.0.0.1:8765"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_another_page_sends_is_refused_even_with_the_token(
    client: FlaskClient, work: Labelling, headers: dict
) -> None:
    label = {"kind": "label", "tab": "a", "action": "1", "image": "ana/1", "class": "Sad", "labeller": "bo"}
    assert client.post(f"{BASE}/api/act", json=label, headers=headers).status_code == 403
    assert work.counts["Sad"] == 0
    for path in ("/", "/image/ana/1", "/api/state?tab=a"):
        assert client.get(BASE + path, headers=headers).status_code == 403
    # a link to the page may be followed, but nothing else is opened that way
    followed = {"Sec-Fetch-Mode": "navigate", **headers}
    allowed = "Origin" not in headers
    assert client.get(f"{BASE}/", headers=followed, buffered=True).status_code == (200 if allowed else 403)
    assert client.get(f"{BASE}/image/ana/1", headers=followed).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}]
)
def test_what_the_page_itself_sends_is_answered(client: FlaskClient, headers: dict) -> None:
    skip = {"kind": "skip", "tab": "a", "action": "1", "image": "ana/1"}
    assert client.post(f"{BASE}/api/act", json=skip, headers=headers).status_code == 200
    assert client.get(f"{BASE}/image/ana/1", headers=headers).status_code == 200


def test_the_page_names_nothing_from_elsewhere_and_forbids_it(client: FlaskClient) -> None:
    answer = client.get(f"{BASE}/", buffered=True)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for name in ("", "static/page.js", "static/page.css"):
        text = client.get(f"{BASE}/{name}", buffered=True).get_data(as_text=True)
        assert text
        assert "http://" not in text
        assert "https://" not in text


def test_files_beside_the_page_are_not_served(client: FlaskClient) -> None:
    for name in ("../app.py", "..%2fapp.py", "/etc/passwd", "nothing.js"):
        assert client.get(f"{BASE}/static/{name}").status_code in (403, 404)


def test_a_face_is_served_as_it_is_also_after_it_has_moved(client: FlaskClient, work: Labelling) -> None:
    for _ in range(2):
        answer = client.get(f"{BASE}/image/ana/1")
        assert answer.mimetype == "image/png"
        image = cv2.imdecode(np.frombuffer(answer.data, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(image[..., ::-1], pixels_of(1))
        work.label("a", "1", ("ana", 1), "Happy", "ana")
        work.settle()
    assert client.get(f"{BASE}/image/ana/99").status_code == 404


def test_a_face_is_served_while_its_row_still_names_the_old_folder(client: FlaskClient, work: Labelling) -> None:
    work.label("a", "1", ("ana", 1), "Happy", "ana")
    folder = work.manifest.folder
    (folder / "Happy").mkdir()
    (folder / "unlabelled/unlabelled_ana_00001.png").rename(folder / "Happy/Happy_ana_00001.png")
    assert client.get(f"{BASE}/image/ana/1").status_code == 200


def test_an_image_that_became_a_link_out_of_the_dataset_is_refused(
    client: FlaskClient, work: Labelling, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = work.manifest.folder
    outside = tmp_path_factory.mktemp("outside")
    (outside / "unlabelled_ana_00002.png").write_bytes(b"secret")
    first = folder / "unlabelled/unlabelled_ana_00001.png"
    first.unlink()
    first.symlink_to(outside / "unlabelled_ana_00002.png")
    answer = client.get(f"{BASE}/image/ana/1")
    assert answer.status_code == 400
    assert "is a link that leads out of the dataset" in answer.get_json()["error"]
    shutil.rmtree(folder / "unlabelled")
    (folder / "unlabelled").symlink_to(outside)
    assert client.get(f"{BASE}/image/ana/2").status_code == 400


def test_a_link_within_the_dataset_and_one_to_the_dataset_are_followed(
    work: Labelling, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = work.manifest.folder
    image = folder / "unlabelled/unlabelled_ana_00001.png"
    (folder / ".store").mkdir()
    content = image.read_bytes()
    image.rename(folder / ".store/1")
    image.symlink_to(Path("../.store/1"))
    link = tmp_path_factory.mktemp("elsewhere") / "faces"
    link.symlink_to(folder)
    assert Labelling(link, FIVE).picture(("ana", 1)) == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file_is_refused_and_not_waited_for(client: FlaskClient, work: Labelling) -> None:
    folder = work.manifest.folder / "unlabelled"
    for number, make, what in (
        (1, os.mkfifo, "is a pipe, not a regular file"),
        (2, Path.mkdir, "is a folder, not a file"),
        (3, lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ):
        path = folder / f"unlabelled_ana_0000{number}.png"
        path.unlink()
        make(path)
        answer = client.get(f"{BASE}/image/ana/{number}")
        assert answer.status_code == 400
        assert f"{path} cannot be read: {what}" in answer.get_json()["error"]


@pytest.mark.parametrize("name", ["ana/" + "9" * 5000, "ana/x", "ana", "ana/1/2", "1"])
def test_an_image_of_an_impossible_name_is_no_servers_error(client: FlaskClient, name: str) -> None:
    assert client.get(f"{BASE}/image/{name}").status_code in (400, 404)


def act(client: FlaskClient, **content: object) -> tuple[int, dict]:
    answer = client.post(f"{BASE}/api/act", json=content)
    return answer.status_code, answer.get_json()


def test_the_answer_to_a_label_comes_after_it_is_on_disk_and_brings_the_next_faces(
    client: FlaskClient, work: Labelling
) -> None:
    label = {"kind": "label", "tab": "a", "action": "1", "image": "ana/1", "class": "Sad", "labeller": "bo"}
    status, answer = act(client, **label, looking="ana/3")
    assert status == 200
    assert [record.action for record in Journal(work.manifest.folder).records] == ["1"]
    assert [face["image"] for face in answer["queue"]] == [f"ana/{n}" for n in (3, 2, 4, 5, 6, 7)]
    assert answer["counts"]["Sad"] == 1
    assert (answer["waiting"], answer["total"]) == (7, 8)
    assert answer["queue"][0]["film"] == "film.mp4"
    status, answer = act(client, kind="undo", tab="a", action="2")
    assert answer["undone"] == answer["queue"][0]["image"] == "ana/1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "dance", "tab": "a", "action": "1"}, "there is no action 'dance'"),
        ({"kind": "undo", "action": "1"}, "lacks a plain 'tab'"),
        ({"kind": "skip", "tab": "a", "action": "1", "image": "ana"}, "contributor/number, got 'ana'"),
        ({"kind": "skip", "tab": "a", "action": "1", "image": "ana/77"}, "no image 77"),
        ({"kind": "label", "tab": "a", "action": "1", "image": "ana/1", "class": "x", "labeller": "b"}, "no class 'x'"),
        ({"kind": "label", "tab": "a" * 999, "action": "1"}, "lacks a plain 'tab'"),
    ],
)
def test_a_wrong_request_is_answered_with_a_sentence(client: FlaskClient, content: dict, message: str) -> None:
    status, answer = act(client, **content)
    assert status == 400
    assert message in answer["error"]


def test_what_is_no_json_object_is_refused(client: FlaskClient) -> None:
    assert client.post(f"{BASE}/api/act", data="x", content_type="text/plain").status_code == 415
    assert client.post(f"{BASE}/api/act", data="{", content_type="application/json").status_code == 400
    assert client.post(f"{BASE}/api/act", json=[1]).status_code == 400
    assert client.post(f"{BASE}/api/act", json={"x": "y" * 100_000}).status_code == 413
    for wild in ("[" * 30_000, '{"x":' * 9_000, "9" * 5_000, b"\xff", '{"tab": "a", "action": ' + "9" * 5_000 + "}"):
        assert client.post(f"{BASE}/api/act", data=wild, content_type="application/json").status_code == 400


def test_many_connections_that_ask_nothing_keep_nobody_out(work: Labelling) -> None:
    with socket.create_server((HOST, 0)) as listener, ExitStack() as idle:
        port = listener.getsockname()[1]
        app = make_app(work, TOKEN, port, title="faces", labeller="ana", target=100)
        server = waitress.create_server(app, sockets=[listener], ident=None, **LIMITS)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        for _ in range(300):
            half_open = idle.enter_context(socket.create_connection((HOST, port)))
            half_open.sendall(b"GET / HTTP/1.1\r\n")
        request = http.client.HTTPConnection(HOST, port, timeout=20)
        request.request("GET", f"{BASE}/api/start")
        assert request.getresponse().status == 200
        request.close()
        server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map))
        thread.join()
        server.task_dispatcher.shutdown()


def test_what_a_model_suggested_is_recorded_with_the_label(client: FlaskClient, work: Labelling) -> None:
    work.model_name = "fer@0123456789ab"
    label = {"kind": "label", "tab": "a", "class": "Sad", "labeller": "bo"}
    assert act(client, **label, action="1", image="ana/1", suggested="Happy")[0] == 200
    assert act(client, **label, action="2", image="ana/2", suggested=None)[0] == 200
    status, answer = act(client, **label, action="3", image="ana/3", suggested="Cat")
    assert (status, work.counts["Sad"]) == (400, 2)
    assert "no class 'Cat' to suggest" in answer["error"]
    work.settle()
    rows = Manifest.read(work.manifest.folder).rows
    assert [(row.class_name, row.suggested, row.suggested_by) for row in rows[:2]] == [
        ("Sad", "Happy", "fer@0123456789ab"), ("Sad", None, None)
    ]  # fmt: skip
    assert act(client, kind="undo", tab="a", action="4")[1]["undone"] == "ana/2"
    assert act(client, kind="undo", tab="a", action="5")[1]["undone"] == "ana/1"
    work.settle()
    assert Manifest.read(work.manifest.folder).rows[0].suggested_by is None


def test_a_full_disk_is_said_and_the_label_not_given(
    client: FlaskClient, work: Labelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    label = {"kind": "label", "tab": "a", "action": "1", "image": "ana/1", "class": "Sad", "labeller": "bo"}
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert act(client, **label) == (507, {"error": "not saved: No space left on device"})
    assert work.counts["Sad"] == 0
    assert act(client, **label)[0] == 200
    assert work.counts["Sad"] == 1


def test_nobody_else_on_the_machine_can_read_the_token(work: Labelling, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    class Server:
        def __init__(self, app: Any, sockets: list[socket.socket], **options: Any) -> None:
            self.sockets = sockets

        def run(self) -> None:
            (record,) = [path for path in work.manifest.folder.iterdir() if path.name == ADDRESS_NAME]
            seen.update(json.loads(record.read_text()), rights=stat.S_IMODE(record.stat().st_mode))

        def close(self) -> None:
            self.sockets[0].close()

    monkeypatch.setattr("waitress.create_server", Server)
    serve(work, title="faces", labeller="ana", target=100, open_browser=False)
    assert seen["rights"] == 0o600
    assert len(seen["token"]) == 32
    assert not (work.manifest.folder / ADDRESS_NAME).exists()
