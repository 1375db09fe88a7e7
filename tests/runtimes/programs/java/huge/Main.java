public class Main {
    public static void main(String[] args) {
        System.out.println(new long[Integer.MAX_VALUE - 8].length);
    }
}
