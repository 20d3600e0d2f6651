import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prx_train.budget import Budget, parse_budget, parse_interval, settled, spoken
from prx_train.errors import BudgetError, ConfigError
from prx_train.schedule import Clock, Pace, Reserve, Schedule, learning_rate_factor
from prx_train.session import interval_text
from prx_train.told import counted


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("90s", 90, "seconds"),
        ("5m", 300, "seconds"),
        ("24h", 86400, "seconds"),
        ("1h 30m", 5400, "seconds"),
        ("2 min", 120, "seconds"),
        ("04:30", 270, "seconds"),
        ("1:00:01", 3601, "seconds"),
        ("200 steps", 200, "steps"),
        ("1 step", 1, "steps"),
    ],
)
def test_budgets_are_read(text: str, amount: float, unit: str) -> None:
    assert parse_budget(text) == Budget(amount=amount, unit=unit)  # type: ignore[arg-type]


def test_money_buys_seconds_of_all_devices() -> None:
    for text in ("$12", "12 EUR", "12.0 usd", "€ 12"):
        assert parse_budget(text) == Budget(amount=12, unit="money")
    assert settled(parse_budget("$12"), spent=0, price_per_hour=4) == Budget(amount=3 * 3600, unit="seconds")
    assert settled(parse_budget("$12"), spent=99, price_per_hour=4, devices=8).amount == 3 * 3600 / 8
    with pytest.raises(ConfigError, match="price_per_hour"):
        settled(parse_budget("$12"), spent=0)


def test_a_deadline_counts_what_is_left_from_the_present_on() -> None:
    budget = parse_budget("until 2026-12-01T08:00+01:00")
    assert budget.unit == "until"
    assert str(budget).startswith("until 2026-1")
    at_start = settled(budget, spent=5, now=budget.amount - 600)
    assert at_start == Budget(amount=605, unit="seconds")
    # A pause of an hour before the deadline is an hour less to train in.
    assert settled(budget, spent=100, now=budget.amount - 60).amount == 160
    with pytest.raises(ConfigError, match="lies in the past"):
        settled(budget, spent=5, now=budget.amount + 1)
    assert settled(budget, spent=5, begun=True, now=budget.amount + 1).amount == 4
    assert parse_budget("until 2026-12-01 08:00").amount - parse_budget("until 2026-12-01").amount == 8 * 3600


def test_a_replay_names_a_run() -> None:
    assert parse_budget("as runs/First").run == Path("runs/First")


@pytest.mark.parametrize(
    "text", ["", "5", "soon", "5x", "-5m", "0s", "0 steps", "1.5 steps", "5m later", "until then", "20 hrs", "$0"]
)
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="budget"):
        parse_budget(text)


shares = st.floats(0.01, 0.5)


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.floats(-0.5, 1.5), shares, shares)
def test_the_curve_lies_in_0_1_and_ends_at_zero(
    start: float, length: float, way: float, warmup: float, decay: float
) -> None:
    end = start + length
    factor = learning_rate_factor(start + way * length, start=start, end=end, warmup=warmup, decay=decay)
    assert 0 <= factor <= 1
    assert learning_rate_factor(end, start=start, end=end, warmup=warmup, decay=decay) == 0


@given(st.floats(0, 1), st.floats(0, 1), shares, shares)
def test_the_curve_rises_stays_and_falls(one: float, other: float, warmup: float, decay: float) -> None:
    def at(way: float) -> float:
        return learning_rate_factor(way, start=0, end=1, warmup=warmup, decay=decay)

    early, late = sorted((one, other))
    if late <= warmup:
        assert at(early) <= at(late)
    if early >= 1 - decay:
        assert at(early) >= at(late)
    if warmup <= early and late <= 1 - decay:
        assert math.isclose(at(early), 1, abs_tol=1e-9)
        assert math.isclose(at(late), 1, abs_tol=1e-9)


def test_the_clock_stands_still_between_two_starts() -> None:
    now = [100.0]
    first = Clock(now=lambda: now[0])
    now[0] = 130.0
    assert first.spent == 30
    now[0] = 5000.0
    second = Clock(already=30.0, started_at=4990.0, now=lambda: now[0])
    assert second.spent == 40


def test_a_schedule_in_seconds_ends_before_the_reserve_and_its_last_step_is_tiny() -> None:
    now = [0.0]
    clock = Clock(now=lambda: now[0])
    reserve = Reserve(margin=1.5, fixed=2.0, recent={"export": [4.0]})
    schedule = Schedule(Budget(amount=100, unit="seconds"), clock, 0.1, 0.3, start=0.0, reserve=reserve)
    factors: list[float] = []
    schedule.pace.learn(0.5, passes=0.4, photos=4)
    while schedule.has_time(len(factors)):
        factors.append(schedule.learning_rate(len(factors)))
        now[0] += 0.5
    # 1.5 * 4 + 2 for the end, and some of the budget for what differs from one time to the next.
    assert now[0] == 91.5
    assert max(factors) == 1
    assert 0 < factors[-1] < 0.02
    long = Schedule(Budget(amount=10_000, unit="seconds"), clock, 0.1, 0.3, start=0.0, reserve=reserve)
    assert long.end == 10_000 - 8 - 4  # half of what the end takes is enough


