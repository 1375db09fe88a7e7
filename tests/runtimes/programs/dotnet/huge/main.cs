class Program {
    static void Main() {
        System.Console.WriteLine(new long[int.MaxValue - 100].Length);
    }
}
