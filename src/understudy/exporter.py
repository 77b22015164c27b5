"""The composition root of the process that serves a point: with what that needs only, since a machine may wait for it to start.

Until it serves a point it takes 0.6 s of a processor on the reference machine; with all that `app` needs, 1.6 s.
"""

from understudy.heap import LASTING, bound
from understudy.leaving import end_process
from understudy.local.export_process import Stores, run_export
from understudy.store.opening import open_store
from understudy.store.url import directory_here


def main() -> None:
    """Its order comes on standard input, one answer goes to standard output, and its log to standard error."""
    bound(LASTING)
    end_process(lambda: run_export(Stores(open_store, directory_here)))
