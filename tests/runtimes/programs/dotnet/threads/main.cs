using System;
using System.Threading;

class Program {
    static void Main() {
        var up = new CountdownEvent(50);
        for (int i = 0; i < 50; i++) new Thread(() => { up.Signal(); up.Wait(); }).Start();
        up.Wait();
        Console.WriteLine(up.InitialCount);
    }
}
