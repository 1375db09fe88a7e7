import java.util.Scanner;

public class Main {
    public static void main(String[] args) {
        Scanner in = new Scanner(System.in);
        int living = in.nextInt() * 16, all = in.nextInt() * 16;
        byte[][] newest = new byte[living][];
        for (int made = 0; made < all; made++) {
            newest[made % living] = new byte[65520];
            java.util.Arrays.fill(newest[made % living], (byte) 1);
        }
        System.out.println("done");
    }
}
