"""Settings of captions: who writes them, what they are asked for, and what that may cost."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prx_data.captions.checks import Checks
from prx_data.captions.prompts import FACT_COLUMNS, Prompt, load_prompt
from prx_data.captions.protocol import Kind
from prx_data.captions.template import Template

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Budget(BaseModel):
    """What one model's captions in one workspace may cost, all runs together; what is reached first ends them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    photos: Count | None = None
    """Most photos that are captioned by a model, the most useful first; None for all."""
    hours: Positive | None = None
    """Most time."""
    money: Positive | None = None
    """Most money, in any currency; it needs one of the two prices. By tokens, what is in flight before the first answer
    comes has no known cost yet, and may be spent beyond it."""
    price_per_1000_tokens: Positive | None = None
    """Of tokens read and written alike."""
    price_per_hour: Positive | None = None
    """Of what the model runs on."""

    @model_validator(mode="after")
    def _priced(self) -> "Budget":
        prices = [one for one in (self.price_per_1000_tokens, self.price_per_hour) if one is not None]
        if self.money is not None and not prices:
            raise ValueError("money needs price_per_1000_tokens or price_per_hour")
        return self

    def spent(self, *, seconds: float, tokens: int) -> float:
        """What so much time and so many tokens cost."""
        return seconds / 3600 * (self.price_per_hour or 0.0) + tokens / 1000 * (self.price_per_1000_tokens or 0.0)

    def ended(self, *, seconds: float, tokens: int) -> str | None:
        """Which limit is reached, in words; None if none is."""
        if self.hours is not None and seconds >= self.hours * 3600:
            return f"the {self.hours:g} hours are over"
        if self.money is not None and self.spent(seconds=seconds, tokens=tokens) >= self.money:
            return f"the {self.money:g} of money are spent"
        return None


class Asking(BaseModel):
    """What a model is asked for, and what its answers have to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    template: Template = Template()
    """Metadata columns, and the captions that stand in where a model's fail."""
    dense_prompt: str = "dense-1"
    """The paragraph that becomes `caption`: a prompt of prx-data, or the path of a text file with `$facts`."""
    short_prompt: str | None = "short-1"
    """The line that becomes `caption_short`; None, or "" in a TOML file, to ask for none."""
    fact_columns: tuple[str, ...] = FACT_COLUMNS
    """Metadata columns that are told to the model beside those of the template."""
    checks: Checks = Checks()
    """What a caption has to be."""
    attempts: Annotated[int, Field(ge=1, le=9)] = 2
    """How often a caption that fails a check is asked for in all, each time with another seed."""
    weights: dict[Kind, NotNegative] = Field(default={}, validate_default=True)
    """How often a trainer should use a caption of each kind, relative to the photo's others; 1 where none is given."""
    budget: Budget = Budget()

    @field_validator("weights")
    @classmethod
    def _of_every_kind(cls, weights: dict[Kind, float]) -> dict[Kind, float]:
        kinds: tuple[Kind, ...] = get_args(Kind)
        return {kind: weights.get(kind, 1.0) for kind in kinds}

    def prompts(self) -> tuple[Prompt, ...]:
        """What is asked of every photo, the dense one first.

        Raises:
            ConfigError: A prompt cannot be used.
        """
        dense = load_prompt(self.dense_prompt, "dense")
        return (dense,) if not self.short_prompt else (dense, load_prompt(self.short_prompt, "short"))


class CaptionSettings(Asking):
    """The settings `[captions]`."""

    kind: Literal["template", "local", "server"] = "template"
    """Who writes: a pattern, a model in this process, or a server with OpenAI's protocol."""
    model: str | None = None
    """Name on the server; or, of a local one, a folder or an id on the Hugging Face hub."""
    url: str | None = None
    """The server's address up to `/v1`."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the server's key; no key is sent if it is not set."""
    concurrency: Count = 32
    """Requests in flight at a time."""
    timeout: Positive = 120
    """Seconds that one answer may take."""
    retries: Annotated[int, Field(ge=0)] = 7
    """How often a request is repeated that the server failed at."""
    side: Annotated[int, Field(ge=28)] = 768
    """Pixels of the longer side of what the model sees; never enlarged."""
    temperature: NotNegative = 0.7
    """Of sampling; 0 always takes the likeliest word, and then another seed is no second chance."""
    device: str | None = None
    """Of a local model: `cpu`, `cuda:0`, ...; None for the GPU if there is one."""
    batch_size: Count = 8
    """Photos that a local model sees at a time."""

    @model_validator(mode="after")
    def _complete(self) -> "CaptionSettings":
        if self.kind != "template" and not self.model:
            raise ValueError(f"kind = '{self.kind}' needs model")
        if self.kind == "server" and not self.url:
            raise ValueError("kind = 'server' needs url")
        return self
