"""Entry point: `python -I agent.pyz --fd N`, spec on stdin, events on descriptor N.

Exit codes: 0 done, 2 the spec is wrong, 130 cancelled. The same file started with `--worker`
is one measured process; with `--guard` it restores the settings of an agent that died.
"""

from __future__ import annotations

import argparse
import os

from . import cancel, guard, protocol, session, spec, worker

BAD_SPEC = 2
CANCELLED = 130


def main() -> int:
    """Run one job, or one worker process of it."""
    parser = argparse.ArgumentParser(prog="secateur-agent")
    parser.add_argument("--fd", type=int, required=True, help="descriptor for the events")
    parser.add_argument("--worker", type=int, metavar="PARENT", help="internal: a measured process")
    parser.add_argument("--guard", nargs=2, metavar=("FOLDER", "ROOT"), help="internal: see guard")
    options = parser.parse_args()
    if options.guard:
        return guard.main(*options.guard)
    channel = protocol.Channel(protocol.claim(options.fd))
    if options.worker is not None:
        return worker.main(channel, parent=options.worker)
    return _serve(channel)


def _serve(channel: protocol.Channel) -> int:
    """Hello, one spec, its job."""
    try:
        cancel.on_signals()
        protocol.hello(channel)
        job = spec.parse(cancel.read_line())
        protocol.start_heartbeat(channel)
        cancel.on_stdin(lambda line: protocol.answer(channel, line))
        session.run(job, channel)
        channel.send("done")
    except spec.BadSpec as problem:
        channel.send("refused", reason=str(problem))
        return BAD_SPEC
    except (cancel.Cancelled, BrokenPipeError):
        return CANCELLED
    return 0


if __name__ == "__main__":
    # Daemon threads may sit in a read: leave without waiting for them.
    os._exit(main())
