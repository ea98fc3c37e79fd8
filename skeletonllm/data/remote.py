"""Files that are here, on the Hub or behind a URL, opened alike for reading at any place."""

import io
import urllib.error
import urllib.request
from typing import BinaryIO

PROTOCOLS = ("file", "http", "https", "hf")
# What is fetched at once from elsewhere: a request costs as much time as a megabyte.
BLOCK_BYTES = 2**20
TIMEOUT_SECONDS = 60.0


def protocol_of(path: str) -> str:
    """How a path is opened. Raises ValueError if it is none of ``PROTOCOLS``."""
    protocol = path.partition("://")[0] if "://" in path else "file"
    if protocol not in PROTOCOLS:
        raise ValueError(f"{path}: protocol {protocol!r}, expected one of {', '.join(PROTOCOLS)}")
    return protocol


def open_binary(path: str) -> BinaryIO:
    """Open a file.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be reached, or its server sends no parts of files.
        ValueError: another protocol.
    """
    protocol = protocol_of(path)
    if protocol == "hf":
        import fsspec

        return fsspec.open(path, "rb", block_size=BLOCK_BYTES).open()
    if protocol in ("http", "https"):
        return io.BufferedReader(_Ranges(path), BLOCK_BYTES)
    return open(path.removeprefix("file://"), "rb")


class _Ranges(io.RawIOBase):
    """A file behind a URL, fetched in parts."""

    def __init__(self, url: str):
        self.url, self.position = url, 0
        with self._ask({}, "HEAD") as answer:
            length = answer.headers.get("Content-Length")
        if length is None:
            raise OSError(f"{url}: the server does not tell the length of the file")
        self.length = int(length)

    def _ask(self, headers: dict[str, str], method: str = "GET"):
        request = urllib.request.Request(self.url, headers=headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                raise FileNotFoundError(f"{self.url}: {error.code} {error.reason}") from error
            raise OSError(f"{self.url}: {error.code} {error.reason}") from error

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.length}[whence]
        self.position = max(0, start + offset)
        return self.position

    def readinto(self, buffer) -> int:
        stop = min(self.position + len(buffer), self.length)
        if stop <= self.position:
            return 0
        with self._ask({"Range": f"bytes={self.position}-{stop - 1}"}) as answer:
            # A server without ranges would send the whole file each time.
            if answer.status != 206:
                raise OSError(f"{self.url}: the server sends no parts of files (status {answer.status}, expected 206)")
            data = answer.read(stop - self.position)
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)
