package app;

import java.nio.file.Files;
import java.nio.file.Path;
import lib.Words;

class Main {
    public static void main(String[] args) throws Exception {
        System.out.println(Words.greet(Files.readString(Path.of("lib/name.txt")).strip()));
    }
}
