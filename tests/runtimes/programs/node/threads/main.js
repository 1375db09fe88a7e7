const { Worker, isMainThread, parentPort } = require("worker_threads")

if (isMainThread) {
  let up = 0
  const workers = Array.from({ length: 50 }, () => new Worker(__filename))
  for (const worker of workers)
    worker.once("message", () => {
      if (++up === 50) {
        console.log(up)
        workers.forEach((one) => one.postMessage("enough"))
      }
    })
} else {
  parentPort.once("message", () => {})
  parentPort.postMessage("up")
}
