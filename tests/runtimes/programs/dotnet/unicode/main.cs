class Program {
    static void Main() {
        var größe = "héllo, 世界";
        System.Console.WriteLine(größe);
    }
}
