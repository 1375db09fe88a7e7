import asyncio
import socket
import threading


def tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            served, _ = server.accept()
            served.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            served.sendall(b"tcp")
            served.close()
            print(client.recv(9).decode())


def udp():
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("127.0.0.1", 0))
        echo = threading.Thread(target=lambda: server.sendto(*server.recvfrom(9)))
        echo.start()
        client.sendto(b"udp", server.getsockname())
        print(client.recv(9).decode())
        echo.join()


def unix():
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("/tmp/loopback")
        server.listen()
        client.connect("/tmp/loopback")
        server.accept()[0].sendall(b"unix")
        print(client.recv(9).decode())


async def events():
    server = await asyncio.start_server(lambda _, writer: (writer.write(b"events"), writer.close()), "127.0.0.1")
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print((await reader.read()).decode())
    writer.close()
    server.close()


tcp()
udp()
unix()
asyncio.run(events())
print(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)[0][4][0])
