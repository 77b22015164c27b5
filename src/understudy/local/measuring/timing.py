"""Doing something again and again for a while."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from understudy.engine.capacity import Latency, latency_of


class Patience:
    """Until when work goes on: for so many seconds, or until it is given up. Threads ask it between two steps."""

    def __init__(self) -> None:
        self._given_up = threading.Event()

    def give_up(self) -> None:
        self._given_up.set()

    def rate(self, seconds: float, works: Sequence[Callable[[], int]]) -> float:
        """Each of these in a thread of its own again and again, once at least; bytes a second that they come to."""
        began = time.perf_counter()
        end = began + seconds

        def again(work: Callable[[], int]) -> int:
            done = work()
            while time.perf_counter() < end and not self._given_up.is_set():
                done += work()
            return done

        with ThreadPoolExecutor(len(works)) as threads:
            done = sum(threads.map(again, works))
        return done / (time.perf_counter() - began)

    def latency(self, seconds: float, most: int, work: Callable[[], object]) -> Latency:
        """Of one after the other."""
        taken: list[float] = []
        end = time.perf_counter() + seconds
        while not taken or (len(taken) < most and time.perf_counter() < end and not self._given_up.is_set()):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
        return latency_of(taken)
