class Main {
    int oops() { return "text"; }
}
