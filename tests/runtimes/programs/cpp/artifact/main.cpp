#include <filesystem>
#include <fstream>

int main() {
    std::filesystem::create_directory("out");
    std::ofstream("out/result.txt") << "made\n";
}
