import java.nio.file.Files;
import java.nio.file.Path;

class Main {
    public static void main(String[] args) throws Exception {
        Files.createDirectory(Path.of("out"));
        Files.writeString(Path.of("out/result.txt"), "made\n");
    }
}
