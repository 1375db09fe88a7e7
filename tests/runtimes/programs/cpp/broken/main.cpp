int main() { return oops; }
