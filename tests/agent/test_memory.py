"""Memory is booked to the stage that caused it.

Each case runs in a process of its own: the memory of a long test run moves by itself.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from pipeline.agent import memory


def in_a_fresh_process(function):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function).result(60)


def grown():
    account = memory.Account()
    account.note("python")
    held = bytearray(b"x") * (32 << 20)
    account.note("model")
    account.loaded()
    passing = bytearray(b"x") * (16 << 20)
    del passing
    return account.report()["memory_kib"], len(held)


def test_growth_and_running_sum_to_the_peak():
    kib, held = in_a_fresh_process(grown)
    assert held == 32 << 20
    assert kib["model"] >= 31 << 10
    assert kib["running"] >= 15 << 10
    assert kib["python"] + kib["model"] + kib["running"] == kib["peak"]


def peaked_while_loading():
    account = memory.Account()
    passing = bytearray(b"x") * (64 << 20)
    del passing
    account.note("python")
    account.loaded()
    return account.report()


def test_a_peak_of_loading_is_not_one_of_running():
    report = in_a_fresh_process(peaked_while_loading)
    if report["memory"]["peak_of"] == "running":
        assert report["memory_kib"]["peak"] < report["memory_kib"]["load_peak"] - (48 << 10)


def test_unreadable_files_have_no_figures(tmp_path):
    assert memory.fields(str(tmp_path / "nothing")) == {}
