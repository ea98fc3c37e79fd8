"""Being stopped: signals are noted when they come and obeyed at the end of a step."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """While this context is open, Ctrl-C, SIGTERM and SIGUSR1 set ``signal_number`` instead of ending the process.

    A second Ctrl-C ends it at once. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self):
        self.signal_number: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        try:
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread
            self._before.clear()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _) -> None:
        if self.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number
