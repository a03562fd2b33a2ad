"""One HTTP/2 request with a body, written in one piece: a server that answers by the headers alone cannot cut it off.

Usage: http2_request.py PORT PATH; 0 when the response has ended.
"""

import socket
import struct
import sys

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A field that is in no table, RFC 7541 6.2.2."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            sys.exit("the connection was closed before the response had ended")
        data += more
    return data


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": f"127.0.0.1:{port}",
              "content-type": "application/grpc", "te": "trailers"}
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) +
                           frame(HEADERS, END_HEADERS, 1, b"".join(literal(*field) for field in fields.items())) +
                           frame(DATA, END_STREAM, 1, b"\0" * 5))
        while True:
            head = exactly(connection, 9)
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            exactly(connection, int.from_bytes(head[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            if stream == 1 and kind in (HEADERS, DATA) and flags & END_STREAM:
                return


main()
