"""Stand between adb and an adbd, and change how it greets, for phones that cannot be had here.

Usage: python adb_gate.py LISTEN_PORT locked|old|silent [ADBD_PORT]

``locked`` asks for authorisation that nobody gives, as a phone whose screen shows the question;
``old`` hides that the daemon behind it knows shell protocol v2, as up to Android 6; ``silent``
takes the connection and says nothing, as a phone that hangs.
"""

import socket
import struct
import sys
import threading

HEADER = struct.Struct("<6I")  # command, arg0, arg1, length, sum of the bytes, command inverted
CNXN, AUTH = (int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH"))
TOKEN = 1


def read(connection: socket.socket) -> tuple[tuple[int, int, int], bytes]:
    header = HEADER.unpack(connection.recv(HEADER.size, socket.MSG_WAITALL))
    return header[:3], connection.recv(header[3], socket.MSG_WAITALL)


def write(connection: socket.socket, head: tuple[int, int, int], content: bytes) -> None:
    command = head[0]
    tail = len(content), sum(content), command ^ 0xFFFFFFFF
    connection.sendall(HEADER.pack(*head, *tail) + content)


def copy(source: socket.socket, sink: socket.socket) -> None:
    while content := source.recv(65536):
        sink.sendall(content)
    sink.shutdown(socket.SHUT_WR)


def serve(client: socket.socket, mode: str, adbd_port: int) -> None:
    if mode == "old":
        with socket.create_connection(("127.0.0.1", adbd_port)) as daemon:
            write(daemon, *read(client))
            head, banner = read(daemon)
            write(client, head, banner.replace(b"shell_v2", b"shell_v0"))
            threading.Thread(target=copy, args=(client, daemon), daemon=True).start()
            copy(daemon, client)
    while read(client) and mode == "locked":
        write(client, (AUTH, TOKEN, 0), bytes(20))
    client.recv(1)


def main() -> None:
    port, mode = int(sys.argv[1]), sys.argv[2]
    adbd_port = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, mode, adbd_port), daemon=True).start()


if __name__ == "__main__":
    main()
