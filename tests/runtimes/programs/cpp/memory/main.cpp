#include <string>
#include <vector>

int main() {
    for (std::vector<std::string> kept;;) kept.emplace_back(1 << 20, 'x');
}
