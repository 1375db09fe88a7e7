class Main {
    public static void main(String[] args) {
        for (var kept = new java.util.ArrayList<byte[]>();;) kept.add(new byte[1 << 20]);
    }
}
