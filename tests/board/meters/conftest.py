"""Stub instruments for the tests here."""

from tests.board.meters.instruments import instrument

__all__ = ["instrument"]
