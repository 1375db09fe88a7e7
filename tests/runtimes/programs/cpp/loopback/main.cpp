#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <iostream>
#include <string>

static sockaddr_in loopback(int server) {
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t size = sizeof address;
    bind(server, reinterpret_cast<sockaddr *>(&address), size);
    getsockname(server, reinterpret_cast<sockaddr *>(&address), &size);
    return address;
}

static std::string said(int fd) {
    char bytes[9];
    ssize_t size = read(fd, bytes, sizeof bytes);
    return size < 0 ? "nothing" : std::string(bytes, size);
}

template <typename Address>
static void stream(int server, int client, const Address &address, const std::string &word) {
    listen(server, 8);
    connect(client, reinterpret_cast<const sockaddr *>(&address), sizeof address);
    pollfd ready{server, POLLIN, 0};
    poll(&ready, 1, -1);
    int served = accept4(server, nullptr, nullptr, SOCK_CLOEXEC);
    write(served, word.data(), word.size());
    std::cout << said(client) << '\n';
}

int main() {
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), on = 1;
    if (setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) return 1;
    stream(server, client, loopback(server), "tcp");

    server = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_in address = loopback(server), from{};
    socklen_t size = sizeof from;
    sendto(client, "udp", 3, 0, reinterpret_cast<sockaddr *>(&address), sizeof address);
    char bytes[9];
    ssize_t got = recvfrom(server, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr *>(&from), &size);
    sendto(server, bytes, got, 0, reinterpret_cast<sockaddr *>(&from), size);
    std::cout << said(client) << '\n';

    sockaddr_un path{AF_UNIX, "/tmp/loopback"};
    server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(server, reinterpret_cast<sockaddr *>(&path), sizeof path);
    stream(server, client, path, "unix");

    server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    stream(server, client, loopback(server), "events");

    addrinfo hints{}, *found = nullptr;
    hints.ai_flags = AI_ADDRCONFIG, hints.ai_family = AF_UNSPEC, hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo("127.0.0.1", "80", &hints, &found) != 0) return 1;
    std::cout << inet_ntoa(reinterpret_cast<sockaddr_in *>(found->ai_addr)->sin_addr) << '\n';
    ifaddrs *devices = nullptr;
    getifaddrs(&devices);
}
