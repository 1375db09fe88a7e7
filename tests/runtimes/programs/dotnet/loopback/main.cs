using System;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;

class Program {
    static string Tcp(string word) {
        var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var said = Task.Run(() => {
            using (var client = new TcpClient()) {
                client.Connect(IPAddress.Loopback, ((IPEndPoint)server.LocalEndpoint).Port);
                var bytes = new byte[9];
                return Encoding.ASCII.GetString(bytes, 0, client.GetStream().Read(bytes, 0, 9));
            }
        });
        using (var served = server.AcceptTcpClient()) {
            served.NoDelay = true;
            served.GetStream().Write(Encoding.ASCII.GetBytes(word), 0, word.Length);
        }
        server.Stop();
        return said.Result;
    }

    static string Udp() {
        using (var server = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)))
        using (var client = new UdpClient()) {
            client.Connect(IPAddress.Loopback, ((IPEndPoint)server.Client.LocalEndPoint).Port);
            client.Send(Encoding.ASCII.GetBytes("udp"), 3);
            var from = new IPEndPoint(IPAddress.Any, 0);
            var bytes = server.Receive(ref from);
            server.Send(bytes, bytes.Length, from);
            return Encoding.ASCII.GetString(client.Receive(ref from));
        }
    }

    static string Unix() {
        var type = typeof(Socket).Assembly.GetType("System.Net.Sockets.UnixDomainSocketEndPoint", true);
        var address = (EndPoint)Activator.CreateInstance(type, "/tmp/loopback");
        using (var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        using (var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)) {
            server.Bind(address);
            server.Listen(1);
            client.Connect(address);
            server.Accept().Send(Encoding.ASCII.GetBytes("unix"));
            var bytes = new byte[9];
            return Encoding.ASCII.GetString(bytes, 0, client.Receive(bytes));
        }
    }

    static void Main() {
        Console.WriteLine(Tcp("tcp"));
        Console.WriteLine(Udp());
        Console.WriteLine(Unix());
        Console.WriteLine(Tcp("events"));
        Console.WriteLine(Dns.GetHostAddresses("127.0.0.1")[0]);
        try { NetworkInterface.GetAllNetworkInterfaces(); } catch (NetworkInformationException) {}
    }
}
