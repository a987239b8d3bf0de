"""One job on a board: start the agent, check who answers, collect its events, leave nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from pipeline.board.local import Local
from pipeline.board.pack import Packed, packed
from pipeline.board.transport import Stream, Transport
from pipeline.errors import BoardUnreachable, Refused

MAGIC = "secateur-agent"
PROTOCOL = 1
HELLO_S = 30.0
SILENCE_S = 15.0
GRACE_S = 5.0

Event = dict[str, Any]
OnEvent = Callable[[Event], None]
OnReady = Callable[[Callable[[bytes], None]], None]


def run(
    python: PurePath,
    spec: Mapping[str, Any],
    *,
    timeout_s: float,
    on_event: OnEvent | None = None,
    on_ready: OnReady | None = None,
    transport: Transport | None = None,
    program: PurePath | None = None,
    silence_s: float = SILENCE_S,
) -> list[Event]:
    """Run one spec under `python` and return the agent's events, heartbeats and progress apart.

    Without a `transport` that is this machine; with one, `program` is where the agent lies there.
    Everything goes to `on_event` as it comes; `on_ready` gets a function that writes to the agent,
    such as `ping N`, once the job is under way. A worker that failed is an event `failed`, not an
    error. However this ends, also by Ctrl-C, no process of the agent stays behind.

    Raises:
        BoardUnreachable: no agent answers, it died, fell silent, or took over `timeout_s`.
        Refused: the agent does not take the spec, or is not the one we sent.
    """
    agent = packed()
    command = [str(python), "-I", str(program or agent.path), "--fd", "1"]
    stream = (transport or Local()).stream(command)
    conversation = _Conversation(stream, python, silence_s, time.monotonic() + timeout_s)
    try:
        events = conversation.hold(agent, spec, on_event or _ignore, on_ready or _ignore)
    finally:
        conversation.end()
    return events


class _Conversation:
    """The exchange with one running agent."""

    def __init__(self, stream: Stream, python: PurePath, silence_s: float, deadline: float) -> None:
        self._stream, self._python = stream, python
        self._silence_s, self._deadline = silence_s, deadline
        self._done = False

    def hold(
        self, agent: Packed, spec: Mapping[str, Any], on_event: OnEvent, on_ready: OnReady
    ) -> list[Event]:
        """Hello, the spec, then events until `done`."""
        hello = self._hello()
        _check_hello(hello, agent, self._python)
        on_event(hello)
        try:
            self._stream.write(json.dumps(spec).encode() + b"\n")
        except BrokenPipeError:
            raise self._lost() from None
        on_ready(self._stream.write)
        kept = [hello]
        while not self._done:
            event = self._next(self._silence_s)
            self._done = event["event"] == "done"
            on_event(event)
            if event["event"] == "refused":
                raise Refused(
                    f"the agent refuses the job: {event['reason']}",
                    where=self._python,
                    fix="mend the setting it names",
                )
            if event["event"] not in ("heartbeat", "progress", "pong"):
                kept.append(event)
        return kept

    def _hello(self) -> Event:
        """First line; anything else than our agent's is no session."""
        event = self._next(HELLO_S)
        if event.get("magic") != MAGIC:
            raise BoardUnreachable(
                f"answers {str(event)[:80]}, not as our agent",
                where=self._python,
                fix="name a Python 3.9 to 3.13 interpreter",
            )
        return event

    def _next(self, silence_s: float) -> Event:
        """Next event. Raises BoardUnreachable: the end of the line, silence, or the time is up."""
        left = self._deadline - time.monotonic()
        try:
            line = self._stream.read_line(min(silence_s, left))
        except TimeoutError:
            what = "took over its time limit" if left < silence_s else "has been silent too long"
            raise BoardUnreachable(
                f"the agent {what} ({min(silence_s, left):.0f} s)",
                where=self._python,
                fix="see whether the machine hangs, swaps or sleeps",
            ) from None
        if line is None:
            raise self._lost()
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        return event if isinstance(event, dict) else {"event": "noise", "text": str(line[:80])}

    def _lost(self) -> BoardUnreachable:
        """The agent ended before its `done`: how, and the last thing it said."""
        status = self.end()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"
        said = self._stream.stderr_tail().rsplit("\n", 1)[-1]
        return BoardUnreachable(
            f"the agent ended {how}" + (f": {said[:200]}" if said else ""),
            where=self._python,
            fix="the interpreter must be Python 3.9 to 3.13; if something killed it, run again",
        )

    def end(self) -> int:
        """Close the line and see the agent's whole group gone."""
        return self._stream.finish(GRACE_S)


def _ignore(_: object) -> None:
    """No one listens."""


def _check_hello(hello: Event, agent: Packed, python: PurePath) -> None:
    """Refuse another protocol, or other code than what we packed."""
    if hello.get("protocol") != PROTOCOL or hello.get("agent") != agent.digest:
        raise Refused(
            f"agent {str(hello.get('agent'))[:12]} speaks protocol {hello.get('protocol')}, "
            f"wanted {agent.digest[:12]} and {PROTOCOL}",
            where=python,
            fix="remove the agent's file there, it is written anew",
        )
