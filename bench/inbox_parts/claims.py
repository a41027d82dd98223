"""Benchmark of fifty users who press “next case” at the same moment."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from threading import Barrier

from django.db import connections
from inbox_parts.figures import say

from crm.models import Department, Membership, User
from routing.inbox.next_case import take_next

PEOPLE, ROUNDS = 50, 8


def measure(people: int = PEOPLE, rounds: int = ROUNDS) -> None:
    """Measure how long “next case” takes if all users are in one department.

    Every user first opens a database connection. In each round, all users then press “next case” at
    the same moment. The function also reports how many cases were given to two users, and how many
    presses returned no case.
    """
    department = Department.objects.get(name="Service")
    crowd = [User.objects.create_user(f"crowd{n}@bench.example") for n in range(people)]
    Membership.objects.bulk_create(Membership(user=user, department=department) for user in crowd)
    gate = Barrier(people)

    def press(user: User) -> list[tuple[int, float]]:
        taken = []
        User.objects.get(pk=user.pk)
        for _ in range(rounds):
            gate.wait(timeout=60)
            start = time.perf_counter()
            case = take_next(user)
            taken.append((case.pk if case else 0, (time.perf_counter() - start) * 1000))
        connections.close_all()
        return taken

    with ThreadPoolExecutor(people) as pool:
        pressed = [each for taken in pool.map(press, crowd) for each in taken]
    cases = [pk for pk, _ms in pressed if pk]
    waited = sorted(ms for _pk, ms in pressed)
    p50, p99 = median(waited), quantiles(waited, n=100)[98]
    say("next_case_taken_twice", len(cases) - len(set(cases)), "cases", None, "0")
    say("next_case_refused", len(pressed) - len(cases), "presses", None, "0")
    say("next_case_p50", p50, "ms", None, "-")
    say("next_case_p99", p99, "ms", p99 / p50, "3")
