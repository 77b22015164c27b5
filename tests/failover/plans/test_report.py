"""Reports as pages and words: all that happened is there, and nothing that somebody wrote acts."""

import re
from html.parser import HTMLParser

import msgspec

from tests.failover.plans.kit import ASKED, SECOND, end, forward, group, manual, run_of, script
from understudy.cli.output import Output
from understudy.cli.plan_words import run_told
from understudy.engine import AnswerStep, PlanRun
from understudy.engine.plan_page import page_of
from understudy.failover.plans.progress import answered, over

HOSTILE = "</pre></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b]0;taken\x07\u202e"


class Tags(HTMLParser):
    """`text`: what a person sees, without what stands in the style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


def a_run(words: str) -> PlanRun:
    """One of everything, with `words` wherever somebody may write."""
    run = run_of(group(words, "x y", pre=(manual(words), script()), delay_seconds=2), name="dr", reason=words, actor=words, site=words)
    run = forward(end(forward(run), "1.delay"))
    run = answered(run, AnswerStep(reply="confirm", note=words), words, ASKED + SECOND)
    run = end(forward(run), "1.pre.2", ok=False, text=words, output=f"{words}\nsecond line\n")
    run = answered(run, AnswerStep(reply="retry", note=words), "anna", ASKED)
    run = forward(end(forward(run), "1.pre.2"))
    run = end(run, "1.machine.1", point="ab" * 16, number=7, frozen_at=ASKED - 3 * SECOND, running_at=ASKED + 8 * SECOND)
    run = end(run, "1.machine.2", ok=False, text=words)
    run = answered(run, AnswerStep(reply="abort", note=words), words, ASKED + 9 * SECOND)
    plan = msgspec.structs.replace(run.plan, description=words)
    return over(msgspec.structs.replace(run, plan=plan), "aborted", ASKED + 10 * SECOND)


def test_what_others_wrote_is_text() -> None:
    page = page_of(a_run(HOSTILE))
    plain, hostile = Tags(page_of(a_run("plain"))), Tags(page)
    assert hostile.tags == plain.tags
    assert "script" not in {tag for tag, _ in hostile.tags}
    assert not re.search(r"(src|href|url\(|@import|http)", page.replace("src=x", ""))
    assert HOSTILE.replace("\x1b", "\ufffd").replace("\x07", "\ufffd").replace("\u202e", "\ufffd") in hostile.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)


def test_all_of_it_is_told() -> None:
    text = Tags(page_of(a_run("why"))).text
    for words in (
        *("Recovery plan dr", "aborted", "planned, from the latest point", "wait 2 s", "3.0 s", "8.0 s", "7, frozen at 2027-01-15"),
        *("confirmed by why, 2027-01-15 08:00:01 UTC: why", "to be tried again, said anna", "aborted by why", "second line"),
        *("try 1: why", "try 2: succeeded", "after 10.0 s", "revision 3"),
    ):
        assert words in text, words


def test_nothing_speaks_to_the_terminal() -> None:
    output = Output(as_json=False)
    with output.out.capture() as told:
        run_told(output, a_run(HOSTILE), full=True)
    assert "second line" in told.get()
    assert "\x1b]" not in told.get()
    assert "\x07" not in told.get()
    assert "\u202e" not in told.get()
