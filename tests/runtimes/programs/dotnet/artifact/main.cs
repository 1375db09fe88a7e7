using System.IO;

class Program {
    static void Main() {
        Directory.CreateDirectory("out");
        File.WriteAllText("out/result.txt", "made\n");
    }
}
