"""The command line: parse, call, print. Heavy imports stay inside the commands."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from types import FrameType

import click

from pipeline.cli import (
    bench,
    board,
    compare,
    config,
    convert,
    doctor,
    fleet,
    gc,
    inspect,
    listing,
    mask,
    plan,
    prune,
    publish,
    push,
    releases,
    rollback,
    run,
    sensitivity,
    status,
    verdict,
    verify,
)
from pipeline.errors import SecateurError
from pipeline.progress import log_path, log_text

COMMANDS = (
    run, fleet, status, prune, mask, plan, sensitivity, convert, verify, bench, compare, verdict,
    inspect, doctor, board, push, publish, releases, rollback, config, listing, gc,
)  # fmt: skip
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="secateur")
def secateur() -> None:
    """Cut a PyTorch model until it fits the board, and prove it on the board.

    \b
    secateur run demo --target local     the whole job on this machine
    secateur list                        recipes and targets
    """


for _module in COMMANDS:
    secateur.add_command(_module.command)


def main() -> None:
    """Entry point: every error the user can mend is one or two lines and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Threads that wait for work must not spin: on a busy machine that triples the CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = _exit_code()
    finally:
        _flush()
    sys.exit(code)


def _exit_code() -> int:
    try:
        result = secateur.main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        print("interrupted: what was finished is kept; run it again to go on", file=sys.stderr)
        return 130
    except SecateurError as error:
        return _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in NO_SPACE:
            return _bug()
        fix = "free some (`secateur gc` helps), or point SECATEUR_HOME elsewhere"
        return _fail(f"{error.filename or 'disk'}: no space left\n  fix: {fix}", 4)
    except Exception:
        return _bug()


def _fail(text: str, code: int) -> int:
    print(f"secateur: {text}", file=sys.stderr)
    log_text(text)
    if log_path().exists():
        print(f"  log: {log_path()}", file=sys.stderr)
    return code


def _bug() -> int:
    traceback.print_exc()
    log_text(traceback.format_exc())
    advice = f"this is a bug of secateur; please report it with {log_path()}"
    print(f"secateur: {advice}", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
