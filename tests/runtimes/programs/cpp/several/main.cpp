#include <fstream>
#include <iostream>
#include "lib/words.h"

int main() {
    std::string name;
    std::ifstream("lib/name.txt") >> name;
    std::cout << greet(name) << '\n';
}
