#include <iostream>
#include <vector>

int main() {
    std::cout << std::vector<long>(1L << 44).size() << "\n";
}
