#include <condition_variable>
#include <iostream>
#include <thread>
#include <vector>

int main() {
    std::mutex mutex;
    std::condition_variable all;
    int up = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 50; ++i)
        threads.emplace_back([&] {
            std::unique_lock lock(mutex);
            if (++up == 50) all.notify_all();
            all.wait(lock, [&] { return up == 50; });
        });
    for (auto &thread : threads) thread.join();
    std::cout << up << '\n';
}
