"""Signals: at once outside of training, after a save inside, through an earlier handler, and twice without waiting."""

import os
import signal

import pytest

from refinepoi.core import interruption
from refinepoi.core.resources import _RESET, peak_mb, reset_peak


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def test_outside_of_training_the_process_leaves_at_once() -> None:
    with pytest.raises(SystemExit) as left, interruption.listening():
        send()
    assert left.value.code == 75


def test_inside_it_waits_to_be_asked() -> None:
    steps = 0
    with pytest.raises(SystemExit) as left, interruption.listening(), interruption.saving():
        assert not interruption.asked()
        send()
        for steps in range(1, 4):
            if steps == 2:
                assert interruption.asked()
                interruption.leave()
    assert (left.value.code, steps) == (75, 2)


def test_a_second_signal_does_not_wait() -> None:
    with pytest.raises(SystemExit), interruption.listening(), interruption.saving():
        send()
        send()
        pytest.fail("still here")


def test_signals_on_the_way_out_are_not_heard() -> None:
    """Slurm sends SIGTERM while a requeued job writes its last words."""
    written = False
    with pytest.raises(SystemExit), interruption.listening():
        try:
            send()
        finally:
            send()
            written = True
    assert written


def test_an_earlier_handler_has_the_last_word() -> None:
    """submitit's handler puts the job back into the queue."""
    called = []
    before = signal.signal(signal.SIGUSR2, lambda *a: called.append(a[0]))
    try:
        with pytest.raises(SystemExit), interruption.listening(), interruption.saving():
            send(signal.SIGUSR2)
            assert not called
            interruption.leave()
        assert called == [signal.SIGUSR2]
        send(signal.SIGUSR2)
        assert len(called) == 2, "the handler is put back"
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_handlers_are_put_back_and_a_new_job_is_not_asked() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit), interruption.listening():
        send()
    assert signal.getsignal(signal.SIGTERM) is before
    with interruption.listening():
        assert not interruption.asked()


def test_peak_memory_is_of_the_stretch() -> None:
    reset_peak()
    small = peak_mb()
    block = bytearray(120 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_mb() > small + 100
    del block
    if _RESET.exists():  # Linux: the mark of one stage is not that of the next
        reset_peak()
        assert peak_mb() < small + 60
