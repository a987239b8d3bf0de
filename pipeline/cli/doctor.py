"""`secateur doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from pipeline.cli.options import as_json, emit, host, table


@click.command("doctor")
@click.argument("target")
@host
@as_json
def command(target: str, host: str | None, json_: bool) -> int:
    """What TARGET's board lacks, and the fix.

    Connection, Python and libc, runtime, our folder, space, clock, heat, sensors, privileges.
    Settings that a killed measurement left changed are restored.
    Exit code 3 or 4 when nothing can be measured as it is.

    \b
    Example:
      secateur doctor rpi5 --host pi@raspberrypi
    """
    from pipeline.board.doctor import examine
    from pipeline.config.target import load

    found = examine(load(target, flags={}, host=host))
    codes = [one.exit_code for one in found if one.state == "fail"]
    if json_:
        emit({"target": target, "findings": [asdict(one) for one in found]})
    else:
        table(["", "check", "found"], [[one.state, one.check, one.said] for one in found])
        for one in found:
            if one.fix and one.state != "ok":
                click.echo(f"\n{one.check}: {one.fix}")
    return min(codes, default=0)