def test_a_slow_down_while_the_rate_falls_never_lets_it_rise_and_it_ends_near_zero() -> None:
    now = [0.0]
    reserve = Reserve(margin=1.0, fixed=0.0, recent={"export": [10.0]})
    schedule = Schedule(Budget(amount=400, unit="seconds"), Clock(now=lambda: now[0]), 0.1, 0.4, reserve=reserve)
    schedule.pace.refer(1.0, photos=4)
    ends: list[float] = []
    factors: list[float] = []
    while schedule.has_time(len(factors)):
        ends.append(schedule.end)
        factors.append(schedule.learning_rate(len(factors)))
        took = 2.0 if 280 < now[0] < 320 else 1.0
        now[0] += took
        schedule.pace.learn(took, passes=took, photos=4)
    assert min(ends) < max(ends)  # the end came near and went away again
    falling = factors[factors.index(1.0) :]
    assert falling == sorted(falling, reverse=True)
    assert 0 < factors[-1] < 0.02
    again = Schedule(schedule.budget, schedule.clock, 0.1, 0.4, decayed=0.25)
    assert again.learning_rate(0) <= 0.25


def test_a_machine_that_slows_down_moves_the_end_forward() -> None:
    pace = Pace()
    pace.refer(16.0, photos=16)
    assert pace.slowdown == 1
    for photos in (16, 16, 3, 16, 3, 16, 16):  # one that is not full takes longer for each photo
        pace.learn(8.0 + photos, passes=photos if photos == 16 else 2.0 * photos, photos=photos)
    assert pace.seconds == 24
    assert pace.slowdown == 1  # what the update takes does not count
    for _ in range(5):
        pace.learn(40.0, passes=32.0, photos=16)
    assert pace.slowdown == 2
    pace.learn(90.0, passes=80.0, photos=16)
    assert (pace.seconds, pace.next_seconds, pace.slowdown) == (40, 90, 2)
    for _ in range(5):
        pace.learn(1.6, passes=1.0, photos=16)
    assert pace.slowdown == 1  # a first step is slow, and the end is no faster for it


def test_the_reserve_forgets_a_part_that_was_slow_once() -> None:
    reserve = Reserve(margin=1.0, fixed=0.0)
    for seconds in (1.0, 9.0, 2.0, 3.0):
        reserve.learn("validate", seconds)
    reserve.learn("export", 5.0)
    assert reserve.parts == {"validate": 3.0, "export": 5.0}
    assert reserve.seconds == 8.0


def test_a_budget_that_is_too_short_is_told_in_a_sentence() -> None:
    clock = Clock(already=4.0)
    schedule = Schedule(Budget(amount=5, unit="seconds"), clock, 0.1, 0.3)
    schedule.reserve.learn("export", 3.0)
    with pytest.raises(BudgetError, match=r"'budget' = '5\.0 s' is too short for one step: after set-up, 4\.0 s"):
        schedule.check("set-up")


@pytest.mark.parametrize(
    ("text", "written", "instead"),
    [
        ("0:05", "'0:05'", "give it 12 s or more."),
        ("$0.01", r"'\$0\.01'", r"give it \$0\.03 or more\."),
        ("0.5 EUR", "'0.5 EUR'", r"give it 1\.18 EUR or more\."),
        ("until 2026-12-01T08:00+01:00", r"'until 2026-12-01T08:00\+01:00'", "give it 'until 2026-1.*:01.*' or later"),
    ],
)
def test_a_budget_that_is_too_short_is_told_in_its_own_unit(text: str, written: str, instead: str) -> None:
    asked = parse_budget(text)
    price = 3600 * asked.amount / 5 if asked.unit == "money" else None  # every one of them is five seconds long
    budget = settled(asked, spent=4.0, price_per_hour=price, now=asked.amount - 1)
    schedule = Schedule(budget, Clock(already=4.0, now=lambda: 0.0), 0.1, 0.3)
    schedule.reserve.learn("export", 3.0)
    assert budget.amount == pytest.approx(5.0)
    with pytest.raises(BudgetError, match=f"'budget' = {written} is too short for one step: after set-up, .*{instead}"):
        schedule.check("set-up")


def test_one_step_is_no_steps() -> None:
    assert [str(parse_budget(text)) for text in ("1 step", "200 steps")] == ["1 step", "200 steps"]
    assert interval_text(parse_interval("1 steps", key="validate_every")) == "every 1 step"
    assert [counted(number, "photo") for number in (0, 1, 1000)] == ["0 photos", "1 photo", "1,000 photos"]


def test_durations_are_spoken_with_units() -> None:
    assert [spoken(x) for x in (0.25, 59.4, 61, 300, 7800)] == [
        "0.2 s",
        "59 s",
        "1 minute 1 s",
        "5 minutes 0 s",
        "2 hours 10 minutes",
    ]
