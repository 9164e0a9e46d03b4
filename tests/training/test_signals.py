import os
import signal
import threading

from dicegrad.training.signals import stop_signals


def test_signals_are_collected_by_name_and_handed_back_afterwards():
    before = signal.getsignal(signal.SIGUSR1)
    with stop_signals() as caught:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert sorted(caught) == ["SIGTERM", "SIGUSR1"]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_training_in_another_thread_leaves_signals_alone():
    inside = []

    def work():
        with stop_signals() as caught:
            inside.append((caught, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [([], before)]
