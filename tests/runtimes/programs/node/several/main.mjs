import { readFileSync } from "node:fs"
import { greet } from "./lib/words.mjs"

console.log(greet(readFileSync("lib/name.txt", "utf8").trim()))
