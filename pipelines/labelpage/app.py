"""What the label page's server answers, and to whom.

Every address begins with a random token, so other programs and other people on the machine are refused; so is every
request whose Host header is not this server's own, which keeps web pages that point their own name at 127.0.0.1 out,
and every one that a browser says another page has sent. The page loads nothing from elsewhere.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request, send_from_directory
from werkzeug.exceptions import HTTPException

from pipelines.curation.journal import Key
from pipelines.curation.labelling import Labelling
from pipelines.curation.naming import NO_CLASSES, REJECTED, UNLABELLED
from pipelines.errors import UserError

STATIC = Path(__file__).parent / "static"
AHEAD = 6  # faces that a tab knows of: the one it shows, and those it fetches meanwhile
LARGEST_REQUEST = 64 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def make_app(labelling: Labelling, token: str, port: int, *, title: str, labeller: str, target: int) -> Flask:
    """The server of one dataset.

    Args:
        labelling: The dataset at work.
        token: The first part of every address.
        port: Where the server listens, for the check of the Host header.
        title: What the page calls the dataset.
        labeller: The name that a new tab starts with.
        target: Wanted images per class.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    @app.before_request
    def admit() -> None:
        given = request.path.split("/")[1]
        if not hmac.compare_digest(given.encode(), token.encode()):
            abort(403, "the address lacks the token; use the one that scratchnet printed")
        if request.host not in hosts:
            abort(403, f"this page is at 127.0.0.1:{port} only")
        if request.headers.get("Origin", f"http://{request.host}") != f"http://{request.host}":
            abort(403, "another page's requests are refused")
        # a link to the page may be anywhere, in a terminal that is a web page for instance
        opened = request.path == f"/{token}/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not opened:
            abort(403, "another page's requests are refused")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> tuple[dict[str, str], int]:
        return {"error": error.description or error.name}, error.code or 500

    @app.errorhandler(UserError)
    def mistake(error: UserError) -> tuple[dict[str, str], int]:
        return {"error": str(error)}, 400

    @app.errorhandler(OSError)
    def disk(error: OSError) -> tuple[dict[str, str], int]:
        return {"error": f"not saved: {error.strerror or error}"}, 507

    @app.get(f"/{token}/")
    def page() -> Response:
        return send_from_directory(STATIC, "index.html")

    @app.get(f"/{token}/static/<name>")
    def static_file(name: str) -> Response:
        return send_from_directory(STATIC, name)

    @app.get(f"/{token}/image/<contributor>/<int:number>")
    def image(contributor: str, number: int) -> Response:
        return _send_image(labelling, (contributor, number))

    @app.get(f"/{token}/api/start")
    def start() -> dict[str, Any]:
        return {
            "title": title,
            "labeller": labeller,
            "target": target,
            "classes": list(labelling.classes),
            "rejected": REJECTED,
        }

    @app.get(f"/{token}/api/state")
    def state() -> dict[str, Any]:
        return _state(labelling, _text(request.args, "tab"), _looking(request.args))

    @app.post(f"/{token}/api/act")
    def act() -> dict[str, Any]:
        try:
            content = request.get_json()
        except RecursionError:
            abort(400, "the request is nested too deeply")
        if not isinstance(content, dict):
            abort(400, "the request is no JSON object")
        return _act(labelling, content)

    return app


def _act(labelling: Labelling, content: dict[str, Any]) -> dict[str, Any]:
    tab, action, kind = _text(content, "tab"), _text(content, "action"), _text(content, "kind")
    first = _looking(content)
    undone = None
    if kind == "undo":
        first = undone = labelling.undo(tab, action)
    elif kind == "skip":
        labelling.skip(tab, action, _key(_text(content, "image")))
    elif kind == "label":
        key = _key(_text(content, "image"))
        suggested = _text(content, "suggested") if content.get("suggested") else None
        labelling.label(tab, action, key, _text(content, "class"), _text(content, "labeller"), suggested)
    else:
        abort(400, f"there is no action {kind!r}")
    return {**_state(labelling, tab, first), "undone": _name(undone) if undone else None}


def _state(labelling: Labelling, tab: str, first: Key | None) -> dict[str, Any]:
    counts = labelling.counts
    return {
        "counts": {name: counts.get(name, 0) for name in (*labelling.classes, *NO_CLASSES)},
        "waiting": labelling.waiting,
        "total": labelling.total,
        "guessing": labelling.guessing,
        "trouble": labelling.trouble,
        "queue": [_face(labelling, key) for key in labelling.queue(tab, AHEAD, first)],
    }


def _face(labelling: Labelling, key: Key) -> dict[str, Any]:
    row = labelling.row(key)
    current = labelling.class_of(key)
    return {
        "image": _name(key),
        "film": row.film if row else None,
        "time_code": row.time_code if row else None,
        "class": None if current == UNLABELLED else current,
        "guess": labelling.guess(key),
    }


def _send_image(labelling: Labelling, key: Key) -> Response:
    try:
        response = Response(labelling.picture(key), mimetype="image/png")
    except FileNotFoundError:
        abort(404, "the image's file is missing; scratchnet dataset verify lists what is wrong")
    response.headers["Cache-Control"] = "private, max-age=3600"  # a number means one picture for ever
    return response


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def _key(name: str) -> Key:
    contributor, _, number = name.rpartition("/")
    if not number.isdecimal():
        raise UserError(f"an image is named contributor/number, got {name!r}")
    return contributor, int(number)


def _looking(content: Mapping[str, Any]) -> Key | None:
    # the face on the tab's screen, which must not change under the labeller's fingers
    return _key(_text(content, "looking")) if content.get("looking") else None


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
        raise UserError(f"the request lacks a plain {name!r}")
    return value
