public class Words {
    public static string Greet(string name) { return "hello " + name; }
}
