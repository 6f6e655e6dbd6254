"""A listener on one client's line, for `federated_deployment.py`: it has the server's own key and keeps every byte.

What a client sends is kept as it is inside TLS, a stream for each connection, and can be searched, and sent again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

END = b"\r\n\r\n"


class Tap:
    """Listens on a port of its own and passes everything on to the server."""

    def __init__(self, folder: Path, server: tuple[str, int], port: int) -> None:
        """`folder` holds the server's certificate and key, and the authority's certificate."""
        self._server, self._port = server, port
        self._streams: list[bytearray] = []
        self._inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._inside.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._outside = ssl.create_default_context(cafile=str(folder / "ca.crt"))

    def start(self) -> None:
        threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True).start()

    async def _listen(self) -> None:
        listener = await asyncio.start_server(self._connected, "127.0.0.1", self._port, ssl=self._inside)
        await listener.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host, port = self._server
            far_reader, far_writer = await asyncio.open_connection(host, port, ssl=self._outside)
        except OSError:
            writer.close()  # the server is down: the client will try again
            return
        stream = bytearray()
        self._streams.append(stream)
        await asyncio.gather(_pass(reader, far_writer, stream), _pass(far_reader, writer, None))

    def sent(self) -> bytes:
        """Every byte so far, connections one after the other."""
        return b"\0".join(map(bytes, self._streams))

    def requests(self, path: str) -> list[bytes]:
        """Whole requests to one path, head and body, in the order of their connections."""
        found = []
        for stream in map(bytes, self._streams):
            at = 0
            while (at := stream.find(b"POST ", at)) >= 0:
                head = stream.find(END, at) + len(END)
                length = _length(stream[at:head])
                if stream.startswith(f"POST {path} ".encode(), at) and head + length <= len(stream):
                    found.append(stream[at : head + length])
                at = head + length
        return found

    def answer_to(self, request: bytes) -> int:
        """The status that the server gives a request sent as it is."""
        with (
            socket.create_connection(self._server, timeout=60) as plain,
            self._outside.wrap_socket(plain, server_hostname=self._server[0]) as line,
        ):
            line.sendall(request)
            return int(line.recv(4096).split()[1])


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
    try:
        while part := await reader.read(65536):
            if kept is not None:
                kept += part
            writer.write(part)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass  # one side is gone, so the other is let go as well
    finally:
        writer.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
