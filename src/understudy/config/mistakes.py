"""What is wrong with a configuration, gathered: who corrects it wants to hear of all of it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from understudy.errors import InvalidRequest, UnderstudyError


class Several(InvalidRequest):
    """More than one mistake, each with its own words."""

    def __init__(self, found: list[UnderstudyError]) -> None:
        told = "; ".join(f"{error.message}{f' ({error.hint})' if error.hint else ''}" for error in found)
        super().__init__(f"{len(found)} mistakes: {told}", hint="correct all of them")
        self.found = found


@dataclass(slots=True)
class Mistakes:
    found: list[UnderstudyError] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What is raised is kept, and the rest is looked at."""
        try:
            yield
        except Several as several:
            self.found += several.found
        except UnderstudyError as error:
            self.found.append(error)

    def tell(self) -> None:
        """Raises the only one as it is, `Several` as one; nothing where all is right."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise Several(self.found)
