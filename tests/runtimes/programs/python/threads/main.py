from threading import Barrier, Thread

together = Barrier(50)
threads = [Thread(target=together.wait) for _ in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(threads))
