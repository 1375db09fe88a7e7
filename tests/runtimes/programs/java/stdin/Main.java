class Main {
    public static void main(String[] args) {
        int total = 0;
        for (var scanner = new java.util.Scanner(System.in); scanner.hasNextInt();) total += scanner.nextInt();
        System.out.println(total);
    }
}
