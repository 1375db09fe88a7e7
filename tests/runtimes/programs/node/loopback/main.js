const dgram = require("dgram");
const dns = require("dns");
const net = require("net");
const os = require("os");

const stream = (address, word) => new Promise((resolve, reject) => {
  const server = net.createServer((socket) => { socket.setNoDelay(true); socket.end(word); server.close(); });
  server.on("error", reject).listen(...address, () => {
    const at = server.address();
    const client = typeof at === "string" ? net.connect(at) : net.connect(at.port, "127.0.0.1");
    let said = "";
    client.on("error", reject).on("data", (data) => { said += data; }).on("end", () => resolve(said));
  });
});

const datagram = (word) => new Promise((resolve, reject) => {
  const server = dgram.createSocket("udp4"), client = dgram.createSocket("udp4");
  server.on("error", reject).on("message", (message, from) => server.send(message, from.port, from.address));
  client.on("error", reject).on("message", (message) => { server.close(); client.close(); resolve(`${message}`); });
  server.bind(0, "127.0.0.1", () => client.send(word, server.address().port, "127.0.0.1"));
});

(async () => {
  console.log(await stream([0, "127.0.0.1"], "tcp"));
  console.log(await datagram("udp"));
  console.log(await stream(["/tmp/loopback"], "unix"));
  console.log(await stream([0], "events"));
  console.log((await dns.promises.lookup("127.0.0.1", { hints: dns.ADDRCONFIG })).address);

  os.cpus();
})();
