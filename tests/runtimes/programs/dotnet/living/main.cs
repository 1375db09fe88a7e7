using System;

class Living {
    static void Main() {
        string[] words = Console.ReadLine().Split(' ');
        int living = int.Parse(words[0]) * 1024, all = int.Parse(words[1]) * 1024;
        var newest = new byte[living][];
        for (int made = 0; made < all; made++) {
            newest[made % living] = new byte[1000];
            Array.Fill(newest[made % living], (byte) 1);
        }
        Console.WriteLine("done");
    }
}
