"""The commands that make a dataset explain themselves, and wrong use ends with status 2."""

import pytest
from tiny import Command


@pytest.mark.parametrize(
    ("subcommand", "mentioned"),
    [
        ((), ["label", "split", "card", "verify"]),
        (
            ("label",),
            [
                "DIR",
                "--from",
                "--classes",
                "--labeller",
                "--target",
                "--model",
                "--review",
                "--blind",
                "--port",
                "--no-browser",
            ],
        ),
        (("split",), ["DIR", "--ratios", "--plain", "--near", "--seed"]),
        (("card",), ["DIR", "--name", "--version", "--rights"]),
        (("verify",), ["DIR"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_help_mentions_every_option(command: Command, subcommand: tuple[str, ...], mentioned: list[str]) -> None:
    done = command("dataset", *subcommand, "--help")
    assert done.status == 0
    for word in mentioned:
        assert word.lower() in done.out.lower(), word


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (("label",), "dir"),
        (("label", "x", "--target", "0"), "--target"),
        (("label", "x", "--port", "99999"), "--port"),
        (("split", "x", "--near", "65"), "--near"),
        (("split", "x", "--seed", "-1"), "--seed"),
        (("verify",), "dir"),
    ],
)
def test_wrong_use_is_answered_with_status_2_and_the_argument(
    command: Command, arguments: tuple[str, ...], mentioned: str
) -> None:
    done = command("dataset", *arguments)
    assert done.status == 2
    assert mentioned in done.err.lower()
    assert "Traceback" not in done.err
