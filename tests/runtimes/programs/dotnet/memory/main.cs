using System.Collections.Generic;

class Program {
    static void Main() {
        for (var kept = new List<string>();;) kept.Add(new string('x', 1 << 19));
    }
}
