"""What a machine is started from, as an operator reads and writes it."""

from understudy.engine.values import Value


class ShownDefinition(Value, frozen=True):
    """`given`: by an operator, and in force until it is taken back; else as it was captured with point `point` (an id).

    `text`: TOML. `unknown`: what could not be captured, or will be different, each with what to do.
    """

    machine: str
    given: bool
    point: str
    text: str
    unknown: tuple[str, ...] = ()


class SetDefinition(Value, frozen=True):
    """Start a machine from this from now on, whatever its points say; None: from what they say again."""

    machine: str
    text: str | None
