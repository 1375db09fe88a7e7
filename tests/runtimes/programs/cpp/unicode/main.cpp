#include <iostream>

int main() {
    auto größe = "héllo, 世界";
    std::cout << größe << '\n';
}
