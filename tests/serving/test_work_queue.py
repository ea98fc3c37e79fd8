"""The queue: in order, bounded, what is alike together, and no place held by who left."""

import asyncio
import threading
import time

import pytest
from running_server import until

from skeletonllm.serving.queue import CancelledWork, OutOfTime, QueueFullError, WorkQueue


@pytest.fixture
def queue_of():
    """Makes a queue whose work is done when the gate is open; batches are noted."""
    made = []

    def make(waiting=4, at_once=3, seconds=60.0, work=None):
        gate, batches = threading.Event(), []

        def usual(tickets):
            batches.append([ticket.work for ticket in tickets])
            gate.wait(60)
            for ticket in tickets:
                ticket.tell(text=f"{ticket.work}!")
                ticket.finish(ticket.work * 2)

        queue = WorkQueue("test", work or usual, waiting, at_once, seconds)
        made.append((queue, gate))
        return queue, gate, batches

    yield make
    for queue, gate in made:
        gate.set()
        queue.close()


def test_what_is_alike_is_done_together_and_all_else_in_order(queue_of):
    queue, gate, batches = queue_of(waiting=8)
    first = queue.submit(0)
    until(lambda: queue.running == 1)
    rest = [queue.submit(number, alike) for number, alike in enumerate(["a", "b", None, "a", "a", "a", "b"], 1)]
    assert [ticket.place for ticket in rest] == list(range(7)) and first.place is None
    gate.set()
    assert [ticket.result(60) for ticket in [first, *rest]] == [2 * number for number in range(8)]
    assert batches == [[0], [1, 4, 5], [2, 7], [3], [6]]


def test_it_takes_no_more_than_may_wait(queue_of):
    queue, gate, _ = queue_of(waiting=2)
    queue.submit(0)
    until(lambda: queue.running == 1)
    waiting = [queue.submit(number) for number in (1, 2)]
    with pytest.raises(QueueFullError, match="2 requests are waiting"):
        queue.submit(3)
    waiting[0].cancel()
    queue.submit(3)


def test_who_leaves_frees_the_place_at_once_and_is_not_worked_for(queue_of):
    queue, gate, batches = queue_of()
    queue.submit(0)
    until(lambda: queue.running == 1)
    with queue.submit(1) as leaving:
        assert queue.waiting == 1
    assert queue.waiting == 0 and leaving.done
    with pytest.raises(CancelledWork):
        leaving.result(0)
    gate.set()
    assert queue.submit(2).result(60) == 4 and [1] not in batches


def test_work_is_told_to_stop_when_nobody_waits_or_it_takes_too_long(queue_of):
    seen = []

    def work(tickets):
        (ticket,) = tickets
        while True:
            time.sleep(0.01)
            try:
                ticket.check()
            except RuntimeError as error:
                seen.append(type(error))
                raise

    queue, *_ = queue_of(work=work, seconds=0.2)
    late = queue.submit(0)
    with pytest.raises(OutOfTime, match="0.2 s"):
        late.result(60)
    with queue.submit(1):
        until(lambda: queue.running == 1)
    until(lambda: len(seen) == 2)
    assert seen == [OutOfTime, CancelledWork]


def test_what_work_raises_reaches_who_asked_and_the_next_are_served(queue_of):
    def work(tickets):
        if tickets[0].work == "bad":
            raise ValueError("a bad question")
        if tickets[0].work != "forgotten":
            tickets[0].finish("good")

    queue, *_ = queue_of(work=work)
    with pytest.raises(ValueError, match="a bad question"):
        queue.submit("bad").result(60)
    with pytest.raises(RuntimeError, match="without a result"):
        queue.submit("forgotten").result(60)
    assert queue.submit("fine").result(60) == "good"


def test_updates_come_in_order_and_the_place_while_there_are_none(queue_of):
    queue, gate, _ = queue_of()
    queue.submit(0)
    until(lambda: queue.running == 1)
    ticket = queue.submit(1)
    updates = ticket.updates(every=0.01)
    assert next(updates).place == 0
    gate.set()
    assert "".join(update.text for update in updates) == "1!" and ticket.done


def test_the_same_for_asyncio(queue_of):
    queue, gate, _ = queue_of()
    ticket = queue.submit(1)

    async def watch():
        told = []
        async for update in ticket.watch(every=0.01):
            gate.set()
            told.append(update.text)
        return "".join(told), await ticket.wait()

    assert asyncio.run(watch()) == ("1!", 2)


def test_a_closed_queue_cancels_and_takes_nothing(queue_of):
    queue, gate, _ = queue_of()
    queue.submit(0)
    until(lambda: queue.running == 1)
    waiting = queue.submit(1)
    gate.set()
    queue.close()
    with pytest.raises(CancelledWork, match="the server stops"):
        queue.submit(2)
    with pytest.raises(CancelledWork):
        waiting.result(0)
