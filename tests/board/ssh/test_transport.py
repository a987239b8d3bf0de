"""Commands and files over a real sshd."""

from pathlib import PurePosixPath

import pytest

from pipeline.errors import BoardUnreachable


def test_a_command_gives_status_and_both_outputs(board):
    done = board.exec(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=20)
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err")


WORDS = ["", " ", "a b", "'", '"', "$HOME", "`id`", "a\nb", "*", "\\", "--", "!x", "ünï", "~", ";"]


def test_every_word_arrives_whole(board):
    done = board.exec(["printf", "%s\\0", *WORDS], timeout_s=20)
    assert done.stdout.decode().split("\0")[:-1] == WORDS


def test_a_signal_is_a_negative_status(board):
    assert board.exec(["sh", "-c", "kill -9 $$"], timeout_s=20).status == -9
    assert board.exec(["/no/such"], timeout_s=20).status == 127


def test_large_output_comes_whole(board):
    done = board.exec(["head", "-c", "3000000", "/dev/zero"], timeout_s=30)
    assert done.stdout == bytes(3000000)


NOISE = 'echo "welcome to my board"; printf "no newline: "; exec sh -c "$SSH_ORIGINAL_COMMAND"'


def test_what_a_login_shell_prints_is_no_output(make_sshd, connect):
    board = connect(make_sshd(lines=(f"ForceCommand {NOISE}",)))
    assert board.exec(["echo", "out"], timeout_s=20).stdout == b"out\n"
    assert board.fetch(PurePosixPath("/proc/version")).startswith(b"Linux")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo This account is not available; exit 1", "This account is not available"),
        ("echo no >&2; exit 1", "no"),
        ("exit 0", "no answer"),
    ],
)
def test_a_login_that_runs_no_commands(make_sshd, connect, refused, command, said):
    board = connect(make_sshd(lines=(f"ForceCommand {command}",)))
    text = refused(BoardUnreachable, board.exec, ["true"], timeout_s=20)
    assert f"its login runs no commands: {said}\n" in text
