const [living, all] = require("fs").readFileSync(0, "utf8").split(" ").map(mib => mib * 128);
const newest = new Array(living);
for (let made = 0; made < all; made++) newest[made % living] = new Array(1020).fill(made);
console.log("done");
