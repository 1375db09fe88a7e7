class Main {
    public static void main(String[] args) {
        var größe = "héllo, 世界";
        System.out.println(größe);
    }
}
