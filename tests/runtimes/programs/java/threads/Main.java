import java.util.concurrent.CountDownLatch;

class Main {
    public static void main(String[] args) throws Exception {
        var up = new CountDownLatch(50);
        for (int i = 0; i < 50; i++)
            new Thread(() -> {
                up.countDown();
                try { up.await(); } catch (InterruptedException e) { throw new RuntimeException(e); }
            }).start();
        up.await();
        System.out.println(50 - up.getCount());
    }
}
