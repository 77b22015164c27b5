"""What systemd wants to hear of a service of Type=notify: lines to a datagram socket."""

import os
import socket
import time


class Notifier:
    """Says nothing where nobody listens."""

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        """`watchdog_seconds`: after so long without `alive` the service is killed; 0: never."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def of_environment(cls) -> "Notifier":
        """Taken out of the environment: programs that are started from here must not speak for the service."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds, pid = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        ours = microseconds.isdecimal() and pid in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if ours else 0.0)

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        """To be followed by `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as line:
                line.sendto(text.encode(), self._address)
        except OSError:
            # systemd is being restarted, or does not listen: it will ask for a sign of life again.
            return
