"""The board's clock against ours: what a meter on the host read when, in the board's time.

Ping-pong: the host notes its time, the board answers with its own, the host notes the arrival. The
board's time was taken somewhere between the two, so their middle errs by at most half of the round
trip, whatever the delays of the two ways are (Cristian, Distributed Computing 3, 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Ping = Sequence[int]
"""(sent, the board's time, received) in ns, on the host's, the board's and the host's clock."""


@dataclass(frozen=True)
class Alignment:
    """board = host + offset + skew * (host - at), and no further off than `bound_ns` in between."""

    offset_ns: int
    skew: float
    at_ns: int
    bound_ns: int

    def to_board(self, host_ns: int) -> int:
        """The board's time at a time of the host's."""
        return host_ns + self.offset_ns + round(self.skew * (host_ns - self.at_ns))

    @property
    def bound_s(self) -> float:
        """Bound of the error in s."""
        return self.bound_ns * 1e-9


SAME_CLOCK = Alignment(0, 0.0, 0, 0)


def align(pings: Sequence[Ping]) -> Alignment | None:
    """Offset and skew from the quickest ping of the session's first and last third.

    Each is right within half its round trip, so the line between them is, too; before and after
    them its error can have grown in proportion. None without a ping.
    """
    if not pings:
        return None
    ordered = sorted(pings, key=lambda ping: ping[0])
    third = max(1, len(ordered) // 3)
    first = min(ordered[:third], key=_round_trip)
    last = min(reversed(ordered[-third:]), key=_round_trip)
    span = _middle(last) - _middle(first)
    if span <= 0:
        return Alignment(_offset(first), 0.0, _middle(first), -(-_round_trip(first) // 2))
    skew = (_offset(last) - _offset(first)) / span
    half = max(_round_trip(first), _round_trip(last)) / 2
    outside = max(_middle(first) - ordered[0][0], ordered[-1][2] - _middle(last))
    bound = half * (1 + 2 * outside / span)
    return Alignment(_offset(first), skew, _middle(first), round(bound) + 1)


def _round_trip(ping: Ping) -> int:
    return ping[2] - ping[0]


def _middle(ping: Ping) -> int:
    return (ping[0] + ping[2]) // 2


def _offset(ping: Ping) -> int:
    """Board less host."""
    return ping[1] - _middle(ping)
