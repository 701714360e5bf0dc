# SPDX-License-Identifier: Apache-2.0
"""What a stale server is expected to reach with workers whose speed changes; and what the traces of its workers say."""
import bisect
import heapq
import random

UNBOUNDED = -1
EPISODE = (1.0, 4.0)  # slow steps for which a worker stays slow, where all are in turns


def one_is_slow(slow):
    """(worker, end) of the only episode."""
    yield slow, float("inf")


def each_in_turns(workers, slow_step, seed):
    """(worker, end) of one episode after another, without an end. There is always one slow worker, and no two episodes
    in a row are of the same."""
    dice = random.Random(seed)
    worker, end = dice.randrange(workers), 0.0
    while True:
        end += slow_step * dice.uniform(*EPISODE)
        yield worker, end
        worker = (worker + dice.randrange(1, workers)) % workers


class Speeds:
    """How quick each worker is, when. `quick`, `slow`: seconds of a step of a worker that is so all the while."""

    def __init__(self, episodes, quick, slow):
        self._episodes, self._step = episodes, {False: quick, True: slow}
        self._slow, self._ends = [], []

    def slow_until(self, time):
        """Who is slow at this time, and until when."""
        while not self._ends or self._ends[-1] <= time:
            slow, end = next(self._episodes)
            self._slow.append(slow)
            self._ends.append(end)
        place = bisect.bisect_right(self._ends, time)
        return self._slow[place], self._ends[place]

    def end_of_step(self, worker, time):
        left = 1.0
        while True:
            slow, until = self.slow_until(time)
            step = self._step[slow == worker]
            if left * step <= until - time:
                return time + left * step
            left -= (until - time) / step
            time = until


class Run:
    """A stretch by the rules of src/comm/stale/stale_rank.hpp. `updates`: the time of each, whoever brought it.

    With a bound of 0 each step waits `exchange` seconds for its answer. With others the exchange hides behind a step;
    what of it does not must be in the steps.
    """

    def __init__(self, staleness, workers, budget, speeds, exchange=0.0):
        self._staleness, self._budget, self._speeds, self._exchange = staleness, budget, speeds, exchange
        self._depth = 0 if staleness == 0 else 1  # how many answers behind a worker reads
        self._works = [True] * workers
        self._clock, self._answers = [0] * workers, [0] * workers  # updates that are added, and answered
        self._computed, self._waits, self._reads = [False] * workers, [False] * workers, [False] * workers
        self._granted = (self._depth + 1) * workers
        self._turns = [[step * workers + worker < budget for step in range(self._depth + 1)]
                       for worker in range(workers)]
        self._events, self._time, self.updates = [], 0.0, []
        for worker in range(workers):
            self._begin(worker, 0.0)
        while self._events:
            self._time, worker = heapq.heappop(self._events)
            self._computed[worker] = True
            while self._push_all() or self._answer_all():
                pass

    def _those_who_work(self):
        return [worker for worker, works in enumerate(self._works) if works]

    def _begin(self, worker, time):
        if self._turns[worker][self._clock[worker]]:
            heapq.heappush(self._events, (self._speeds.end_of_step(worker, time), worker))
        else:
            self._works[worker] = self._reads[worker] = False

    def _push_all(self):
        """Each brings what it has computed once its update before is answered; without staleness all are added
        together."""
        working = self._those_who_work()
        for worker in working:
            if self._computed[worker] and self._answers[worker] >= self._clock[worker]:
                self._computed[worker], self._waits[worker] = False, True
        if self._staleness == 0 and not all(self._waits[worker] for worker in working):
            return False
        brought = [worker for worker in working if self._waits[worker]]
        for worker in brought:
            self._waits[worker], self._reads[worker] = False, True
            self._clock[worker] += 1
            self.updates.append(self._time)
        for worker in brought if self._depth else ():
            self._begin(worker, self._time)
        return bool(brought)

    def _answer_all(self):
        due = [worker for worker in self._those_who_work() if self._reads[worker] and self._may_read(worker)]
        for worker in due:
            self._reads[worker] = False
            self._answers[worker] += 1
            self._turns[worker].append(self._granted < self._budget)
            self._granted += 1
        for worker in due if not self._depth else ():
            self._begin(worker, self._time + self._exchange)
        return bool(due)

    def _may_read(self, worker):
        least = min(self._clock[other] for other in self._those_who_work())
        return self._staleness == UNBOUNDED or least >= self._clock[worker] + self._depth - self._staleness


def seconds_until(iterations, updates, workers):
    """In which so many iterations' worth of updates are brought."""
    return updates[iterations * workers - 1]


def greatest_lead(traces):
    """How many steps a worker was ahead of another one at most when it began a step, by the clock of their host alone.

    `traces`: of each worker, in order, the lines that `firecaffe train --steps` writes. A worker that brings nothing
    more in a stretch counts no more: nobody waits for it.
    """
    most = 0
    for stretch in {line["from"] for trace in traces for line in trace}:
        brought = [[line["brought"] for line in trace if line["from"] == stretch] for trace in traces]
        for worker, trace in enumerate(traces):
            for line in trace:
                if line["from"] != stretch:
                    continue
                for other, times in enumerate(brought):
                    clock = bisect.bisect_right(times, line["began"])
                    if other != worker and clock < len(times):
                        most = max(most, line["step"] - clock)
    return most
