const fs = require("fs")
fs.mkdirSync("out")
fs.writeFileSync("out/result.txt", "made\n")
