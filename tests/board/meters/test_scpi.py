"""A SCPI meter over a real pseudo terminal and a real socket; its instrument is a process."""

from __future__ import annotations

import os
import threading

import pytest

from pipeline.board.meters import opened
from pipeline.board.meters.sampler import Sampler
from pipeline.errors import BoardUnreachable, Refused, UsageError

LINES = pytest.mark.parametrize("line", ["pty", "tcp"])


@LINES
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_reading_is_the_instruments_text(instrument, line, end):
    meter = opened(instrument(line, "--watts", "3.25", "--end", end))
    assert meter.identity() == "SECATEUR,STUB POWER METER,SN0001,1.0"
    assert float(meter.read()) == pytest.approx(3.25, abs=1e-4)
    assert meter.problems() == []
    meter.close()


@LINES
def test_volts_and_amperes_are_asked_for_in_a_row(instrument, line):
    config = instrument(line, "--watts", "10", query=["MEAS:VOLT?", "MEAS:CURR?"])
    meter = opened(config)
    assert [float(word) for word in meter.read().split()] == [5.0, 2.0]
    meter.close()


@LINES
def test_a_setup_that_the_instrument_does_not_know_is_refused_in_its_words(instrument, line):
    with pytest.raises(Refused, match='-113,"Undefined header"') as caught:
        opened(instrument(line, setup=["CONF:POW:DC", "NONSENSE 3"]))
    assert "manual" in caught.value.fix
    opened(instrument(line, setup=["CONF:POW:DC", "SENS:POW:NPLC 1"])).close()


@LINES
def test_a_query_without_an_answer_is_refused(instrument, line):
    with pytest.raises(Refused, match=r"no answer|Undefined header"):
        opened(instrument(line, query=["FOO?"], timeout_s=0.3))


@LINES
def test_a_late_answer_is_never_taken_for_the_next_ones(instrument, line):
    meter = opened(instrument(line, "--late", "3", "--late-s", "0.6", timeout_s=0.2))
    texts = [meter.read() for _ in range(12)]
    meter.close()
    numbers = [round((float(text) - 2.5) * 1e6) for text in texts if text]
    assert texts.count(None) >= 3
    assert numbers == sorted(set(numbers))
    assert all(number % 3 for number in numbers)


@LINES
def test_an_instrument_that_falls_silent_costs_readings_and_nothing_else(instrument, line):
    meter = opened(instrument(line, "--mute", "5", timeout_s=0.1))
    sampler = Sampler(meter, 0.01)
    sampler.start()
    threading.Event().wait(1.0)
    sampler.stop()
    meter.close()
    assert len(sampler.rows) == 3  # the first one was read at the opening
    assert sampler.missed > 1


def test_an_instrument_that_is_gone_ends_the_reading(instrument):
    meter = opened(instrument("tcp", "--leave", "4"))
    sampler = Sampler(meter, 0.01)
    sampler.start()
    sampler._thread.join(10)
    assert not sampler._thread.is_alive()
    sampler.stop()
    meter.close()
    assert (len(sampler.rows), sampler.missed) == (2, 1)


def test_a_port_that_is_not_there(tmp_path):
    base = {"baud": 9600, "query": ["READ?"], "timeout_s": 0.2, "setup": [], "kind": "scpi"}
    for port in (str(tmp_path / "ttyUSB9"), "tcp://127.0.0.1:9"):
        with pytest.raises(BoardUnreachable, match="no meter there") as caught:
            opened({**base, "port": port})
        assert port in str(caught.value)
    with pytest.raises(UsageError, match="baud"):
        opened({**base, "port": "/dev/null", "baud": 12345})


def test_something_that_does_not_answer_is_no_meter(instrument):
    config = instrument("pty", timeout_s=0.2)
    ours, theirs = os.openpty()
    with pytest.raises(BoardUnreachable, match="does not answer"):
        opened({**config, "port": os.ttyname(theirs)})
    os.close(ours)
    os.close(theirs)
