"""Acts for a process that cannot: when that one dies, sleeps too long or lets something fill up, prepared lines are written for it.

A program of its own, at the other end of the socket that is its standard input. It starts while somebody waits for it, so it imports
nothing but what is built into the interpreter: 70 ms where `json`, `signal` and `socket` make it 190 ms.
"""

import _socket
import marshal
import os
import select
import sys
import time

INTERVAL = 0.1
"""Seconds between two looks at files and file systems."""
LAST_WORDS = 300.0
"""Seconds for the answers, once nobody else is there to hear them: until they come the connection must stay, or the lines are lost."""
WRITTEN_BEFORE = 10.0
"""Seconds for the answers to what was written earlier: that process may have heard them itself."""
LARGEST = 1 << 17
"""Bytes of a message of the process that is watched over."""

DEATH = "understudy ended"
SLEEP = "understudy did not end it in time"


class Order:
    """Lines, where to write them, and when."""

    def __init__(
        self,
        peer: _socket.socket,
        text: bytes,
        awaited: bytes,
        deadline: float | None,
        files: list[tuple[str, int, bool]],
        spaces: list[tuple[str, int]],
    ) -> None:
        self.peer = peer
        self.connection = os.fstat(peer.fileno()).st_ino
        """The same for every order on one connection."""
        self.rest = text
        self.deadline = deadline
        self.fired = ""
        self.over = False
        """Nothing more can be written or heard."""
        self._awaited = awaited
        self._files = files
        self._spaces = spaces
        self._heard = b""

    @property
    def looks(self) -> bool:
        """Whether something must be looked at again and again."""
        return not self.fired and bool(self._files or self._spaces)

    def due(self) -> str:
        """Why it must be carried out now; empty while it need not."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return SLEEP
        try:
            for path, limit, allocated in self._files:
                if _size(path, allocated) > limit:
                    return f"{path} grew beyond {limit} bytes"
            for path, least in self._spaces:
                state = os.statvfs(path)
                if state.f_bavail * state.f_frsize < least:
                    return f"less than {least} bytes were left in {path}"
        except OSError as error:
            # What cannot be watched is not safe.
            return f"{error.filename}: {error.strerror}"
        return ""

    def write(self) -> None:
        try:
            sent = self.peer.send(self.rest, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError:
            self.over = True
            return
        self.rest = self.rest[sent:]

    def read(self) -> bytes | None:
        """Only while nobody else does: answers to everything that was asked on this connection come here. Empty: it is over;
        None: there is nothing yet."""
        try:
            return self.peer.recv(1 << 16, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def hear(self, data: bytes) -> None:
        self._heard = (self._heard + data)[-(1 << 16) - len(self._awaited) :]
        self.over = not data or (not self.rest and self._awaited in self._heard)


def _size(path: str, allocated: bool) -> int:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return 0
    return state.st_blocks * 512 if allocated else state.st_size


def attend(control: _socket.socket, orders: dict[int, Order]) -> None:
    """Take orders and carry out those that are due, until the other process is no more."""
    while True:
        for order in reversed(orders.values()):
            if not order.fired and (why := order.due()):
                order.fired = why
                order.write()
        poll = select.poll()
        poll.register(control.fileno(), select.POLLIN)
        for order in orders.values():
            if order.fired and order.rest and not order.over:
                poll.register(order.peer.fileno(), select.POLLOUT)
        ready = dict(poll.poll(_pause(orders)))
        for order in orders.values():
            if order.peer.fileno() in ready and order.fired and order.rest:
                order.write()
        if control.fileno() in ready and not _take(control, orders):
            return


def _pause(orders: dict[int, Order]) -> float | None:
    """Milliseconds until somebody must look again."""
    times = [order.deadline - time.monotonic() for order in orders.values() if order.deadline is not None and not order.fired]
    times += [INTERVAL for order in orders.values() if order.looks]
    return max(0.0, min(times)) * 1000 + 1 if times else None


def _take(control: _socket.socket, orders: dict[int, Order]) -> bool:
    """One message of the other process; False: there will be no more."""
    try:
        data, ancillary, _, _ = control.recvmsg(LARGEST, _socket.CMSG_SPACE(4))
    except OSError:
        return False
    if not data:
        return False
    token, *rest = marshal.loads(data)
    if rest:
        descriptor = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        orders[token] = Order(_socket.socket(fileno=descriptor), *rest)
        answer = ""
    elif token in orders:
        order = orders.pop(token)
        order.peer.close()
        answer = order.fired
    else:
        answer = ""
    try:
        control.send(marshal.dumps((token, answer)), _socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def conclude(orders: dict[int, Order]) -> None:
    """The other process is no more: carry out everything, the newest first, and wait until it was heard."""
    now = time.monotonic()
    ends = {order: now + (WRITTEN_BEFORE if order.fired else LAST_WORDS) for order in reversed(orders.values())}
    for order in ends:
        if not order.fired:
            order.fired = DEATH
            order.write()
    while left := [order for order, end in ends.items() if not order.over and time.monotonic() < end]:
        poll = select.poll()
        for order in left:
            poll.register(order.peer.fileno(), select.POLLIN | (select.POLLOUT if order.rest else 0))
        ready = dict(poll.poll(1000))
        for order in left:
            if order.peer.fileno() in ready and order.rest:
                order.write()
            if ready.get(order.peer.fileno(), 0) & ~select.POLLOUT:
                data = order.read()
                for other in left:
                    if data is not None and other.connection == order.connection:
                        other.hear(data)


def main() -> None:
    os.chdir("/")
    orders: dict[int, Order] = {}
    attend(_socket.socket(fileno=0), orders)
    conclude(orders)


if __name__ == "__main__":
    main()
