import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.Path;
import java.util.Collections;

public class Main {
    static void tcp() throws Exception {
        try (var server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            try (var client = new Socket("127.0.0.1", server.getLocalPort()); var served = server.accept()) {
                served.setTcpNoDelay(true);
                served.getOutputStream().write("tcp\n".getBytes());
                served.close();
                System.out.print(new String(client.getInputStream().readAllBytes()));
            }
        }
    }

    static void udp() throws Exception {
        try (var server = new DatagramSocket(0, InetAddress.getByName("127.0.0.1")); var client = new DatagramSocket()) {
            client.send(new DatagramPacket("udp".getBytes(), 3, server.getLocalSocketAddress()));
            var packet = new DatagramPacket(new byte[9], 9);
            server.receive(packet);
            server.send(packet);
            client.receive(packet);
            System.out.println(new String(packet.getData(), 0, packet.getLength()));
        }
    }

    static String said(SocketChannel client) throws Exception {
        var bytes = ByteBuffer.allocate(9);
        client.read(bytes);
        return new String(bytes.array(), 0, bytes.position());
    }

    static void unix() throws Exception {
        var address = UnixDomainSocketAddress.of(Path.of("/tmp/loopback"));
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address);
            try (var client = SocketChannel.open(address); var served = server.accept()) {
                served.write(ByteBuffer.wrap("unix".getBytes()));
                System.out.println(said(client));
            }
        }
    }

    static void events() throws Exception {
        try (var server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0)); var selector = Selector.open()) {
            server.configureBlocking(false);
            server.register(selector, SelectionKey.OP_ACCEPT);
            try (var client = SocketChannel.open(server.getLocalAddress())) {
                selector.select();
                server.accept().write(ByteBuffer.wrap("events".getBytes()));
                System.out.println(said(client));
            }
        }
    }

    public static void main(String[] args) throws Exception {
        tcp();
        udp();
        unix();
        events();
        System.out.println(InetAddress.getByName("127.0.0.1").getHostAddress());
        Collections.list(NetworkInterface.getNetworkInterfaces());
        try (var channel = DatagramChannel.open()) {
            channel.setOption(StandardSocketOptions.SO_BROADCAST, true).setOption(StandardSocketOptions.SO_RCVBUF, 65536);
        }
    }
}
