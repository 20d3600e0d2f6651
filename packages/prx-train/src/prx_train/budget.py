"""What a run may use: wall-clock time, money, a deadline, a number of steps, or what another run did."""

import math
import re
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from prx_train.errors import ConfigError
from prx_train.told import counted

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_AMOUNTS = re.compile(r"(\d+(?:\.\d+)?)\s*(min|d|h|m|s)")
_NUMBER = r"(\d+(?:\.\d+)?)"
_MONEY = re.compile(rf"[$€£]\s*{_NUMBER}|{_NUMBER}\s*(?:[$€£]|usd|eur|gbp|chf|cad|aud|jpy|cny|inr)")

Unit = Literal["seconds", "steps", "money", "until", "replay"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may use."""

    amount: float
    """Seconds, steps, units of a currency, or seconds since 1970 (UTC); > 0, and 0 for a replay."""
    unit: Unit
    """What `amount` counts. A schedule works with `seconds` and `steps` alone; see `settled`."""
    run: Path | None = None
    """The run that is replayed."""
    text: str = field(default="", compare=False)
    """As the user wrote it; empty for one that nobody wrote."""
    settles: "Budget | None" = field(default=None, compare=False)
    """The one of money, or the deadline, that this one is in seconds."""

    def __str__(self) -> str:
        if self.unit == "seconds":
            return spoken(self.amount)
        if self.unit == "until":
            return f"until {datetime.fromtimestamp(self.amount).astimezone().isoformat(' ', 'minutes')}"
        if self.unit == "replay":
            return f"the steps of {self.run}"
        return counted(int(self.amount), "step") if self.unit == "steps" else f"{self.amount:g} of money"

    @property
    def written(self) -> str:
        """As the user wrote it; in words where nobody did."""
        return self.text or str(self)

    def at_least(self, seconds: float) -> str:
        """What to write instead of this budget of seconds to have so many, in the unit that the user chose."""
        asked = self.settles
        if asked is not None and asked.unit == "money":
            money = math.ceil(100 * asked.amount * seconds / self.amount) / 100
            return f"{re.sub(_NUMBER, f'{money:.2f}', asked.written)} or more"
        if asked is not None:
            until = math.ceil((asked.amount + seconds - self.amount) / 60) * 60.0
            return f"'{replace(asked, amount=until)}' or later"
        return f"{spoken(seconds)} or more"


def parse_budget(text: str, *, key: str = "budget") -> Budget:
    """Reads "24h", "1h 30m", "90s", "MM:SS", "HH:MM:SS", "200 steps", "$25", "25 EUR", a deadline, or "as runs/first".

    A deadline is "until 2026-12-01 08:00" or any other form of ISO 8601 after "until"; without an offset it
    is local time. "as RUN" means the steps of another run, at its learning rates. `key` is the setting's name.

    Raises:
        ConfigError: the text is none of these, or the amount is not above zero.
    """
    cleaned = text.strip().lower()
    if cleaned.startswith("as "):
        return Budget(amount=0.0, unit="replay", run=Path(text.strip()[3:].strip()), text=text)
    if cleaned.startswith("until "):
        return _deadline(text)
    amount, unit = _amount(cleaned)
    if unit is None:
        raise ConfigError(
            f"config key '{key}' = {text!r} is neither a time such as '5m' or '24h', nor money such as '$25', nor "
            "'until 2026-12-01 08:00', nor '200 steps'."
        )
    if amount <= 0:
        raise ConfigError(f"config key '{key}' = {text!r} must be more than zero.")
    return Budget(amount=amount, unit=unit, text=text)


def parse_interval(text: str, *, key: str) -> Budget:
    """Reads a time or a number of steps, for the setting of that name.

    Raises:
        ConfigError: it is something else.
    """
    if _amount(text.strip().lower())[1] not in {"seconds", "steps"}:
        raise ConfigError(f"config key '{key}' = {text!r} is neither a time such as '60s' nor '50 steps'.")
    return parse_budget(text, key=key)


def settled(
    budget: Budget,
    *,
    spent: float,
    begun: bool = False,
    devices: int = 1,
    price_per_hour: float | None = None,
    now: float | None = None,
) -> Budget:
    """A budget in seconds or steps.

    Args:
        budget: Money becomes the seconds that it buys, a deadline what was spent and what is left until then.
        spent: Seconds that the run has used so far.
        begun: Whether it has steps, so that a deadline that has passed only brings it to its end.
        devices: So many are paid for at once.
        price_per_hour: Of one device, in the currency of the budget.
        now: Seconds since 1970; the present if None.

    Raises:
        ConfigError: money without a price, or a deadline that has passed.
    """
    if budget.unit == "money":
        if not price_per_hour:
            raise ConfigError("a 'budget' of money needs 'price_per_hour', what one device costs in an hour.")
        seconds = 3600 * budget.amount / (price_per_hour * devices)
        return Budget(amount=seconds, unit="seconds", text=budget.text, settles=budget)
    if budget.unit == "until":
        left = budget.amount - (time.time() if now is None else now)
        if left <= 0 and not begun:
            raise ConfigError(f"config key 'budget' = '{budget}' lies in the past.")
        return Budget(amount=max(spent + left, 1e-3), unit="seconds", text=budget.text, settles=budget)
    return replace(budget, run=None)


def _amount(cleaned: str) -> tuple[float, Unit | None]:
    if steps := re.fullmatch(r"(\d+)\s*steps?", cleaned):
        return float(steps[1]), "steps"
    if re.fullmatch(r"\d+(:\d\d){1,2}(\.\d+)?", cleaned):
        return math.fsum(float(part) * 60.0**i for i, part in enumerate(reversed(cleaned.split(":")))), "seconds"
    if cleaned and not _AMOUNTS.sub("", cleaned).strip():
        return math.fsum(float(n) * _UNITS[u] for n, u in _AMOUNTS.findall(cleaned)), "seconds"
    if money := _MONEY.fullmatch(cleaned):
        return float(money[1] or money[2]), "money"
    return 0.0, None


def _deadline(text: str) -> Budget:
    try:
        found = datetime.fromisoformat(text.strip()[6:].strip())
    except ValueError:
        raise ConfigError(
            f"config key 'budget' = {text!r} is no deadline; write it as 'until 2026-12-01 08:00' or "
            "'until 2026-12-01T08:00+01:00'."
        ) from None
    return Budget(amount=found.timestamp(), unit="until", text=text)


def spoken(seconds: float) -> str:
    """A duration in words, such as "5 minutes 3 s" or "2 hours 10 minutes"; tenths below ten seconds."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{counted(minutes, 'minute')} {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{counted(hours, 'hour')} {counted(minutes, 'minute')}"
