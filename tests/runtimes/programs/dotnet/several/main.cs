using System;
using System.IO;

class Program {
    static void Main() { Console.WriteLine(Words.Greet(File.ReadAllText("lib/name.txt").Trim())); }
}
