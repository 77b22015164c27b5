"""What is wrong with a configuration, gathered: who corrects it wants to hear of all of it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from understudy.errors import InvalidRequest, UnderstudyError


@dataclass(slots=True)
class Mistakes:
    found: list[UnderstudyError] = field(default_factory=list)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """What is raised is kept, and the rest is looked at."""
        try:
            yield
        except UnderstudyError as error:
            self.found.append(error)

    def tell(self) -> None:
        """Raises the only one as it is, several as one `InvalidRequest`; nothing where all is right."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            told = "; ".join(f"{error.message}{f' ({error.hint})' if error.hint else ''}" for error in self.found)
            raise InvalidRequest(f"{len(self.found)} mistakes: {told}", hint="correct all of them")
